"""The texts of the statements of ``plans``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "plans.carry_over._AT_WORK": """SELECT attempts.chunk_index, attempts.number, attempts.runner_id FROM attempts WHERE
attempts.outcome = 'running' AND +attempts.job_id = :in_job""",
    "plans.carry_over._PAID": """SELECT completed_chunks.chunk_index, chunk_results.result FROM chunk_handles JOIN
chunk_handles AS chunk_handles_1 ON chunk_handles_1.fingerprint = chunk_handles.fingerprint AND chunk_handles_1.job_id =
chunk_handles.job_id JOIN completed_chunks ON completed_chunks.job_id = chunk_handles_1.job_id AND
completed_chunks.chunk_index = chunk_handles_1.chunk_index JOIN chunk_results ON chunk_results.result_id =
completed_chunks.result_id WHERE chunk_handles.job_id = :in_job AND chunk_handles.chunk_index = :at_index AND
chunk_handles_1.handle = chunk_handles.handle AND chunk_handles_1.fingerprint = chunk_handles.fingerprint AND
completed_chunks.source_job_id IS NULL ORDER BY completed_chunks.chunk_index""",
    "plans.carry_over._PLACES": """SELECT count(*) AS count_1, min(chunk_handles_1.recorded_at) AS min_1,
jobs.job_number FROM chunk_handles JOIN chunk_handles AS chunk_handles_1 ON chunk_handles_1.fingerprint =
chunk_handles.fingerprint JOIN jobs ON jobs.job_id = chunk_handles_1.job_id WHERE chunk_handles.job_id = :in_job AND
chunk_handles.chunk_index = :at_index AND chunk_handles_1.handle = chunk_handles.handle AND chunk_handles_1.fingerprint
= chunk_handles.fingerprint GROUP BY chunk_handles_1.job_id""",
    "plans.carry_over._STORED": """SELECT chunk_results.result, completed_chunks.digest, chunk_results.digest AS
digest_1, completed_chunks.source_job_id, completed_chunks.source_chunk_index, completed_chunks.redo_asked_at FROM
completed_chunks LEFT OUTER JOIN chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE
completed_chunks.job_id = :in_job AND completed_chunks.chunk_index = :at_index""",
    "plans.comparison._SAME": """SELECT count(*) AS count_1 FROM completed_chunks AS own JOIN completed_chunks AS other
ON other.chunk_index = own.chunk_index JOIN chunk_results AS own_result ON own_result.result_id = own.result_id JOIN
chunk_results AS other_result ON other_result.result_id = other.result_id WHERE own.job_id = :its_id AND other.job_id =
:other_id AND own.chunk_index < :stop AND own_result.result = other_result.result""",
    "plans.earlier_job._FINGERPRINTS": """SELECT completed_chunks.chunk_index, completed_chunks.fingerprint FROM
completed_chunks WHERE completed_chunks.job_id = :in_job AND completed_chunks.fingerprint IS NOT NULL""",
    "plans.earlier_job._PAYERS": """SELECT DISTINCT completed_chunks.source_job_id FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.source_job_id IS NOT NULL""",
    "plans.refusal._DIFFERS_IN": """SELECT DISTINCT completed_chunks.source_differs_in FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.source_differs_in IS NOT NULL""",
    "plans.run_plan._PAYER": """SELECT completed_chunks.source_job_id FROM completed_chunks JOIN jobs ON jobs.job_id =
completed_chunks.source_job_id WHERE completed_chunks.job_id = :in_job LIMIT 1 OFFSET 0""",
    "plans.stored_answers._ANSWERS": """SELECT completed_chunks.redo_asked_at, completed_chunks.fingerprint,
completed_chunks.job_id, completed_chunks.chunk_index FROM completed_chunks JOIN jobs ON jobs.job_id =
completed_chunks.job_id WHERE completed_chunks.redo_asked_at IS NOT NULL AND completed_chunks.job_id != :but_job AND
completed_chunks.digest IS NOT NULL AND completed_chunks.source_differs_in IS NULL ORDER BY jobs.job_number DESC,
completed_chunks.chunk_index""",
    "plans.stored_answers._OF_UNKNOWN_CHUNKS": """SELECT completed_chunks.chunk_index, completed_chunks.fingerprint FROM
completed_chunks WHERE completed_chunks.job_id = :in_job AND completed_chunks.digest IS NOT NULL AND
completed_chunks.source_differs_in IS NULL AND completed_chunks.fingerprint IS NULL ORDER BY
completed_chunks.chunk_index""",
    "plans.stored_answers._RESULTS": """SELECT completed_chunks.chunk_index, completed_chunks.fingerprint FROM
completed_chunks WHERE completed_chunks.job_id = :in_job AND completed_chunks.digest IS NOT NULL AND
completed_chunks.source_differs_in IS NULL ORDER BY completed_chunks.chunk_index""",
    "plans.stored_results._BEFORE": """SELECT count(*) AS count_1, coalesce(sum(jobs.completed_count), 0) AS coalesce_1
FROM jobs WHERE jobs.job_number <= :number AND jobs.job_id != :but_job""",
    "plans.stored_results._FINGERPRINTS": """SELECT completed_chunks.chunk_index, completed_chunks.fingerprint,
completed_chunks.source_differs_in FROM completed_chunks WHERE completed_chunks.job_id = :in_job AND
completed_chunks.digest IS NOT NULL AND completed_chunks.fingerprint IS NOT NULL ORDER BY completed_chunks.chunk_index
""",
    "plans.stored_results._HOLDERS": """SELECT jobs.job_id, jobs.file_name, jobs.total_chunks, jobs.model,
jobs.provider, jobs.config, jobs.fingerprint_rule FROM jobs WHERE jobs.completed_count > 0 AND jobs.job_id != :but_job
AND jobs.job_number > :number ORDER BY jobs.job_number DESC""",
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
