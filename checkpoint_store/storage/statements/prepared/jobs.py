"""The texts of the statements of ``job_endings``, ``job_rows``, ``jobs``, ``order``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "job_endings._COMPLETED_JOB": """SELECT jobs.job_id FROM jobs WHERE jobs.job_id = :in_job AND jobs.completed_count
>= jobs.total_chunks AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id =
jobs.job_id))""",
    "job_endings._FINISH": """UPDATE jobs SET status='completed', error_message=NULL WHERE jobs.job_id = :in_job AND
jobs.completed_count >= jobs.total_chunks AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id))""",
    "job_endings._FINISH_RUNNING": """UPDATE jobs SET status='completed', error_message=NULL WHERE jobs.job_id = :in_job
AND jobs.completed_count >= jobs.total_chunks AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id)) AND jobs.status = 'running' AND jobs.completed_count > 0""",
    "job_endings._NOTE_COMPLETED": """SELECT coalesce(note_completed(jobs.job_id), 'completed') AS coalesce_1 FROM jobs
WHERE jobs.job_id = :in_job AND jobs.completed_count >= jobs.total_chunks AND NOT (EXISTS (SELECT
chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id))""",
    "job_rows._DELETED": """SELECT deleted_jobs.job_id, deleted_jobs.deleted_at FROM deleted_jobs WHERE
deleted_jobs.job_id = :in_job""",
    "job_rows._DELETED_BY_PREFIX": """SELECT deleted_jobs.job_id, deleted_jobs.deleted_at FROM deleted_jobs WHERE
substr(deleted_jobs.job_id, 1, length(:prefix)) = :prefix""",
    "jobs.job_summaries._IN_HAND": """SELECT attempts.job_id, attempts.chunk_index, attempts.number, attempts.runner_id,
EXISTS (SELECT chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND
chunk_handles.chunk_index = attempts.chunk_index) AS anon_1, (SELECT attempts_1.outcome FROM attempts AS attempts_1
WHERE attempts_1.job_id = attempts.job_id AND attempts_1.chunk_index = attempts.chunk_index AND attempts_1.number <
attempts.number AND NOT ((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = attempts_1.job_id AND completed_chunks.chunk_index = attempts_1.chunk_index)) AND NOT (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts_1.job_id AND
chunk_redos.chunk_index = attempts_1.chunk_index AND chunk_redos.after_attempt < attempts_1.number))) ORDER BY
attempts_1.number DESC LIMIT 1 OFFSET 0) AS anon_2 FROM attempts WHERE attempts.outcome = 'running' AND NOT (EXISTS
(SELECT attempts_2.number FROM attempts AS attempts_2 WHERE attempts_2.job_id = attempts.job_id AND
attempts_2.chunk_index = attempts.chunk_index AND attempts_2.number > attempts.number)) AND NOT ((EXISTS (SELECT
completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND
completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND
chunk_redos.after_attempt < attempts.number)))""",
    "jobs.job_summaries._TROUBLED": """SELECT attempts.job_id, sum(attempts.is_last) AS sum_1, sum(attempts.outcome =
'abandoned') AS sum_2, sum(attempts.outcome = 'abandoned' AND (EXISTS (SELECT chunk_handles.chunk_index FROM
chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND chunk_handles.chunk_index = attempts.chunk_index))) AS
sum_3 FROM json_each(:numbers) AS wanted JOIN jobs ON jobs.job_number = wanted.value JOIN attempts ON attempts.job_id
BETWEEN jobs.job_id AND jobs.job_id WHERE attempts.outcome IN ('failed', 'abandoned') AND NOT (EXISTS (SELECT
attempts_1.number FROM attempts AS attempts_1 WHERE attempts_1.job_id = attempts.job_id AND attempts_1.chunk_index =
attempts.chunk_index AND attempts_1.number > attempts.number)) AND NOT ((EXISTS (SELECT completed_chunks.chunk_index
FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index =
attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id =
attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND chunk_redos.after_attempt < attempts.number)))
GROUP BY attempts.job_id""",
    "jobs.jobs._COUNTS": """SELECT count(*) AS jobs, coalesce(sum(jobs.completed_count), 0) AS completed_chunks FROM
jobs""",
    "jobs.jobs._DELETE": """DELETE FROM jobs WHERE jobs.job_id = :in_job""",
    "jobs.jobs._DELETE_RESULTS": """DELETE FROM chunk_results WHERE chunk_results.job_id IN (SELECT deleted_jobs.job_id
FROM deleted_jobs)""",
    "jobs.jobs._FORGET_DELETED": """DELETE FROM deleted_jobs WHERE deleted_jobs.job_id = :in_job""",
    "jobs.jobs._KEEP_DELETED": """INSERT OR IGNORE INTO deleted_jobs (job_id, deleted_at) VALUES (:job_id, :deleted_at)
""",
    "jobs.jobs._MAKE_CURRENT": """UPDATE jobs SET is_current=1 WHERE jobs.is_current = 0 AND jobs.job_id = :in_job""",
    "jobs.jobs._MAKE_NEWEST": """UPDATE jobs SET job_number=(SELECT coalesce(max(job_number), 0) + 1 FROM jobs) WHERE
jobs.job_id = :in_job AND jobs.job_number < (SELECT max(jobs.job_number) AS max_1 FROM jobs)""",
    "jobs.jobs._NOT_SUPERSEDED": """UPDATE jobs SET superseded_by=NULL WHERE jobs.job_id = :in_job AND
jobs.superseded_by IS NOT NULL""",
    "jobs.jobs._NO_LONGER_CURRENT": """UPDATE jobs SET is_current=0 WHERE jobs.is_current = 1 AND jobs.job_id !=
:but_job""",
    "jobs.jobs._RECOUNT": """UPDATE jobs SET completed_count=(SELECT count(*) AS count_1 FROM completed_chunks WHERE
completed_chunks.job_id = :in_job) WHERE jobs.job_id = :in_job""",
    "jobs.jobs._ROWS": """SELECT jobs.job_number, jobs.job_id, jobs.status, jobs.file_name, jobs.video_title,
jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count, jobs.started_at, jobs.updated_at,
jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at, jobs.stretch_completed_count,
jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks,
jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS
redo_count FROM jobs""",
    "jobs.jobs._SUPERSEDED_BY_DELETED": """UPDATE jobs SET superseded_by=(SELECT newer.job_id FROM jobs AS newer WHERE
newer.file_name = jobs.file_name AND newer.job_number > jobs.job_number ORDER BY newer.job_number DESC LIMIT 1 OFFSET 0)
WHERE jobs.superseded_by IN (SELECT deleted_jobs.job_id FROM deleted_jobs)""",
    "jobs.pruning._COUNT_ATTEMPTS": """SELECT count(*) AS count_1 FROM attempts WHERE attempts.job_id = :in_job""",
    "jobs.pruning._COUNT_OLD": """SELECT count(*) AS count_1 FROM attempts WHERE attempts.job_id = :in_job AND
attempts.outcome != 'running' AND attempts.cost IS NULL AND attempts.finished_at < :before AND (EXISTS (SELECT
completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND
completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND
chunk_redos.after_attempt < attempts.number)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE
chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index))""",
    "jobs.pruning._DELETE_OLD": """DELETE FROM attempts WHERE attempts.job_id = :in_job AND attempts.outcome !=
'running' AND attempts.cost IS NULL AND attempts.finished_at < :before AND (EXISTS (SELECT completed_chunks.chunk_index
FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index =
attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id =
attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND chunk_redos.after_attempt < attempts.number)) AND
NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts.job_id AND
chunk_redos.chunk_index = attempts.chunk_index))""",
    "jobs.pruning._OPEN_HANDLE": """SELECT chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.job_id =
:in_job AND (NOT (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
chunk_handles.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index)) OR (EXISTS (SELECT
chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id AND chunk_redos.chunk_index =
chunk_handles.chunk_index))) LIMIT 1 OFFSET 0""",
    "jobs.pruning._RESULT_BYTES": """SELECT coalesce(sum(length(CAST(chunk_results.result AS BLOB))), 0) AS coalesce_1
FROM completed_chunks JOIN chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE
completed_chunks.job_id = :in_job""",
    "order._IS_SEQUENTIAL": """SELECT jobs.job_id FROM jobs WHERE jobs.job_id = :in_job AND jobs.sequential = 1""",
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
