"""Rows of ``jobs``: made into records, completed where no chunk is left, and known after they were deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import JobNotFound, StoreDamaged
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records.records import JobRecord
from checkpoint_store.storage.sql import bindparam, deleted_jobs, func, jobs, literal_column, null, select
from checkpoint_store.storage.statements import redos, rows
from checkpoint_store.storage.statements.compiled import note_completed
from checkpoint_store.storage.statements.statement import Statement, path_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


_READERS: Final = tuple(rows.JOB[name] for name in JobRecord._fields)


def records_of(
    stored_rows: list[tuple[Any, ...]], path: Path, passed_over: list[StoreDamaged] | None = None
) -> list[JobRecord]:
    """Return the records of rows that have the columns of :class:`JobRecord`; each reader reads a whole column.

    ``passed_over``: takes the errors of the rows that cannot be read, and the other records are made.
    """
    try:
        stored = zip(*stored_rows, strict=True)
        columns = [rows.read_column(read, column) for read, column in zip(_READERS, stored, strict=False)]
        return list(map(JobRecord._make, zip(*columns, strict=True)))
    except ValueError:  # read again, row by row: the error then names the job and the column
        return list(_one_by_one(stored_rows, path, passed_over))


def _one_by_one(
    stored_rows: list[tuple[Any, ...]], path: Path, passed_over: list[StoreDamaged] | None
) -> Iterator[JobRecord]:
    for row in stored_rows:
        try:
            yield JobRecord(**rows.read_row("jobs", rows.JOB, dict(zip(JobRecord._fields, row, strict=True)), path))
        except StoreDamaged as error:
            if passed_over is None:
                raise
            passed_over.append(error)


_D: Final = deleted_jobs.c
_PREFIX_LENGTH_MIN: Final = 8
"""A shorter beginning of an id may be a typing error, or name a job that never was."""
_WHOLE_ID_LENGTH: Final = 36
"""The length of a whole id, which is looked up by the index."""
_DELETED: Final = Statement(select(_D.job_id, _D.deleted_at).where(_D.job_id == bindparam("in_job")))
_DELETED_BY_PREFIX: Final = Statement(
    select(_D.job_id, _D.deleted_at).where(
        func.substr(_D.job_id, 1, func.length(bindparam("prefix"))) == bindparam("prefix")
    )
)


def was_deleted(connection: sqlite3.Connection, job_id: str) -> bool:
    """Return whether a job of this id was deleted, and not taken in again since."""
    return _DELETED.run(connection, in_job=job_id).fetchone() is not None


def no_job(connection: sqlite3.Connection, job_id: str, path: Path | None = None) -> JobNotFound:
    """Return the error that a store has no job of this id; it says when the job was deleted, if the store knows that.

    ``path``: the store file; None for the file of the connection.
    """
    store = path or path_of(connection)
    error = JobNotFound(job_id, store)
    deleted = _DELETED.run(connection, in_job=job_id).fetchall()
    if not deleted and _PREFIX_LENGTH_MIN <= len(job_id) < _WHOLE_ID_LENGTH:
        deleted = _DELETED_BY_PREFIX.run(connection, prefix=job_id).fetchall()
    if len(deleted) == 1:
        ((whole_id, error.deleted_at),) = deleted
        message = (
            f"job {whole_id} is no longer in {store}: it was deleted, or pruned, at {error.deleted_at}. Its results "
            "are gone, and nothing more is recorded in it. To do its work again, begin a new job with its input. List "
            f"the jobs that are left with: CheckpointStore({str(store)!r}).jobs()"
        )
        error.args = (message,)
    return error


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
