"""The chunks that a caller gave, and the objects that learn of more of them when a job grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.model.plan import Fingerprint


@dataclass(frozen=True, slots=True)
class Given:
    """The caller's own chunks of a job, as they were compared with its plan."""

    chunks: Sequence[Any]
    fingerprint_by: Fingerprint | None
    count: int
    """How many there were: a sequence of the caller's may grow by itself, and what is new in it is in no plan."""


class Growing(Protocol):
    """A job at work, which another thread of this process may let grow."""

    @property
    def job_id(self) -> str:
        """The job's id."""

    def grow(self, total_chunks: int, given: Given | None) -> None:
        """Take notice of how many chunks the job has now, and of these chunks."""
