"""The metadata by which Datasette shows a store: titles, labels, hidden tables, and canned queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.flags import checked_flag
from checkpoint_store.storage.storage import open_for_reading
from checkpoint_store.storage.target import resolve

if TYPE_CHECKING:
    import os

_DESCRIPTIONS: Final = {
    "jobs": "Inputs that are, or were, worked on. The job that was opened last has the highest number.",
    "completed_chunks": "Chunks whose result is durable.",
    "chunk_results": "Results, as JSON.",
    "attempts": "Tries at chunks, with their outcome, error and seconds.",
    "runners": "Processes that work, or worked, on a job.",
    "job_progress": "How far each job has come.",
    "job_costs": "What each job cost.",
    "failed_chunks": "Chunks that used up their tries.",
    "in_doubt_chunks": "Chunks whose last try never ended: it may have been billed.",
    "running_now": "Chunks that are being worked on.",
}
_HIDDEN: Final = ("alembic_version", "deleted_jobs", "pauses", "chunk_redos", "chunk_keys", "chunk_handles")
_NEWEST_FIRST: Final = {"jobs": "job_number", "runners": "runner_id"}
_LABELS: Final = {"jobs": "file_name", "runners": "host"}


class CannedQuery(NamedTuple):
    """A query and its title. The reader fills in ``:job_id`` in the query."""

    title: str
    sql: str


CANNED_QUERIES: Final = {
    "unfinished_jobs": CannedQuery(
        "Jobs with chunks left, which a run of their file would go on with",
        """
SELECT j.file_name, j.job_id, j.status, p.completed AS completed_count, j.total_chunks, j.updated_at, j.error_message
FROM jobs j JOIN job_progress p ON p.job_id = j.job_id
WHERE p."left" > 0 AND j.superseded_by IS NULL
ORDER BY j.job_number DESC
""".strip(),
    ),
    "costs_by_model": CannedQuery(
        "What each model cost, over all jobs",
        """
SELECT provider, model, count(*) AS jobs, sum(results) AS results, round(sum(cost), 6) AS cost,
  sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM job_costs JOIN jobs USING (job_id)
GROUP BY provider, model
ORDER BY 5 DESC
""".strip(),
    ),
    "chunks_of_job": CannedQuery(
        "The completed chunks of a job: results, tries, and since when they are to be done again",
        """
SELECT c.job_id, c.chunk_index, k.key, r.result, c.completed_at, count(a.number) AS attempts,
  round(sum(a.seconds), 3) AS seconds, c.source_job_id, m.asked_at AS redo_asked_at
FROM completed_chunks c
LEFT JOIN chunk_results r ON r.result_id = c.result_id
LEFT JOIN chunk_keys k ON k.job_id = c.job_id AND k.chunk_index = c.chunk_index
LEFT JOIN chunk_redos m ON m.job_id = c.job_id AND m.chunk_index = c.chunk_index
LEFT JOIN attempts a ON a.job_id = c.job_id AND a.chunk_index = c.chunk_index
WHERE c.job_id = :job_id
GROUP BY c.job_id, c.chunk_index
ORDER BY c.chunk_index
""".strip(),
    ),
    "slowest_tries": CannedQuery(
        "The tries that took longest",
        """
SELECT file_name, job_id, chunk_index, number AS attempt, round(seconds, 3) AS seconds, outcome, error
FROM attempts JOIN jobs USING (job_id)
WHERE seconds IS NOT NULL
ORDER BY attempts.seconds DESC
LIMIT 100
""".strip(),
    ),
    "frequent_errors": CannedQuery(
        "The errors that came most often",
        """
SELECT error, count(*) AS tries, count(DISTINCT job_id || ' ' || chunk_index) AS chunks, max(finished_at) AS last_at
FROM attempts
WHERE outcome = 'failed'
GROUP BY error
ORDER BY 2 DESC
LIMIT 100
""".strip(),
    ),
}
"""Queries for people who look at a store with other tools: Datasette shows them with their titles."""


def datasette_metadata(target: str | os.PathLike[str], *, private: bool = False) -> dict[str, Any]:
    """Return the metadata with which Datasette shows a store well: ``datasette STORE -m METADATA.json``.

    Args:
        target: the path of the store file, which is opened read-only.
        private: show the store to nobody but the person who starts Datasette with ``--root``. Otherwise every user of
            the machine who can reach the port sees it.

    Raises:
        StoreTargetError, SchemaTooOld, SchemaTooNew: it is no store of this version.
    """
    is_private = checked_flag("private", private)
    path = resolve(target)
    open_for_reading(path, (), lock_timeout_seconds=10.0).close()
    name = path.stem  # by which Datasette knows the file
    heading = {"title": f"{name}: jobs and results", "description": "A store of checkpoint_store. Only read it."}
    allowed: dict[str, Any] = {"allow": {"id": "root"}} if is_private else {}
    tables = {table: _table(table) for table in _DESCRIPTIONS} | {table: {"hidden": True} for table in _HIDDEN}
    queries = {name: {"title": query.title, "sql": query.sql} for name, query in CANNED_QUERIES.items()}
    return {"databases": {name: {**heading, **allowed, "tables": tables, "queries": queries}}}


def _table(name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"description": _DESCRIPTIONS[name]}
    if name in _NEWEST_FIRST:
        metadata["sort_desc"] = _NEWEST_FIRST[name]
    if name in _LABELS:
        metadata["label_column"] = _LABELS[name]
    return metadata
