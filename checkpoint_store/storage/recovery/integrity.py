"""Everything that a store says, compared with everything else that it says. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.records import Problem
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from checkpoint_store.storage import records
    from checkpoint_store.storage.connection.read_only import AnyDatabase

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
    for job in job_statements.list_jobs(connection, database.path):
        yield from _problems_of_job(connection, job)


def _problems_of_job(connection: Connection, job: records.JobRecord) -> Iterator[Problem]:
    completed = sum(1 for _ in result_statements.indices(connection, job.job_id))
    if completed != job.completed_count:
        yield Problem("completed_count", f"says {job.completed_count}, but {completed} chunks are there", job.job_id)
    for page in result_statements.paged(
        lambda after, limit: result_statements.result_page(connection, job.job_id, after, limit)
    ):
        for index, result, *digests in page:
            if result is None:
                yield Problem("result", "is missing", job.job_id, index)
            elif any(digest != result_digest.digest(job.job_id, index, result) for digest in digests):
                yield Problem("result", "is not what was stored", job.job_id, index)
