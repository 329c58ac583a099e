"""The texts of the statements of ``checks``, ``chunks``, ``completions``, ``costs``, ``results``, ``totals``."""

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
    "chunks.HAS_KEYS": """SELECT chunk_keys.chunk_index FROM chunk_keys WHERE chunk_keys.job_id = :in_job LIMIT 1 OFFSET
0""",
    "chunks.INDEX_OF": """SELECT chunk_keys.chunk_index FROM chunk_keys WHERE chunk_keys.job_id = :in_job AND
chunk_keys."key" = :its_key""",
    "chunks.KEY_AT": """SELECT chunk_keys."key" FROM chunk_keys WHERE chunk_keys.job_id = :in_job AND
chunk_keys.chunk_index = :at_index""",
    "chunks._ALL": """SELECT chunk_keys.chunk_index, chunk_keys."key" FROM chunk_keys WHERE chunk_keys.job_id = :in_job
ORDER BY chunk_keys.chunk_index""",
    "chunks._ATTEMPTS": """SELECT attempts.chunk_index, attempts.number, attempts.outcome, attempts.error,
attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last, attempts.runner_id, attempts.counted,
attempts.cost, attempts.reserved_cost FROM attempts WHERE attempts.job_id = :in_job AND (attempts.chunk_index,
attempts.number) > (:after_index, :after_number) ORDER BY attempts.chunk_index, attempts.number LIMIT :rows OFFSET 0""",
    "chunks._ATTEMPT_SUMS": """SELECT attempts.chunk_index, count(*) AS count_1, sum(attempts.seconds) AS sum_1,
sum(CASE WHEN (attempts.outcome IN ('failed', 'abandoned') OR attempts.replaced_result_id IS NOT NULL) THEN
attempts.cost END) AS sum_2 FROM attempts WHERE attempts.job_id = :in_job GROUP BY attempts.chunk_index""",
    "chunks._CARRIED": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND completed_chunks.source_job_id IS NOT NULL""",
    "chunks._COMPLETIONS": """SELECT completed_chunks.chunk_index, completed_chunks.completed_at,
completed_chunks.source_job_id, completed_chunks.source_chunk_index FROM completed_chunks WHERE completed_chunks.job_id
= :in_job AND completed_chunks.chunk_index > :after_index ORDER BY completed_chunks.chunk_index LIMIT :rows OFFSET 0""",
    "chunks._REMOVE": """DELETE FROM chunk_keys WHERE chunk_keys.job_id = :in_job AND chunk_keys.chunk_index >= :start
""",
    "completions._RUN_AGAIN": """UPDATE jobs SET status='running', updated_at=max(jobs.updated_at, :at) WHERE
jobs.job_id = :in_job AND jobs.status != 'paused'""",
    "completions._SET_SETTINGS": """UPDATE completed_chunks SET source_differs_in=:differs_in WHERE
completed_chunks.job_id = :in_job AND completed_chunks.chunk_index = :at_index AND completed_chunks.source_job_id IS
NULL""",
    "costs._MISSING": """SELECT count(completed_chunks.digest) - count(chunk_results.result_id) AS anon_1 FROM
completed_chunks LEFT OUTER JOIN chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE
completed_chunks.job_id = :in_job""",
    "costs._NARROW": """SELECT completed_chunks.result_id, completed_chunks.chunk_index, completed_chunks.digest FROM
completed_chunks WHERE completed_chunks.job_id = :in_job AND completed_chunks.digest IS NOT NULL AND
completed_chunks.result_id > :after AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY
completed_chunks.result_id LIMIT 4096 OFFSET 0""",
    "costs._page(of_field=False, goes_on=False)": """SELECT chunk_results.result_id, chunk_results.chunk_index, NULL,
chunk_results.result FROM chunk_results, completed_chunks WHERE chunk_results.result_id > :after AND
chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id AND completed_chunks.chunk_index =
chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id AND (completed_chunks.source_job_id
IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 64 OFFSET 0""",
    "costs._page(of_field=False, goes_on=True)": """SELECT chunk_results.result_id, chunk_results.chunk_index, NULL,
chunk_results.result FROM chunk_results, completed_chunks WHERE chunk_results.result_id > :after AND
+chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id AND completed_chunks.chunk_index =
chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id AND (completed_chunks.source_job_id
IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 64 OFFSET 0""",
    "costs._page(of_field=True, goes_on=False)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS coalesce_1, CASE
WHEN (coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) IN ('text',
'object', 'array')) THEN substr(CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END, 1, 200) ELSE
CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path)
ELSE json_extract(chunk_results.result, :dotted_path) END END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "costs._page(of_field=True, goes_on=True)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS coalesce_1, CASE
WHEN (coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) IN ('text',
'object', 'array')) THEN substr(CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END, 1, 200) ELSE
CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path)
ELSE json_extract(chunk_results.result, :dotted_path) END END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND +chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "results.INDICES_BETWEEN": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.chunk_index >= :start AND completed_chunks.chunk_index < :stop
AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = completed_chunks.job_id AND
chunk_redos.chunk_index = completed_chunks.chunk_index)) ORDER BY completed_chunks.chunk_index""",
    "results.SET_FINGERPRINT": """UPDATE completed_chunks SET fingerprint=:value WHERE completed_chunks.job_id = :in_job
AND completed_chunks.chunk_index = :at_index AND completed_chunks.fingerprint IS NULL""",
    "results.WITHOUT_FINGERPRINT": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.fingerprint IS NULL LIMIT 1 OFFSET 0""",
    "results._COUNT_BETWEEN": """SELECT (SELECT count(*) AS count_1 FROM completed_chunks WHERE completed_chunks.job_id
= :in_job AND completed_chunks.chunk_index >= :start AND completed_chunks.chunk_index < :stop) AS anon_1, (SELECT
count(*) AS count_2 FROM chunk_redos WHERE chunk_redos.job_id = :in_job AND chunk_redos.chunk_index >= :start AND
chunk_redos.chunk_index < :stop AND (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = chunk_redos.job_id AND completed_chunks.chunk_index = chunk_redos.chunk_index))) AS anon_2""",
    "results._DIGESTS": """SELECT completed_chunks.chunk_index, completed_chunks.digest FROM completed_chunks WHERE
completed_chunks.job_id = :in_job""",
    "results._FIRST_FROM": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id =
completed_chunks.job_id AND chunk_redos.chunk_index = completed_chunks.chunk_index)) AND completed_chunks.chunk_index >=
:start ORDER BY completed_chunks.chunk_index LIMIT 1 OFFSET 0""",
    "results._INDICES": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job ORDER BY completed_chunks.chunk_index""",
    "results._NARROW_PAGE": """SELECT completed_chunks.chunk_index, completed_chunks.result_id, completed_chunks.digest
FROM completed_chunks WHERE completed_chunks.job_id = :in_job AND completed_chunks.chunk_index > :after AND
completed_chunks.digest IS NOT NULL ORDER BY completed_chunks.chunk_index LIMIT :rows OFFSET 0""",
    "results._RESULT": """SELECT chunk_results.result, completed_chunks.digest FROM completed_chunks LEFT OUTER JOIN
chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND
completed_chunks.chunk_index = :at_index""",
    "results._RESULT_BY_ID": """SELECT chunk_results.result, chunk_results.digest FROM chunk_results WHERE
chunk_results.result_id = :id""",
    "totals._INDICES": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND (completed_chunks.source_job_id IS NULL OR :with_carried AND completed_chunks.chunk_index IN (SELECT
min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE completed_chunks.job_id = :in_job GROUP BY
coalesce(completed_chunks.source_job_id, completed_chunks.job_id), coalesce(completed_chunks.source_chunk_index,
completed_chunks.chunk_index), completed_chunks.redo_asked_at HAVING count(*) = count(completed_chunks.source_job_id)))
""",
    "totals._PAID_ONCE": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND (completed_chunks.source_job_id IS NULL OR completed_chunks.chunk_index IN (SELECT
min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE completed_chunks.job_id = :in_job GROUP BY
coalesce(completed_chunks.source_job_id, completed_chunks.job_id), coalesce(completed_chunks.source_chunk_index,
completed_chunks.chunk_index), CASE WHEN (completed_chunks.source_job_id != completed_chunks.job_id) THEN
completed_chunks.redo_asked_at END HAVING count(*) = count(completed_chunks.source_job_id)))""",
    "totals._SHORT_TEXTS": """SELECT field.value FROM (SELECT CASE WHEN (json_type(chunk_results.result, :json_path) IS
NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END
AS value, coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS kind,
chunk_results.result_id AS result_id, completed_chunks.digest AS digest FROM completed_chunks LEFT OUTER JOIN
chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND
(completed_chunks.source_job_id IS NULL OR :with_carried AND completed_chunks.chunk_index IN (SELECT
min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE completed_chunks.job_id = :in_job GROUP BY
coalesce(completed_chunks.source_job_id, completed_chunks.job_id), coalesce(completed_chunks.source_chunk_index,
completed_chunks.chunk_index), completed_chunks.redo_asked_at HAVING count(*) = count(completed_chunks.source_job_id))))
AS field WHERE field.kind = 'text' AND length(field.value) <= 64""",
    "totals._TOTAL": """SELECT sum(CASE WHEN (typeof(CASE WHEN (field.kind IN ('integer', 'real')) THEN field.value END)
= 'integer') THEN CASE WHEN (field.kind IN ('integer', 'real')) THEN field.value END END >> 32) AS sum_1, sum(CASE WHEN
(typeof(CASE WHEN (field.kind IN ('integer', 'real')) THEN field.value END) = 'integer') THEN CASE WHEN (field.kind IN
('integer', 'real')) THEN field.value END END & 4294967295) AS sum_2, sum(CASE WHEN (typeof(CASE WHEN (field.kind IN
('integer', 'real')) THEN field.value END) = 'real') THEN CASE WHEN (field.kind IN ('integer', 'real')) THEN field.value
END END) AS sum_3, count(field.kind) AS count_1, max(field.result_id) AS max_1, count(field.digest) -
count(field.result_id) AS anon_1 FROM (SELECT CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END AS value,
coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS kind,
chunk_results.result_id AS result_id, completed_chunks.digest AS digest FROM completed_chunks LEFT OUTER JOIN
chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND
(completed_chunks.source_job_id IS NULL OR :with_carried AND completed_chunks.chunk_index IN (SELECT
min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE completed_chunks.job_id = :in_job GROUP BY
coalesce(completed_chunks.source_job_id, completed_chunks.job_id), coalesce(completed_chunks.source_chunk_index,
completed_chunks.chunk_index), completed_chunks.redo_asked_at HAVING count(*) = count(completed_chunks.source_job_id))))
AS field""",
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
