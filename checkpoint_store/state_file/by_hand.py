"""Warn of a state file that a person changed beside its store: the change has no effect."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, counted
from checkpoint_store.model.clock import parse_time
from checkpoint_store.state_file.pace import SMALL_BYTES
from checkpoint_store.state_file.reader import read_state
from checkpoint_store.system.log import log_and_warn

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.model.state.state_text import Glance
    from checkpoint_store.storage.verbs.jobs import ImportFacts, KnownJob

_WRITING_SECONDS_MAX: Final = 5.0
"""A state file that was written so much later than the last change of its job was written by a person."""


def warn_of_change_by_hand(facts: ImportFacts, path: Path, seen: Glance, known: KnownJob) -> None:
    """Warn, and log, what a state file says otherwise than the store, if a person wrote the file.

    Both are of the same millisecond, in which another process may have recorded a chunk. So only a file counts that was
    written long after the last change of its job. The results are compared only if the file is small.
    """
    remedy = "a change by hand in the state file has no effect: call set_status, update_chunk_complete or Job.redo"
    with suppress(CheckpointStoreError, OSError, ValueError):  # a file that cannot be read has no effect either
        changed = path.stat()
        if changed.st_mtime <= parse_time(known.updated_at).timestamp() + _WRITING_SECONDS_MAX:
            return
        if (seen.status, seen.completed_chunks) != (known.status, known.completed_chunks):
            says = f"{seen.status} with {counted(seen.completed_chunks, 'completed chunk')}"
            truth = f"{known.status} with {known.completed_chunks}"
            _warn(f"{path} says that job {seen.job_id} is {says}, and the store says {truth}; {remedy}")
        elif changed.st_size <= SMALL_BYTES:
            index = facts.first_contradiction(read_state(path))
            if index is not None:
                _warn(f"{path} has another result of chunk {index} than the store; {remedy}")


def _warn(notice: str) -> None:
    log_and_warn(notice, UserWarning)
