"""Check a store: its structure, its references, its counts and the digest of every result. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError, StorageUnavailableError, StoreDamaged, counted
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.records import Problem
from checkpoint_store.storage.connection.errors import verdict_of
from checkpoint_store.storage.sql import attempts, chunk_redos, completed_chunks, jobs, or_, select
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import rows
from checkpoint_store.storage.statements.compiled import rows_of_job
from checkpoint_store.storage.statements.effect import TRIGGERS
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.rows import COLUMNS, READERS
from checkpoint_store.storage.statements.statement import Statement, names_of, path_of
from checkpoint_store.system.paths import unavailable_reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.records import records

MISCOUNTED: Final = """
SELECT job_id FROM jobs WHERE completed_count != (SELECT count(*) FROM completed_chunks c WHERE c.job_id = jobs.job_id)
UNION ALL
SELECT 'any' WHERE (SELECT count(digest) FROM completed_chunks) != (SELECT count(*) FROM chunk_results)
LIMIT 1
"""
"""Finds a job whose counts do not add up: the file mixes sound pages of different times.

The statement is text: each opening of a small store runs it, and compiling it would take longer than running it.
"""


_NOWHERE: Final = Statement(
    select(attempts.c.job_id, attempts.c.chunk_index)
    .distinct()
    .join_from(attempts, jobs, attempts.c.job_id == jobs.c.job_id)
    .where(or_(attempts.c.chunk_index < 0, attempts.c.chunk_index >= jobs.c.total_chunks))
)
"""Finds attempts at chunks that the job does not have."""
_POINTLESS: Final = Statement(
    select(chunk_redos.c.job_id, chunk_redos.c.chunk_index)
    .outerjoin_from(
        chunk_redos,
        completed_chunks,
        (completed_chunks.c.job_id == chunk_redos.c.job_id)
        & (completed_chunks.c.chunk_index == chunk_redos.c.chunk_index),
    )
    .where(completed_chunks.c.job_id.is_(None))
)
"""Finds redo marks of incomplete chunks: a job would count such a chunk as left twice."""


OnProgress = Callable[[int, int], object]
"""A function that gets the number of checked jobs, and of all jobs, before the first job and after each."""


def check_listener(on_progress: object) -> None:
    """Raise :class:`InvalidArgumentError` if ``on_progress`` is neither a function nor None."""
    if on_progress is not None and not callable(on_progress):
        raise InvalidArgumentError("on_progress", on_progress, "is no function of the checked jobs and of all jobs")


def check(database: AnyDatabase, on_progress: OnProgress | None = None) -> list[Problem]:
    """Return the problems of a store: in structure, references, counts, and the digest of every result."""
    check_listener(on_progress)
    try:
        return database.read(lambda connection: list(problems_of(connection, database.path, on_progress)))
    except StoreDamaged as error:  # the check itself cannot read on
        return [Problem("what is stored", f"cannot be read: {error.reason}", error.job_id, error.chunk_index)]


def problems_of(connection: sqlite3.Connection, path: Path, on_progress: OnProgress | None = None) -> Iterator[Problem]:
    """Yield the problems of the store that a connection reads. ``path`` is its path, for messages."""
    tell = on_progress or (lambda _checked, _of: None)
    tell(0, _count_jobs(connection))
    broken = _broken_structure(connection, path)
    if broken:
        yield from broken
        return  # what follows would read through damaged pages
    for table, parent in dangling(connection):
        yield Problem(f"table {table}", f"a row refers to a row of {parent} that is not there")
    for name, table in connection.execute(TRIGGERS):
        yield Problem(f"trigger {name}", f"is on {table}, and no store has triggers")
    yield from _misplaced(connection)
    unreadable: list[StoreDamaged] = []
    jobs_there = job_statements.list_jobs(connection, path, passed_over=unreadable)
    for error in unreadable:
        yield Problem("row in jobs", f"cannot be read: {error.reason.partition(': ')[2]}", error.job_id)
    for number, job in enumerate(jobs_there, 1):
        yield from _problems_of_job(connection, job)
        tell(number, len(jobs_there))


def dangling(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the table of each row that refers to a row that is not there, and the table of that other row.

    What the tables of a user refer to is the user's.
    """
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for ours in present.intersection(COLUMNS):  # an older schema has fewer
        for table, _, parent, _ in connection.execute(f"PRAGMA foreign_key_check({ours})"):
            yield table, parent


def _misplaced(connection: sqlite3.Connection) -> Iterator[Problem]:
    """Yield a problem for each row about a chunk that the job does not have, or that is not complete."""
    for job_id, index in _NOWHERE.run(connection):
        yield Problem("attempt", "is at a chunk that the job does not have", job_id, index)
    for job_id, index in _POINTLESS.run(connection):
        yield Problem("row in chunk_redos", "is of a chunk that is not complete", job_id, index)


def _broken_structure(connection: sqlite3.Connection, path: Path) -> list[Problem]:
    lines = verdict_of(connection, "integrity_check(20)", path)
    if lines == ["ok"]:
        return []
    amiss = unavailable_reason(path)
    if amiss is not None:  # a disk that is gone reads like a damaged file
        raise StorageUnavailableError(path, amiss)
    return [Problem("the database's structure", line) for line in lines]


def _count_jobs(connection: sqlite3.Connection) -> int:
    """Return the number of jobs; 0 if the table cannot be read, which the check will report."""
    with suppress(sqlite3.DatabaseError):
        (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        return int(count)
    return 0


def _unreadable_rows(connection: sqlite3.Connection, job_id: str) -> Iterator[Problem]:
    """Yield the rows that the commands could not show."""
    path = path_of(connection)
    for table, readers in READERS.items():
        cursor = rows_of_job(table, tuple(readers)).run(connection, in_job=job_id)
        names = names_of(cursor)
        for values in cursor:
            try:
                rows.read_row(table, readers, dict(zip(names, values, strict=True)), path, job_id)
            except StoreDamaged as error:
                yield Problem(f"row in {table}", error.reason.partition(": ")[2], job_id, error.chunk_index)


def _problems_of_job(connection: sqlite3.Connection, job: records.JobRecord) -> Iterator[Problem]:
    yield from _unreadable_rows(connection, job.job_id)
    completed = sum(1 for _ in result_statements.indices(connection, job.job_id))
    if completed != job.completed_count:
        yield Problem(
            "completed_count",
            f"says {job.completed_count}, but the results of {counted(completed, 'chunk')} are there",
            job.job_id,
        )
    for page in result_statements.paged(
        lambda after, limit: result_statements.result_page(connection, job.job_id, after, limit)
    ):
        for index, result, *digests in page:
            if result is None:
                yield Problem("result", "is missing", job.job_id, index)
            elif any(digest != result_digest.digest(job.job_id, index, result) for digest in digests):
                yield Problem("result", "is not what was stored", job.job_id, index)
