"""Statements about jobs and their chunks: rows in, frozen records out."""

from __future__ import annotations

import unicodedata
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import JobNotFound
from checkpoint_store.model.clock import now
from checkpoint_store.model.plan import normal_name
from checkpoint_store.storage.records.records import JobRecord
from checkpoint_store.storage.sql import (
    bindparam,
    chunk_results,
    completed_chunks,
    deleted_jobs,
    func,
    jobs,
    literal_column,
    null,
    select,
)
from checkpoint_store.storage.statements import effect, redos
from checkpoint_store.storage.statements.job_rows import no_job, records_of
from checkpoint_store.storage.statements.statement import Statement, named_rows, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from checkpoint_store.errors import StoreDamaged

_J: Final = jobs.c
_C: Final = completed_chunks.c
_R: Final = chunk_results.c
_NEXT: Final = "(SELECT coalesce(max(job_number), 0) + 1 FROM jobs)"
_OF_JOB: Final[Any] = _J.job_id == bindparam("in_job")

_JOB_PAGE_ROWS: Final = 200  # few enough that their rows are gone before the garbage collector looks at them
_JOB_ID: Final = JobRecord._fields.index("job_id")

_ROWS: Final = Statement(
    select(*(_J[name] for name in JobRecord._fields[:-1]), redos.count_of(_J.job_id).label("redo_count"))
)


@statement_for_arguments
def _where(*conditions: str) -> str:
    """Return the statement that reads the jobs for which all of these conditions hold, the one opened last first.

    It is text, so that no form of it has to be prepared.
    """
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{_ROWS.text}{where} ORDER BY job_number DESC LIMIT :rows"


_FIND: Final = Statement(f"{_ROWS.text} WHERE job_id = :in_job")
# substr, not LIKE: an id is text, and % or _ in it mean themselves.
_BY_PREFIX: Final = "substr(job_id, 1, length(:prefix)) = :prefix"
_OF_STATUS: Final = "status = :its_status"
_IS_CURRENT: Final = "is_current = 1"
# Work that a service holds is paid for, too.
_WITH_RESULTS: Final = """(
    completed_count > 0 OR EXISTS (
        SELECT 1 FROM chunk_handles WHERE chunk_handles.job_id = jobs.job_id AND NOT EXISTS (
            SELECT 1 FROM completed_chunks
            WHERE completed_chunks.job_id = jobs.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index
        )
    )
)"""
_INCOMPLETE: Final = """superseded_by IS NULL AND (
    completed_count < total_chunks OR EXISTS (SELECT 1 FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id)
)"""
_NOT_ASCII: Final = Statement("SELECT DISTINCT file_name FROM jobs WHERE file_name GLOB '*[^ -~]*'")
_NO_LONGER_CURRENT: Final = Statement(
    jobs.update().where(_J.is_current == 1, _J.job_id != bindparam("but_job")).values(is_current=0)
)
_MAKE_CURRENT: Final = Statement(jobs.update().where(_J.is_current == 0, _OF_JOB).values(is_current=1))
_MAKE_NEWEST: Final = Statement(
    jobs.update()
    .where(_OF_JOB, _J.job_number < select(func.max(_J.job_number)).scalar_subquery())
    .values(job_number=literal_column(_NEXT))
)
_NOT_SUPERSEDED: Final = Statement(
    jobs.update().where(_OF_JOB, _J.superseded_by.is_not(null())).values(superseded_by=null())
)
_newer: Final = jobs.alias("newer")
_DELETED_IDS: Final = select(deleted_jobs.c.job_id)
_SUPERSEDED_BY_DELETED: Final = Statement(
    jobs.update()
    .where(_J.superseded_by.in_(_DELETED_IDS))
    .values(
        superseded_by=select(_newer.c.job_id)
        .where(_newer.c.file_name == _J.file_name, _newer.c.job_number > _J.job_number)
        .order_by(_newer.c.job_number.desc())
        .limit(literal_column("1"))
        .correlate(jobs)
        .scalar_subquery()
    )
)
_DELETE: Final = Statement(jobs.delete().where(_OF_JOB))
_DELETE_RESULTS: Final = Statement(chunk_results.delete().where(_R.job_id.in_(_DELETED_IDS)))
_KEEP_DELETED: Final = Statement(
    deleted_jobs.insert()
    .prefix_with("OR IGNORE")
    .values(job_id=bindparam("job_id"), deleted_at=bindparam("deleted_at"))
    .inline()
)
_FORGET_DELETED: Final = Statement(deleted_jobs.delete().where(deleted_jobs.c.job_id == bindparam("in_job")))
_RECOUNT: Final = Statement(
    jobs.update()
    .where(_OF_JOB)
    .values(
        completed_count=select(func.count())
        .select_from(completed_chunks)
        .where(_C.job_id == bindparam("in_job"))
        .scalar_subquery()
    )
)
_COUNTS: Final = Statement(
    select(func.count().label("jobs"), func.coalesce(func.sum(_J.completed_count), 0).label("completed_chunks"))
)


def named(spellings: int) -> str:
    """Return the condition that the file of a job has one of this many spellings; see :func:`spelt`."""
    return f"file_name IN ({', '.join(f':name_{number}' for number in range(spellings))})"


def spelt(connection: sqlite3.Connection, file_name: str) -> dict[str, str]:
    """Return the spellings of a file name under which jobs of the file may be, as the values of :func:`named`.

    A job that was opened has its name in NFC. A state that was saved or imported has its name as it was given: on macOS
    in NFD, and where a name was put together from parts, in neither form.
    """
    names = [file_name]
    if not file_name.isascii():
        names += (unicodedata.normalize(form, file_name) for form in ("NFC", "NFD"))
        stored = (name for (name,) in _NOT_ASCII.run(connection) if name not in names)
        names += [name for name in stored if normal_name(name) == names[1]]
    return {f"name_{number}": name for number, name in enumerate(names)}


@statement_for_arguments
def _supersede(spellings: int) -> str:
    supersede = "UPDATE jobs SET superseded_by = :newest"
    return f"{supersede} WHERE {named(spellings)} AND job_id != :newest AND superseded_by IS NULL"


@statement_for_arguments
def _insert(names: tuple[str, ...]) -> str:
    columns, values = ", ".join(names), ", ".join(f":{name}" for name in names)
    return " ".join(("INSERT INTO jobs", f"({columns}, job_number, is_current) VALUES ({values}, {_NEXT}, 1)"))


@cache
def _update(names: tuple[str, ...]) -> str:
    """Return the statement that changes these columns. ``updated_at`` never decreases, as in :func:`.not_back`."""
    new = ", ".join(f"{name} = max(updated_at, ?)" if name == "updated_at" else f"{name} = ?" for name in names)
    return f"UPDATE jobs SET {new} WHERE job_id = ?"  # noqa: S608 - our own names


def find_job(connection: sqlite3.Connection, job_id: str, path: Path) -> JobRecord:
    """Return the job with this id or unique prefix of it, or raise :class:`JobNotFound`."""
    if not job_id or _is_unreadable(job_id):
        raise JobNotFound(job_id, path)
    exact = _FIND.run(connection, in_job=job_id).fetchall()
    matching = exact or _where(_BY_PREFIX).run(connection, prefix=job_id, rows=-1).fetchall()
    if not matching:
        raise no_job(connection, job_id, path)
    if len(matching) != 1:
        raise JobNotFound(job_id, path, [row[_JOB_ID] for row in matching])
    return records_of(matching, path)[0]


def find_exact(connection: sqlite3.Connection, job_id: str, path: Path) -> JobRecord | None:
    """Return the job with this very id; None if the store does not have it."""
    return next(iter(records_of(_FIND.run(connection, in_job=job_id).fetchall(), path)), None)


def _is_unreadable(text: object) -> bool:
    return not isinstance(text, str) or any("\ud800" <= letter <= "\udfff" for letter in text)


def find_job_or_file(connection: sqlite3.Connection, wanted: str, path: Path) -> JobRecord:
    """Return the job with this id; else the newest job of the file with this name; else the job whose id begins so."""
    if wanted and not _is_unreadable(wanted) and not _FIND.run(connection, in_job=wanted).fetchone():
        for job in list_jobs(connection, path, file_name=wanted, limit=1):
            return job
    return find_job(connection, wanted, path)


def list_jobs(
    connection: sqlite3.Connection,
    path: Path,
    *,
    status: str | None = None,
    file_name: str | None = None,
    current: bool = False,
    with_results: bool = False,
    incomplete: bool = False,
    limit: int | None = None,
    passed_over: list[StoreDamaged] | None = None,
) -> list[JobRecord]:
    """Return jobs, the one opened last first. ``incomplete``: those that have chunks left and are not superseded.

    ``passed_over``: takes the errors of the jobs whose rows cannot be read; without it, the first one is raised.
    """
    names = {} if file_name is None else spelt(connection, file_name)
    filters = {
        _OF_STATUS: status is not None,
        _IS_CURRENT: current,
        named(len(names)): file_name is not None,
        _WITH_RESULTS: with_results,
        _INCOMPLETE: incomplete,
    }
    statement = _where(*(condition for condition, is_wanted in filters.items() if is_wanted))
    cursor = statement.run(connection, its_status=status, **names, rows=-1 if limit is None else limit)
    pages = iter(partial(cursor.fetchmany, _JOB_PAGE_ROWS), [])
    return [record for page in pages for record in records_of(page, path, passed_over)]


def insert_job(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Add a job as the newest and the current one; it supersedes the other jobs of its file."""
    _FORGET_DELETED.run(connection, in_job=values["job_id"])
    _NO_LONGER_CURRENT.run(connection, but_job=values["job_id"])
    _insert(tuple(values)).run(connection, **values)
    _supersede_others(connection, values["job_id"], values["file_name"])


def make_current(connection: sqlite3.Connection, job_id: str) -> None:
    """Make this job the current one, which the state file shows."""
    _NO_LONGER_CURRENT.run(connection, but_job=job_id)
    _MAKE_CURRENT.run(connection, in_job=job_id)


def make_newest(connection: sqlite3.Connection, job_id: str, file_name: str) -> None:
    """Put a job before all others in the order of jobs; it supersedes the other jobs of its file."""
    _MAKE_NEWEST.run(connection, in_job=job_id)
    _supersede_others(connection, job_id, file_name)


def _supersede_others(connection: sqlite3.Connection, job_id: str, file_name: str) -> None:
    """Record in the other jobs of a file which job superseded them. A job without a file name has no other jobs."""
    _NOT_SUPERSEDED.run(connection, in_job=job_id)
    if file_name:
        names = spelt(connection, file_name)
        _supersede(len(names)).run(connection, newest=job_id, **names)


def update_job(connection: sqlite3.Connection, job_id: str, path: Path, **values: Any) -> None:
    """Change columns of one job."""
    changed = connection.execute(_update(tuple(values)), (*values.values(), job_id))
    if not changed.rowcount and not _FIND.run(connection, in_job=job_id).fetchone():
        raise no_job(connection, job_id, path)
    effect.require_rows(changed, "a change of a job")


def delete_jobs(connection: sqlite3.Connection, job_ids: Collection[str]) -> None:
    """Remove jobs with their completed chunks and results; freed space is overwritten (``secure_delete``).

    A row in ``deleted_jobs`` stays for each job, so that no older copy brings the job back. One pass over all results
    serves all jobs: no index finds the results of a job.
    """
    _DELETE.run_many(connection, ({"in_job": job_id} for job_id in job_ids))
    keep_deleted(connection, dict.fromkeys(job_ids, now()))
    _DELETE_RESULTS.run(connection)
    _SUPERSEDED_BY_DELETED.run(connection)


def keep_deleted(connection: sqlite3.Connection, deleted: Mapping[str, str]) -> None:
    """Record that these jobs were deleted (job id, when)."""
    _KEEP_DELETED.run_many(connection, ({"job_id": job_id, "deleted_at": at} for job_id, at in deleted.items()))


def recount(connection: sqlite3.Connection, job_id: str) -> None:
    """Set ``completed_count`` to the number of completed chunks."""
    _RECOUNT.run(connection, in_job=job_id)


def facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the facts of a store about itself: sizes in bytes, and counts of jobs and completed chunks."""
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (counted,) = named_rows(_COUNTS.run(connection))
    return {"page_size": page_size, "size_bytes": page_size * pages, **counted}


def touch(connection: sqlite3.Connection) -> None:
    """Change a page that has no data of any job."""
    connection.execute("UPDATE alembic_version SET version_num = version_num")
