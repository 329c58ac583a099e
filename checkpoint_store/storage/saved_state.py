"""What the storage is told of a state that is saved, and what it tells of the saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from checkpoint_store.storage.records import JobRecord, Known


class Looked(NamedTuple):
    """What a manager knows of the current job from its calls so far."""

    own_job_id: str | None = None
    """The job that it loaded or saved last; None where it did neither, or there was none."""
    seen_job_id: str | None = None
    """The job that was current when it looked last; None where there was none."""
    has_looked: bool = False
    """Whether it looked at all. One that did not replaces whatever job is current."""


class Saved(NamedTuple):
    """What saving a state came to."""

    known: Known | None
    """What the store holds of the job now; None where that is more than the state says."""
    replaced_by: JobRecord | None
    """The current job, where that is another one: the state is recorded, and its job did not become current."""
