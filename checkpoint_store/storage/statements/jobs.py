"""Statements about jobs and their chunks: rows in, frozen records out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal_column, select

from checkpoint_store.errors import JobNotFound, StoreDamaged
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.connection.driver import driver_of
from checkpoint_store.storage.records import JobRecord
from checkpoint_store.storage.statements.results import _C, _R
from checkpoint_store.storage.tables import chunk_results, completed_chunks, deleted_jobs, jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection, RowMapping

_NEXT_NUMBER: Final[Any] = literal_column("(SELECT coalesce(max(job_number), 0) + 1 FROM jobs)")


def _record(row: RowMapping, path: Path) -> JobRecord:
    values = dict(row)
    try:
        values["config"] = json_text.decode(values["config"])
        values["status"] = JobStatus(values["status"])
    except ValueError as error:
        raise StoreDamaged(path, f"its row in jobs does not read: {error}", job_id=str(values["job_id"])) from error
    values["is_current"] = bool(values["is_current"])
    return JobRecord(**values)


def find_job(connection: Connection, job_id: str, path: Path) -> JobRecord:
    """Return the job with this id or unique prefix of it, or raise :class:`JobNotFound`."""
    if not job_id or any("\ud800" <= letter <= "\udfff" for letter in job_id):
        raise JobNotFound(job_id, path)
    exact = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).mappings().first()
    if exact is not None:
        return _record(exact, path)
    # A range, not LIKE: an id is text, and % or _ in it mean themselves.
    starts_so = func.substr(jobs.c.job_id, 1, len(job_id)) == job_id
    found = connection.execute(select(jobs).where(starts_so).order_by(jobs.c.job_number.desc())).mappings().all()
    if len(found) != 1:
        raise JobNotFound(job_id, path, [row["job_id"] for row in found])
    return _record(found[0], path)


def list_jobs(
    connection: Connection,
    path: Path,
    *,
    status: str | None = None,
    file_name: str | None = None,
    current: bool = False,
    with_results: bool = False,
    limit: int | None = None,
) -> list[JobRecord]:
    """Return jobs, the one opened last first."""
    statement = select(jobs).order_by(jobs.c.job_number.desc()).limit(limit)
    if status is not None:
        statement = statement.where(jobs.c.status == status)
    if file_name is not None:
        statement = statement.where(jobs.c.file_name == file_name)
    if current:
        statement = statement.where(jobs.c.is_current == 1)
    if with_results:
        statement = statement.where(jobs.c.completed_count > 0)
    return [_record(row, path) for row in connection.execute(statement).mappings()]


def insert_job(connection: Connection, values: dict[str, Any]) -> None:
    """Add a job as the newest and the current one."""
    connection.execute(deleted_jobs.delete().where(deleted_jobs.c.job_id == values["job_id"]))
    connection.execute(jobs.update().where(jobs.c.is_current == 1).values(is_current=0))
    connection.execute(jobs.insert().values(**values, job_number=_NEXT_NUMBER, is_current=1))


def make_current(connection: Connection, job_id: str) -> None:
    """Let the state file show this job."""
    connection.execute(jobs.update().where(jobs.c.is_current == 1, jobs.c.job_id != job_id).values(is_current=0))
    connection.execute(jobs.update().where(jobs.c.is_current == 0, jobs.c.job_id == job_id).values(is_current=1))


def make_newest(connection: Connection, job_id: str) -> None:
    """Put a job before all others in the order of jobs."""
    newest = select(func.max(jobs.c.job_number)).scalar_subquery()
    behind = jobs.update().where(jobs.c.job_id == job_id, jobs.c.job_number < newest)
    connection.execute(behind.values(job_number=_NEXT_NUMBER))


def update_job(connection: Connection, job_id: str, path: Path, **values: Any) -> None:
    """Change columns of one job."""
    changed = connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(**values))
    if not changed.rowcount:
        raise JobNotFound(job_id, path)


def delete_job(connection: Connection, job_id: str) -> None:
    """Remove a job with its completed chunks and results; freed space is overwritten (``secure_delete``).

    That it was deleted is kept, so that no older copy brings it back.
    """
    connection.execute(chunk_results.delete().where(_R.job_id == job_id))
    connection.execute(jobs.delete().where(jobs.c.job_id == job_id))
    keep_deleted(connection, {job_id: now()})


def keep_deleted(connection: Connection, deleted: Mapping[str, str]) -> None:
    """Record that these jobs were deleted (job id, when)."""
    if deleted:
        rows = [{"job_id": job_id, "deleted_at": moment} for job_id, moment in deleted.items()]
        connection.execute(deleted_jobs.insert().prefix_with("OR IGNORE"), rows)


def was_deleted(connection: Connection, job_id: str) -> bool:
    """Return whether a job of this id was deleted, and not taken in again since."""
    return connection.execute(select(deleted_jobs).where(deleted_jobs.c.job_id == job_id)).first() is not None


def finish_if_done(connection: Connection, job_id: str) -> bool:
    """Set a job with nothing left to completed; return whether nothing was left."""
    done = connection.execute(
        jobs.update()
        .where(jobs.c.job_id == job_id, jobs.c.completed_count >= jobs.c.total_chunks)
        .values(status=JobStatus.COMPLETED.value, error_message=None)
    )
    return bool(done.rowcount)


def is_completed_job(connection: Connection, job_id: str) -> bool:
    """Return whether a job has nothing left."""
    nothing_left = "SELECT 1 FROM jobs WHERE job_id = ? AND completed_count >= total_chunks"
    return driver_of(connection).execute(nothing_left, (job_id,)).fetchone() is not None


def recount(connection: Connection, job_id: str) -> None:
    """Set ``completed_count`` to what is there."""
    counted = select(func.count()).select_from(completed_chunks).where(_C.job_id == job_id).scalar_subquery()
    connection.execute(jobs.update().where(jobs.c.job_id == job_id).values(completed_count=counted))


def digests(connection: Connection, job_id: str) -> dict[int, str | None]:
    """Return the digest of each completed chunk's result; None where it was completed without one."""
    statement = select(_C.chunk_index, _C.digest).where(_C.job_id == job_id)
    return {row[0]: row[1] for row in connection.execute(statement)}


def facts(connection: Connection) -> dict[str, Any]:
    """Return what a store says of itself."""
    page_size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    counted = connection.execute(select(func.count(), func.coalesce(func.sum(jobs.c.completed_count), 0))).one()
    return {
        "page_size": page_size,
        "size_bytes": page_size * pages,
        "jobs": counted[0],
        "completed_chunks": counted[1],
    }


def touch(driver: sqlite3.Connection) -> None:
    """Write a page that holds nothing of any job."""
    driver.execute("UPDATE alembic_version SET version_num = version_num")
