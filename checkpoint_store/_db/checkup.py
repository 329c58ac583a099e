"""Everything that a store says, compared with everything else that it says. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from checkpoint_store import codec
from checkpoint_store._db import queries
from checkpoint_store.errors import StoreDamaged
from checkpoint_store.state import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from checkpoint_store._db.reading import AnyDatabase

MISCOUNTED: Final = """
SELECT job_id FROM jobs WHERE completed_count != (SELECT count(*) FROM completed_chunks c WHERE c.job_id = jobs.job_id)
UNION ALL
SELECT 'any' WHERE (SELECT count(digest) FROM completed_chunks) != (SELECT count(*) FROM chunk_results)
LIMIT 1
"""
"""Finds a job whose parts do not add up: pages of different times side by side, each of them sound."""

_NOWHERE: Final = """
SELECT DISTINCT job_id, chunk_index FROM attempts JOIN jobs USING (job_id)
WHERE chunk_index NOT BETWEEN 0 AND total_chunks - 1
"""
"""Finds attempts at chunks that are none."""


def check(database: AnyDatabase) -> list[Problem]:
    """Return what is wrong with a store: structure, references, counts, and the digest of every result."""
    try:
        return database.read(lambda connection: list(_problems(connection, database)))
    except StoreDamaged as error:  # so damaged that looking for what is wrong stops there
        return [Problem("what is stored", f"does not read: {error.reason}", error.job_id, error.chunk_index)]


def _problems(connection: Connection, database: AnyDatabase) -> Iterator[Problem]:
    found = list(connection.execute(text("PRAGMA integrity_check(20)")).scalars())
    if found != ["ok"]:
        for line in found:
            yield Problem("the database's structure", str(line))
        return  # what follows would read through damaged pages
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        yield Problem(f"table {row[0]}", f"a row refers to a row of {row[2]} that is not there")
    if connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'attempts'")).first() is not None:
        for job_id, index in connection.execute(text(_NOWHERE)):
            yield Problem("attempt", "is at a chunk that the job does not have", job_id, index)
    for job in queries.list_jobs(connection, database.path):
        yield from _problems_of_job(connection, job)


def _problems_of_job(connection: Connection, job: queries.JobRecord) -> Iterator[Problem]:
    completed = sum(1 for _ in queries.indices(connection, job.job_id))
    if completed != job.completed_count:
        yield Problem("completed_count", f"says {job.completed_count}, but {completed} chunks are there", job.job_id)
    for page in queries.paged(lambda after, limit: queries.result_page(connection, job.job_id, after, limit)):
        for index, result, *digests in page:
            if result is None:
                yield Problem("result", "is missing", job.job_id, index)
            elif any(digest != codec.digest(job.job_id, index, result) for digest in digests):
                yield Problem("result", "is not what was stored", job.job_id, index)
