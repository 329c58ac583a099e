"""Write a job's state to a path of the caller's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.state_file.growing import stored_text
from checkpoint_store.state_file.reader import USE, refuse_own, refuse_to_replace
from checkpoint_store.storage.destination import refuse_others
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.turns import giving_turns

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.verbs.job_content import JobContent


def write_state(reading: Reading, job_id: str, path: Path, *, replace: bool) -> Path:
    """Write a job's state to any path but the store's own, whole and durable when this returns.

    Raises:
        StoreTargetError: something else than an older export of the same job is there, and ``replace`` is not set.
    """
    refuse_own(path, reading.path)
    refuse_others(path, reading.path, USE)

    def write(snapshot: JobContent) -> None:
        if not replace:
            refuse_to_replace(path, job_id, giving_turns(snapshot.completed_chunks()))
        replace_file(path, stored_text(snapshot), like=reading.path)

    reading.with_snapshot(job_id, write)
    return path
