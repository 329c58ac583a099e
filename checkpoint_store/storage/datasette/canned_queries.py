"""Queries for people who look at a store with other tools: Datasette shows them with their titles."""

from __future__ import annotations

from typing import Final, NamedTuple


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
JOB_OF_ROW: Final = "SELECT job_id FROM jobs WHERE job_number = ?"


def rows_about_job(table: str) -> str:
    """Return the query that counts the rows of one of the store's tables that are about a job."""
    return f'SELECT count(*) FROM "{table}" WHERE job_id = ?'  # noqa: S608 - one of the store's own tables
