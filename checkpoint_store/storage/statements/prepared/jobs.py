"""The texts of the statements of ``compiled``, ``job_endings``, ``job_rows``, ``jobs``, ``order``, ``plans``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "compiled.ADD_RESULT": """INSERT INTO chunk_results (job_id, chunk_index, result, digest) VALUES (:job_id,
:chunk_index, :result, :digest)""",
    "compiled.COMPLETE": """INSERT INTO completed_chunks (job_id, chunk_index, completed_at, fingerprint, digest,
result_id) VALUES (:job_id, :chunk_index, :completed_at, :fingerprint, :digest, :result_id) ON CONFLICT (job_id,
chunk_index) DO NOTHING""",
    "compiled.COUNT": """UPDATE jobs SET completed_count=(jobs.completed_count + :more), updated_at=max(jobs.updated_at,
:at) WHERE jobs.job_id = :in_job AND jobs.completed_count + :more < jobs.total_chunks""",
    "compiled.COUNT_LAST": """UPDATE jobs SET status=CASE WHEN (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = jobs.job_id)) THEN jobs.status ELSE 'completed' END, completed_count=(jobs.completed_count +
:more), updated_at=max(jobs.updated_at, :at), error_message=CASE WHEN (EXISTS (SELECT chunk_redos.chunk_index FROM
chunk_redos WHERE chunk_redos.job_id = jobs.job_id)) THEN jobs.error_message ELSE NULL END WHERE jobs.job_id = :in_job
""",
    "compiled.IS_COMPLETED": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id
= :in_job AND completed_chunks.chunk_index = :at_index AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = completed_chunks.job_id AND chunk_redos.chunk_index = completed_chunks.chunk_index))""",
    "compiled.PRESENT": """SELECT completed_chunks.digest, completed_chunks.result_id, completed_chunks.completed_at,
completed_chunks.source_job_id FROM completed_chunks WHERE completed_chunks.job_id = :in_job AND
completed_chunks.chunk_index = :at_index""",
    "compiled.REMOVE_RESULT": """DELETE FROM chunk_results WHERE chunk_results.result_id = :id""",
    "compiled.RESULT_PAGE": """SELECT completed_chunks.chunk_index, chunk_results.result, completed_chunks.digest,
chunk_results.digest AS digest_1 FROM completed_chunks LEFT OUTER JOIN chunk_results ON chunk_results.result_id =
completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND completed_chunks.chunk_index > :after AND
completed_chunks.digest IS NOT NULL ORDER BY completed_chunks.chunk_index LIMIT :rows OFFSET 0""",
    "compiled.RESULT_TEXT": """SELECT chunk_results.result FROM chunk_results WHERE chunk_results.result_id = :id""",
    "compiled.SET_RESULT": """UPDATE completed_chunks SET completed_at=:at, fingerprint=coalesce(:new_fingerprint,
completed_chunks.fingerprint), digest=:new_digest, result_id=:new_id, source_job_id=NULL, source_chunk_index=NULL,
source_differs_in=NULL, redo_asked_at=coalesce(:asked_at, completed_chunks.redo_asked_at) WHERE completed_chunks.job_id
= :in_job AND completed_chunks.chunk_index = :at_index""",
    "compiled.SET_SOURCE": """UPDATE completed_chunks SET source_job_id=:source, source_chunk_index=:source_index,
source_differs_in=:differs_in WHERE completed_chunks.job_id = :in_job AND completed_chunks.chunk_index = :at_index""",
    "compiled.WITHOUT_RESULT": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.digest IS NULL ORDER BY completed_chunks.chunk_index""",
    "compiled.WITH_RESULT": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND completed_chunks.digest IS NOT NULL ORDER BY completed_chunks.chunk_index""",
    "compiled._ADD_NEW": """INSERT INTO chunk_results (job_id, chunk_index, result, digest) VALUES (NEW.job_id,
NEW.chunk_index, NEW.result, NEW.digest)""",
    "compiled._CLAIM_NEXT": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at, outcome,
counted, is_last) SELECT NEW.job_id, NEW.next_index, 1, NEW.runner_id, NEW.completed_at, 'running', 1, 0 WHERE NOT
(EXISTS (SELECT * FROM completed_chunks WHERE completed_chunks.job_id = NEW.job_id AND completed_chunks.chunk_index =
NEW.next_index)) AND NOT (EXISTS (SELECT * FROM attempts WHERE attempts.job_id = NEW.job_id AND attempts.chunk_index =
NEW.next_index))""",
    "compiled._COMPLETE_NEW": """INSERT INTO completed_chunks (job_id, chunk_index, completed_at, fingerprint, digest,
result_id) VALUES (NEW.job_id, NEW.chunk_index, NEW.completed_at, NEW.fingerprint, NEW.digest, last_insert_rowid())""",
    "compiled._COUNT_LAST_NEW": """UPDATE jobs SET status=CASE WHEN (EXISTS (SELECT chunk_redos.chunk_index FROM
chunk_redos WHERE chunk_redos.job_id = jobs.job_id)) THEN jobs.status ELSE coalesce(note_completed(NEW.job_id),
'completed') END, completed_count=(jobs.completed_count + NEW.more), updated_at=max(jobs.updated_at,
coalesce(NEW.latest_at, NEW.completed_at)), error_message=CASE WHEN (EXISTS (SELECT chunk_redos.chunk_index FROM
chunk_redos WHERE chunk_redos.job_id = jobs.job_id)) THEN jobs.error_message ELSE NULL END WHERE jobs.job_id =
NEW.job_id AND NEW.more IS NOT NULL AND changes() = 0""",
    "compiled._COUNT_NEW": """UPDATE jobs SET completed_count=(jobs.completed_count + NEW.more),
updated_at=max(jobs.updated_at, coalesce(NEW.latest_at, NEW.completed_at)) WHERE jobs.job_id = NEW.job_id AND
jobs.completed_count + NEW.more < jobs.total_chunks AND NEW.more IS NOT NULL""",
    "compiled._END_ATTEMPT_OF_NEW": """UPDATE attempts SET finished_at=NEW.completed_at, outcome='completed',
seconds=NEW.seconds WHERE attempts.job_id = NEW.job_id AND attempts.chunk_index = NEW.chunk_index AND attempts.number =
NEW.attempt""",
    "compiled._REQUIRE_ORDER": """SELECT RAISE(ABORT, 'out of order') WHERE (EXISTS (SELECT * FROM chunk_redos WHERE
chunk_redos.job_id = NEW.job_id AND chunk_redos.chunk_index < NEW.chunk_index)) OR NOT (NEW.chunk_index = 0 OR (EXISTS
(SELECT * FROM completed_chunks WHERE completed_chunks.job_id = NEW.job_id AND completed_chunks.chunk_index =
NEW.chunk_index - 1 AND coalesce(completed_chunks.digest, '') = coalesce(NEW.previous_digest,
coalesce(completed_chunks.digest, '')))))""",
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
