"""The completion of a chunk in a job that is not running, for :class:`StateManager`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import ChunkOutOfOrder
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.sql import bindparam, jobs, literal_column, select
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.compiled import not_back
from checkpoint_store.storage.statements.completions import count, record
from checkpoint_store.storage.statements.job_endings import finish_if_done
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
        ChunkOutOfOrder: the job is sequential, and a chunk before this one is not complete.
    """
    _require_order(connection, completion.job_id, completion.chunk_index)
    more = record(connection, completion, is_work=True)
    if more is not None:
        count(connection, completion.job_id, more, completion.completed_at)
    if not finish_if_done(connection, completion.job_id):
        _RUN_AGAIN.run(connection, in_job=completion.job_id, at=completion.completed_at)


_IS_SEQUENTIAL: Final = Statement(
    lambda: select(jobs.c.job_id).where(jobs.c.job_id == bindparam("in_job"), jobs.c.sequential == literal_column("1"))
)


def _require_order(connection: sqlite3.Connection, job_id: str, index: int) -> None:
    if not index or _IS_SEQUENTIAL.run(connection, in_job=job_id).fetchone() is None:
        return
    if not result_statements.completed_in(connection, job_id, index - 1, index):
        done = result_statements.completed_in(connection, job_id, 0, index)
        raise ChunkOutOfOrder(job_id, index, min(set(range(index)) - set(done)))
