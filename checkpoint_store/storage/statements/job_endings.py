"""Statements that complete a job with no chunk left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.sql import bindparam, jobs, literal_column, null, select
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.compiled import note_completed
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

_NOTHING_LEFT: Final[Any] = (
    jobs.c.job_id == bindparam("in_job"),
    jobs.c.completed_count >= jobs.c.total_chunks,
    ~redos.is_any_left(jobs.c.job_id),
)


def _finish(*more: Any) -> Any:
    ended = {"status": JobStatus.COMPLETED.value, "error_message": null()}
    return jobs.update().where(*_NOTHING_LEFT, *more).values(**ended)


_FINISH: Final = Statement(_finish())
_FINISH_RUNNING: Final = Statement(
    _finish(jobs.c.status == literal_column("'running'"), jobs.c.completed_count > literal_column("0"))
)
_COMPLETED_JOB: Final = Statement(select(jobs.c.job_id).where(*_NOTHING_LEFT))
_NOTE_COMPLETED: Final = Statement(select(note_completed(jobs.c.job_id)).where(*_NOTHING_LEFT))


def finish_if_done(connection: sqlite3.Connection, job_id: str) -> bool:
    """Set a job with nothing left to completed; return whether nothing was left."""
    return bool(_FINISH.run(connection, in_job=job_id).rowcount)


def finish_if_left_running(connection: sqlite3.Connection, job_id: str) -> None:
    """Set a job that its last chunk left ``running`` to completed. A status that somebody set after that stays."""
    _FINISH_RUNNING.run(connection, in_job=job_id)


def note_if_completed(connection: sqlite3.Connection, job_id: str) -> None:
    """Note a job with nothing left as completed, for a connection that notes completed jobs."""
    _NOTE_COMPLETED.run(connection, in_job=job_id).fetchone()


def is_completed_job(connection: sqlite3.Connection, job_id: str) -> bool:
    """Return whether a job has nothing left."""
    return _COMPLETED_JOB.run(connection, in_job=job_id).fetchone() is not None
