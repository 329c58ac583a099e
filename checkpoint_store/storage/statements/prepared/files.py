"""The texts of the statements of ``checks``, ``merging``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "checks.integrity._NOWHERE": """SELECT DISTINCT attempts.job_id, attempts.chunk_index FROM attempts JOIN jobs ON
attempts.job_id = jobs.job_id WHERE attempts.chunk_index < 0 OR attempts.chunk_index >= jobs.total_chunks""",
    "checks.integrity._POINTLESS": """SELECT chunk_redos.job_id, chunk_redos.chunk_index FROM chunk_redos LEFT OUTER
JOIN completed_chunks ON completed_chunks.job_id = chunk_redos.job_id AND completed_chunks.chunk_index =
chunk_redos.chunk_index WHERE completed_chunks.job_id IS NULL""",
    "checks.same_content._rows('attempts', \"outcome IN ('failed', 'abandoned')\")": """SELECT attempts.job_id,
attempts.chunk_index, attempts.number, attempts.outcome, attempts.error, attempts.counted, attempts.is_last,
attempts.reserved_cost, attempts.cost, attempts.replaced_result_id FROM attempts WHERE outcome IN ('failed',
'abandoned') ORDER BY attempts.job_id, attempts.chunk_index, attempts.number""",
    "checks.same_content._rows('attempts', 'replaced_result_id IS NOT NULL', 'job_id', 'replaced_result_id')": """SELECT
attempts.job_id, attempts.chunk_index, attempts.number, attempts.outcome, attempts.error, attempts.counted,
attempts.is_last, attempts.reserved_cost, attempts.cost, attempts.replaced_result_id FROM attempts WHERE
replaced_result_id IS NOT NULL ORDER BY attempts.job_id, attempts.replaced_result_id, attempts.job_id,
attempts.chunk_index, attempts.number""",
    "checks.same_content._rows('chunk_handles')": """SELECT chunk_handles.job_id, chunk_handles.chunk_index,
chunk_handles.handle, chunk_handles.fingerprint FROM chunk_handles ORDER BY chunk_handles.job_id,
chunk_handles.chunk_index""",
    "checks.same_content._rows('chunk_keys')": """SELECT chunk_keys.job_id, chunk_keys.chunk_index, chunk_keys."key"
FROM chunk_keys ORDER BY chunk_keys.job_id, chunk_keys.chunk_index""",
    "checks.same_content._rows('chunk_redos')": """SELECT chunk_redos.job_id, chunk_redos.chunk_index,
chunk_redos.asked_at, chunk_redos.after_attempt FROM chunk_redos ORDER BY chunk_redos.job_id, chunk_redos.chunk_index
""",
    "checks.same_content._rows('completed_chunks')": """SELECT completed_chunks.job_id, completed_chunks.chunk_index,
completed_chunks.fingerprint, completed_chunks.digest, completed_chunks.source_job_id,
completed_chunks.source_chunk_index, completed_chunks.source_differs_in, completed_chunks.redo_asked_at FROM
completed_chunks ORDER BY completed_chunks.job_id, completed_chunks.chunk_index""",
    "checks.same_content._rows('deleted_jobs')": """SELECT deleted_jobs.job_id FROM deleted_jobs ORDER BY
deleted_jobs.job_id""",
    "checks.same_content._rows('jobs')": """SELECT jobs.job_id, jobs.status, jobs.file_name, jobs.video_title,
jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count, jobs.error_message, jobs.config, jobs.chunks_digest,
jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.metadata, jobs.sequential FROM jobs ORDER BY
jobs.job_number""",
    "merging.attempts._ATTEMPTS": """SELECT attempts.job_id, attempts.chunk_index, attempts.number, attempts.runner_id,
attempts.started_at, attempts.finished_at, attempts.outcome, attempts.error, attempts.seconds, attempts.counted,
attempts.is_last, attempts.reserved_cost, attempts.cost, attempts.replaced_result_id FROM attempts WHERE attempts.job_id
= :in_job ORDER BY attempts.chunk_index, attempts.number""",
    "merging.attempts._BY_LOCK_FILE": """SELECT runners.runner_id FROM runners WHERE runners.lock_file = :its_lock_file
""",
    "merging.attempts._HERE": """SELECT attempts.number, attempts.runner_id, attempts.started_at, attempts.finished_at,
attempts.outcome FROM attempts WHERE attempts.job_id = :in_job AND attempts.chunk_index = :at_index ORDER BY
attempts.number""",
    "merging.attempts._UPDATE": """UPDATE attempts SET finished_at=:new_finished_at, outcome=:new_outcome,
error=:new_error, seconds=:new_seconds, counted=:new_counted, is_last=:new_is_last, reserved_cost=:new_reserved_cost,
cost=:new_cost, replaced_result_id=:new_replaced_result_id WHERE attempts.job_id = :in_job AND attempts.chunk_index =
:at_index AND attempts.number = :its_number""",
    "merging.chunk_facts._SET_METADATA": """UPDATE jobs SET metadata=:given WHERE jobs.job_id = :in_job AND
jobs.metadata IS NULL""",
    "merging.merge._PAGE": """SELECT completed_chunks.chunk_index, chunk_results.result, completed_chunks.digest,
chunk_results.digest AS digest_1, completed_chunks.completed_at, completed_chunks.fingerprint,
completed_chunks.source_job_id, completed_chunks.source_chunk_index, completed_chunks.source_differs_in,
completed_chunks.redo_asked_at FROM completed_chunks LEFT OUTER JOIN chunk_results ON chunk_results.result_id =
completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND completed_chunks.chunk_index > :after ORDER BY
completed_chunks.chunk_index LIMIT :rows OFFSET 0""",
    "merging.own_jobs._LEAST_NUMBER": """SELECT min(jobs.job_number) AS min_1, max(jobs.is_current) AS max_1 FROM jobs
""",
    "merging.own_jobs._LOWER_NUMBERS": """UPDATE jobs SET job_number=(-jobs.job_number - :gap), looked_number=NULL,
looked_jobs=NULL, looked_chunks=NULL""",
    "merging.own_jobs._RAISE_NUMBERS": """UPDATE jobs SET job_number=(-jobs.job_number)""",
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
