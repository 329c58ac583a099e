"""What a store still knows of a job that was deleted from it: the id, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import JobNotFound
from checkpoint_store.storage.sql import bindparam, deleted_jobs, func, select
from checkpoint_store.storage.statements.statement import Statement
from checkpoint_store.storage.statements.store_path import path_of

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_D: Final = deleted_jobs.c
_PREFIX_LENGTH_MIN: Final = 8
"""A shorter beginning of an id may be a typing error, or name a job that never was."""
_WHOLE_ID_LENGTH: Final = 36
"""The length of a whole id, which is looked up by the index."""
_DELETED: Final = Statement(lambda: select(_D.job_id, _D.deleted_at).where(_D.job_id == bindparam("in_job")))
_DELETED_BY_PREFIX: Final = Statement(
    lambda: select(_D.job_id, _D.deleted_at).where(
        func.substr(_D.job_id, 1, func.length(bindparam("prefix"))) == bindparam("prefix")
    )
)


def was_deleted(connection: sqlite3.Connection, job_id: str) -> bool:
    """Return whether a job of this id was deleted, and not taken in again since."""
    return _DELETED.run(connection, in_job=job_id).fetchone() is not None


def no_job(connection: sqlite3.Connection, job_id: str, path: Path | None = None) -> JobNotFound:
    """Return the error that a store has no job of this id; it says when the job was deleted, if the store knows that.

    Args:
        connection: a connection to the store.
        job_id: the id, or the beginning of the id.
        path: the store file; None for the file of the connection.
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
