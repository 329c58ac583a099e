"""The completion of a chunk in a job that is not running, for :class:`StateManager`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.sql import bindparam, jobs
from checkpoint_store.storage.statements.compiled import not_back
from checkpoint_store.storage.statements.completions import count, record
from checkpoint_store.storage.statements.job_endings import finish_if_done
from checkpoint_store.storage.statements.order import is_sequential, require_order
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records import Completion

_RUN_AGAIN: Final = Statement(
    lambda: (
        jobs.update()
        .where(jobs.c.job_id == bindparam("in_job"), jobs.c.status != JobStatus.PAUSED.value)
        .values(status=JobStatus.RUNNING.value, updated_at=not_back(bindparam("at")))
    )
)


def complete_and_run(connection: sqlite3.Connection, completion: Completion) -> None:
    """Record a chunk of a job that is not running, and let the job run again unless somebody paused it.

    Raises:
        ChunkOutOfOrder: the job is sequential, and a chunk before this one is not complete, or is to be done again.
    """
    if completion.chunk_index and is_sequential(connection, completion.job_id):
        require_order(connection, [completion])
    more = record(connection, completion, is_work=True)
    if more is not None:
        count(connection, completion.job_id, more, completion.completed_at)
    if not finish_if_done(connection, completion.job_id):
        _RUN_AGAIN.run(connection, in_job=completion.job_id, at=completion.completed_at)
