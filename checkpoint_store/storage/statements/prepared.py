"""The texts of the statements, as SQLAlchemy compiles them from the tables: all SQL that ordinary work runs.

``python tests/storage/write_prepared.py`` writes this file, and a test compares it with the statements. These texts are
run whatever SQLAlchemy is installed.
"""

from __future__ import annotations

from typing import Final

SQLALCHEMY: Final = "2.1"
"""The version of SQLAlchemy that compiled the texts."""

STATEMENTS: Final[dict[str, str]] = {
    "attempts.attempt_log._EARLIER": """SELECT attempts.chunk_index, attempts.number, attempts.outcome, attempts.error,
attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last, attempts.runner_id, (SELECT
chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND chunk_handles.chunk_index =
attempts.chunk_index) AS handle, (SELECT chunk_keys."key" FROM chunk_keys WHERE chunk_keys.job_id = attempts.job_id AND
chunk_keys.chunk_index = attempts.chunk_index) AS "key" FROM attempts WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number < :before AND NOT ((EXISTS (SELECT completed_chunks.chunk_index
FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index =
attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id =
attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND chunk_redos.after_attempt < attempts.number)))
ORDER BY attempts.number DESC LIMIT 1 OFFSET 0""",
    "attempts.attempt_log._FAILED_CHUNKS": """SELECT attempts.chunk_index FROM attempts WHERE attempts.job_id BETWEEN
:in_job AND :in_job AND attempts.outcome IN ('failed', 'abandoned') AND attempts.is_last = 1 AND NOT ((EXISTS (SELECT
completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND
completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND
chunk_redos.after_attempt < attempts.number))) ORDER BY attempts.chunk_index""",
    "attempts.attempt_log._LAST_RUNNING": """SELECT attempts.chunk_index, attempts.number, attempts.outcome,
attempts.error, attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last, attempts.runner_id,
(SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND
chunk_handles.chunk_index = attempts.chunk_index) AS handle, (SELECT chunk_keys."key" FROM chunk_keys WHERE
chunk_keys.job_id = attempts.job_id AND chunk_keys.chunk_index = attempts.chunk_index) AS "key" FROM attempts WHERE
+attempts.job_id = :in_job AND attempts.outcome = 'running' AND NOT (EXISTS (SELECT attempts_1.number FROM attempts AS
attempts_1 WHERE attempts_1.job_id = attempts.job_id AND attempts_1.chunk_index = attempts.chunk_index AND
attempts_1.number > attempts.number)) AND NOT ((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index
= attempts.chunk_index AND chunk_redos.after_attempt < attempts.number))) ORDER BY attempts.chunk_index""",
    "attempts.attempt_log._LAST_RUNNING_OR_IN_TROUBLE": """SELECT attempts.chunk_index, attempts.number,
attempts.outcome, attempts.error, attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last,
attempts.runner_id, (SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND
chunk_handles.chunk_index = attempts.chunk_index) AS handle, (SELECT chunk_keys."key" FROM chunk_keys WHERE
chunk_keys.job_id = attempts.job_id AND chunk_keys.chunk_index = attempts.chunk_index) AS "key" FROM attempts WHERE
+attempts.job_id = :in_job AND attempts.outcome = 'running' AND NOT (EXISTS (SELECT attempts_1.number FROM attempts AS
attempts_1 WHERE attempts_1.job_id = attempts.job_id AND attempts_1.chunk_index = attempts.chunk_index AND
attempts_1.number > attempts.number)) AND NOT ((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index
= attempts.chunk_index AND chunk_redos.after_attempt < attempts.number))) UNION ALL SELECT attempts.chunk_index,
attempts.number, attempts.outcome, attempts.error, attempts.started_at, attempts.finished_at, attempts.seconds,
attempts.is_last, attempts.runner_id, (SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id =
attempts.job_id AND chunk_handles.chunk_index = attempts.chunk_index) AS handle, (SELECT chunk_keys."key" FROM
chunk_keys WHERE chunk_keys.job_id = attempts.job_id AND chunk_keys.chunk_index = attempts.chunk_index) AS "key" FROM
attempts WHERE attempts.job_id BETWEEN :in_job AND :in_job AND attempts.outcome IN ('failed', 'abandoned') AND
attempts.outcome IN (:outcome, :other_outcome) AND NOT (EXISTS (SELECT attempts_2.number FROM attempts AS attempts_2
WHERE attempts_2.job_id = attempts.job_id AND attempts_2.chunk_index = attempts.chunk_index AND attempts_2.number >
attempts.number)) AND NOT ((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = attempts.job_id AND completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index
= attempts.chunk_index AND chunk_redos.after_attempt < attempts.number))) ORDER BY chunk_index""",
    "attempts.attempt_log._SECONDS": """SELECT count(attempts.seconds) AS count_1, total(attempts.seconds) AS total_1
FROM attempts WHERE attempts.job_id = :in_job AND attempts.outcome = 'completed'""",
    "attempts.attempts._ABANDON": """UPDATE attempts SET finished_at=:at, outcome='abandoned', counted=0 WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.runner_id
= :its_runner AND attempts.outcome = 'running'""",
    "attempts.attempts._ABANDON_ALL": """UPDATE attempts SET finished_at=:at, outcome='abandoned', counted=CASE WHEN
(EXISTS (SELECT chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND
chunk_handles.chunk_index = attempts.chunk_index)) THEN 0 ELSE :its_counted END WHERE attempts.runner_id = :its_runner
AND attempts.outcome = 'running'""",
    "attempts.attempts._ALLOW_MORE": """UPDATE attempts SET is_last=0 WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number""",
    "attempts.attempts._ATTEMPTS_IN": """SELECT attempts.chunk_index, attempts.number, attempts.runner_id,
attempts.outcome, attempts.counted, attempts.is_last FROM attempts WHERE attempts.job_id = :in_job AND
attempts.chunk_index >= :start AND attempts.chunk_index < :stop ORDER BY attempts.chunk_index, attempts.number""",
    "attempts.attempts._BEGIN": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at, outcome,
counted, is_last) VALUES (:in_job, :at_index, :new_number, :runner, :at, 'running', 1, 0)""",
    "attempts.attempts._BEGIN_FIRST": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at,
outcome, counted, is_last) SELECT :in_job AS anon_1, anon_2.value, 1, :runner AS anon_3, :at AS anon_4, 'running', 1, 0
FROM json_each(:indices) AS anon_2""",
    "attempts.attempts._COUNTED": """SELECT coalesce((SELECT max(attempts.number) AS max_1 FROM attempts WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index), 0) AS coalesce_1, (SELECT count(*) AS count_1 FROM
(SELECT attempts.number AS number FROM attempts WHERE attempts.job_id = :in_job AND attempts.chunk_index = :at_index AND
attempts.number != coalesce(:its_number, 0) AND attempts.outcome IN ('failed', 'abandoned') AND attempts.counted = 1
ORDER BY attempts.number DESC LIMIT :attempts_max OFFSET 0) AS anon_2) AS anon_1, (SELECT count(*) AS count_2 FROM
attempts WHERE attempts.job_id = :in_job AND attempts.chunk_index = :at_index AND attempts.number =
coalesce(:its_number, 0)) AS anon_3, (SELECT EXISTS (SELECT attempts.number FROM attempts WHERE attempts.job_id =
:in_job AND attempts.chunk_index = :at_index AND attempts.number > :its_number AND attempts.outcome = 'running') AS
anon_5) AS anon_4""",
    "attempts.attempts._FAIL": """UPDATE attempts SET finished_at=:at, outcome='failed', error=:its_error,
seconds=:its_seconds, counted=:its_counted, is_last=:now_last, reserved_cost=CASE WHEN (:may_be_billed = 1) THEN
attempts.reserved_cost END, cost=coalesce(attempts.cost + :its_cost, attempts.cost, :its_cost) WHERE attempts.job_id =
:in_job AND attempts.chunk_index = :at_index AND attempts.number = :its_number""",
    "attempts.attempts._FORGET": """DELETE FROM attempts WHERE attempts.job_id = :in_job AND attempts.chunk_index =
:at_index AND attempts.number = :its_number AND attempts.runner_id = :its_runner AND attempts.outcome = 'running'""",
    "attempts.attempts._IN_HAND": """SELECT attempts.job_id, attempts.chunk_index, attempts.number FROM attempts WHERE
attempts.runner_id = :its_runner AND attempts.outcome = 'running'""",
    "attempts.attempts._USE_UP": """UPDATE attempts SET error=coalesce(attempts.error,
'its process ended before it gave a result'), is_last=1 WHERE attempts.job_id = :in_job AND attempts.chunk_index =
:at_index AND attempts.number = :its_number""",
    "attempts.in_vain._END": """UPDATE attempts SET finished_at=:at, outcome='completed', seconds=:seconds WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index AND attempts.number = :attempt AND
instr(coalesce(attempts.error, ''), 'its result came after another one, which is the same') = 0""",
    "attempts.in_vain._HAS_THE_FAILURE": """SELECT attempts.number FROM attempts WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.outcome = 'failed' AND (attempts.cost IS
NOT NULL OR :its_cost IS NULL) AND substr(coalesce(attempts.error, '') || char(10), 1, length(:lines)) = :lines""",
    "attempts.in_vain._IS_COMPLETED_BY_ANOTHER": """SELECT attempts_1.number FROM attempts AS attempts_1 WHERE
attempts_1.job_id = :in_job AND attempts_1.chunk_index = :at_index AND attempts_1.outcome = 'completed' AND
attempts_1.number != :its_number AND attempts_1.replaced_result_id IS NULL""",
    "attempts.in_vain._LATEST": """SELECT coalesce(max(attempts.number), 0) AS coalesce_1,
coalesce(max(instr(coalesce(attempts.error, '') || char(10), :late)), 0) AS coalesce_2,
coalesce(max(instr(coalesce(attempts.error, '') || char(10), :early)), 0) AS coalesce_3,
coalesce(max(instr(coalesce(attempts.error, '') || char(10), :from_older)), 0) AS coalesce_4 FROM attempts WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index""",
    "attempts.in_vain._NOTE_FAILURE": """UPDATE attempts SET error=(coalesce(attempts.error || char(10), '') || :what),
seconds=coalesce(:its_seconds, attempts.seconds), reserved_cost=CASE WHEN (:its_cost IS NULL) THEN
attempts.reserved_cost END, cost=coalesce(attempts.cost + :its_cost, attempts.cost, :its_cost) WHERE attempts.job_id =
:in_job AND attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.outcome != 'completed' AND
instr(coalesce(attempts.error, '') || char(10), :line) = 0""",
    "attempts.in_vain._NOTE_RESULT": """UPDATE attempts SET finished_at=:at, outcome='failed',
error=(coalesce(attempts.error || char(10), '') || :what), seconds=coalesce(:its_seconds, attempts.seconds), counted=0,
is_last=0, cost=coalesce(attempts.cost + :its_cost, attempts.cost, :its_cost) WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.outcome != 'completed' AND
instr(coalesce(attempts.error, '') || char(10), :late) = 0 AND instr(coalesce(attempts.error, '') || char(10), :early) =
0 AND instr(coalesce(attempts.error, '') || char(10), :from_older) = 0 AND instr(coalesce(attempts.error, '') ||
char(10), :the_same) = 0""",
    "attempts.in_vain._OUTCOME": """SELECT attempts.outcome FROM attempts WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number""",
    "attempts.replaced._ADD": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at, finished_at,
outcome, counted, is_last, cost, replaced_result_id) VALUES (:in_job, :at_index, (SELECT
coalesce(max(attempts_1.number), 0) + 1 AS anon_1 FROM attempts AS attempts_1 WHERE attempts_1.job_id = :in_job AND
attempts_1.chunk_index = :at_index), 0, :made_at, :made_at, 'completed', 0, 0, :amount, :result)""",
    "attempts.replaced._AFTER": """SELECT attempts.replaced_result_id, attempts.chunk_index, 'replaced', attempts.cost
FROM attempts WHERE attempts.job_id = :in_job AND attempts.replaced_result_id > :after AND attempts.replaced_result_id
IS NOT NULL ORDER BY attempts.replaced_result_id LIMIT :rows OFFSET 0""",
    "attempts.replaced._BY_JOB": """SELECT attempts.job_id, total(attempts.cost) AS total_1 FROM json_each(:numbers) AS
wanted JOIN jobs ON jobs.job_number = wanted.value JOIN attempts ON attempts.job_id BETWEEN jobs.job_id AND jobs.job_id
WHERE attempts.replaced_result_id IS NOT NULL GROUP BY attempts.job_id""",
    "attempts.replaced._ELSEWHERE": """SELECT count(anon_1.cost) AS count_1, total(anon_1.cost) AS total_1,
coalesce(max(anon_1.cost), 0.0) AS coalesce_1 FROM (SELECT attempts.cost AS cost FROM attempts WHERE attempts.job_id =
:in_job AND attempts.replaced_result_id BETWEEN 0 AND 0 AND attempts.replaced_result_id IS NOT NULL ORDER BY
attempts.replaced_result_id LIMIT -1 OFFSET 0) AS anon_1""",
    "attempts.replaced._NOTE": """UPDATE attempts SET cost=:amount, replaced_result_id=:result WHERE attempts.job_id =
:in_job AND attempts.chunk_index = :at_index AND attempts.number = (SELECT max(attempts_1.number) AS max_1 FROM attempts
AS attempts_1 WHERE attempts_1.job_id = :in_job AND attempts_1.chunk_index = :at_index AND attempts_1.outcome =
'completed' AND attempts_1.replaced_result_id IS NULL)""",
    "attempts.replaced._OF_JOB": """SELECT total(attempts.cost) AS total_1 FROM attempts WHERE attempts.job_id BETWEEN
:in_job AND :in_job AND attempts.replaced_result_id IS NOT NULL""",
    "attempts.reservations._COSTS": """SELECT count(nullif(attempts.cost, 0)) AS count_1, total(attempts.cost) AS
total_1, max(attempts.cost) AS max_1 FROM attempts WHERE attempts.job_id BETWEEN :in_job AND :in_job AND
attempts.outcome IN ('failed', 'abandoned')""",
    "attempts.reservations._FAILED_BY_JOB": """SELECT attempts.job_id, total(attempts.cost) AS total_1 FROM
json_each(:numbers) AS wanted JOIN jobs ON jobs.job_number = wanted.value JOIN attempts ON attempts.job_id BETWEEN
jobs.job_id AND jobs.job_id WHERE attempts.outcome IN ('failed', 'abandoned') GROUP BY attempts.job_id""",
    "attempts.reservations._IN_DOUBT": """SELECT total(attempts.reserved_cost) AS total_1 FROM attempts WHERE
attempts.job_id BETWEEN :in_job AND :in_job AND attempts.outcome IN ('failed', 'abandoned') AND attempts.reserved_cost
IS NOT NULL AND NOT ((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
attempts.job_id AND completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS (SELECT
chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index =
attempts.chunk_index AND chunk_redos.after_attempt < attempts.number)))""",
    "attempts.reservations._IN_WORK": """SELECT count(attempts.reserved_cost) AS count_1,
total(max(attempts.reserved_cost, :dearest)) AS total_1 FROM runners JOIN attempts ON attempts.runner_id =
runners.runner_id WHERE runners.job_id = :in_job AND runners.ended_at IS NULL AND attempts.outcome = 'running'""",
    "attempts.reservations._REPORT": """UPDATE attempts SET error=(coalesce(attempts.error || char(10), '') ||
:its_error), cost=coalesce(attempts.cost + :its_cost, attempts.cost, :its_cost) WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.runner_id = :its_runner AND
attempts.outcome = 'running'""",
    "attempts.reservations._REPORTED": """SELECT attempts.cost, attempts.error, attempts.started_at FROM attempts WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.outcome !=
'completed' AND attempts.cost IS NOT NULL""",
    "attempts.reservations._RESERVE": """UPDATE attempts SET reserved_cost=:amount WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number AND attempts.runner_id = :its_runner AND
attempts.outcome = 'running'""",
    "attempts.reservations._TAKE_COST": """UPDATE attempts SET cost=NULL WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index AND attempts.number = :its_number""",
    "attempts.runners._CLEAR_PAUSES": """UPDATE pauses SET cleared_at=:at WHERE pauses.job_id = :in_job AND
pauses.cleared_at IS NULL""",
    "attempts.runners._END": """UPDATE runners SET ended_at=:at WHERE runners.runner_id = :its_id""",
    "attempts.runners._LAST_PAUSE": """SELECT coalesce(max(pauses.pause_id), 0) AS coalesce_1 FROM pauses WHERE
pauses.job_id = :in_job AND pauses.cleared_at IS NULL""",
    "attempts.runners._LOCK_FILE": """SELECT runners.lock_file FROM runners WHERE runners.runner_id = :its_id AND
runners.ended_at IS NULL""",
    "attempts.runners._MAKE_EXCLUSIVE": """UPDATE runners SET "exclusive"=1 WHERE runners.runner_id = :its_id""",
    "attempts.runners._OF_JOB": """SELECT runners.runner_id FROM runners WHERE runners.runner_id = :its_id AND
runners.job_id = :in_job""",
    "attempts.runners._at_work(of_one_job=False)": """SELECT runners.runner_id, runners.job_id, runners.lock_file,
runners.host, runners.pid, runners."exclusive", runners.started_at FROM runners WHERE runners.ended_at IS NULL ORDER BY
+runners.runner_id""",
    "attempts.runners._at_work(of_one_job=True)": """SELECT runners.runner_id, runners.job_id, runners.lock_file,
runners.host, runners.pid, runners."exclusive", runners.started_at FROM runners WHERE runners.ended_at IS NULL AND
runners.job_id = :in_job ORDER BY +runners.runner_id""",
    "checks.integrity._NOWHERE": """SELECT DISTINCT attempts.job_id, attempts.chunk_index FROM attempts JOIN jobs ON
attempts.job_id = jobs.job_id WHERE attempts.chunk_index < 0 OR attempts.chunk_index >= jobs.total_chunks""",
    "checks.integrity._POINTLESS": """SELECT chunk_redos.job_id, chunk_redos.chunk_index FROM chunk_redos LEFT OUTER
JOIN completed_chunks ON completed_chunks.job_id = chunk_redos.job_id AND completed_chunks.chunk_index =
chunk_redos.chunk_index WHERE completed_chunks.job_id IS NULL""",
    "checks.integrity._of_job('attempts')": """SELECT attempts.chunk_index, attempts.number, attempts.outcome,
attempts.error, attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last, attempts.runner_id,
attempts.counted, attempts.cost, attempts.reserved_cost, attempts.replaced_result_id FROM attempts WHERE attempts.job_id
= :in_job""",
    "checks.integrity._of_job('chunk_handles')": """SELECT chunk_handles.chunk_index, chunk_handles.handle,
chunk_handles.fingerprint, chunk_handles.recorded_at FROM chunk_handles WHERE chunk_handles.job_id = :in_job""",
    "checks.integrity._of_job('chunk_keys')": """SELECT chunk_keys.chunk_index, chunk_keys."key" FROM chunk_keys WHERE
chunk_keys.job_id = :in_job""",
    "checks.integrity._of_job('chunk_redos')": """SELECT chunk_redos.chunk_index, chunk_redos.asked_at,
chunk_redos.after_attempt FROM chunk_redos WHERE chunk_redos.job_id = :in_job""",
    "checks.integrity._of_job('completed_chunks')": """SELECT completed_chunks.chunk_index,
completed_chunks.completed_at, completed_chunks.fingerprint, completed_chunks.digest, completed_chunks.source_job_id,
completed_chunks.source_chunk_index, completed_chunks.source_differs_in, completed_chunks.redo_asked_at FROM
completed_chunks WHERE completed_chunks.job_id = :in_job""",
    "checks.integrity._of_job('runners')": """SELECT runners.runner_id, runners.job_id, runners.lock_file, runners.host,
runners.pid, runners."exclusive", runners.started_at, runners.ended_at FROM runners WHERE runners.job_id = :in_job""",
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
    "compiled.insert_into('attempts')": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at,
finished_at, outcome, error, seconds, counted, is_last, reserved_cost, cost, replaced_result_id) VALUES (:job_id,
:chunk_index, :number, :runner_id, :started_at, :finished_at, :outcome, :error, :seconds, :counted, :is_last,
:reserved_cost, :cost, :replaced_result_id)""",
    "compiled.insert_into('chunk_handles')": """INSERT INTO chunk_handles (job_id, chunk_index, handle, fingerprint,
recorded_at) VALUES (:job_id, :chunk_index, :handle, :fingerprint, :recorded_at)""",
    "compiled.insert_into('chunk_keys')": """INSERT INTO chunk_keys (job_id, chunk_index, "key") VALUES (:job_id,
:chunk_index, :key)""",
    "compiled.insert_into('chunk_redos')": """INSERT INTO chunk_redos (job_id, chunk_index, asked_at, after_attempt)
VALUES (:job_id, :chunk_index, :asked_at, :after_attempt)""",
    "compiled.insert_into('completed_chunks')": """INSERT INTO completed_chunks (job_id, chunk_index, completed_at,
fingerprint, digest, result_id, source_job_id, source_chunk_index, source_differs_in, redo_asked_at) VALUES (:job_id,
:chunk_index, :completed_at, :fingerprint, :digest, :result_id, :source_job_id, :source_chunk_index, :source_differs_in,
:redo_asked_at)""",
    "compiled.insert_into('jobs')": """INSERT INTO jobs (job_number, job_id, status, file_name, video_title, model,
provider, total_chunks, completed_count, started_at, updated_at, error_message, config, chunks_digest,
stretch_started_at, stretch_completed_count, is_current, superseded_by, fingerprint_rule, looked_number, looked_jobs,
looked_chunks, metadata, sequential) VALUES (:job_number, :job_id, :status, :file_name, :video_title, :model, :provider,
:total_chunks, :completed_count, :started_at, :updated_at, :error_message, :config, :chunks_digest, :stretch_started_at,
:stretch_completed_count, :is_current, :superseded_by, :fingerprint_rule, :looked_number, :looked_jobs, :looked_chunks,
:metadata, :sequential)""",
    "compiled.insert_into('pauses', ('job_id', 'asked_at'))": """INSERT INTO pauses (job_id, asked_at) VALUES (:job_id,
:asked_at)""",
    "compiled.insert_into('runners')": """INSERT INTO runners (runner_id, job_id, lock_file, host, pid, "exclusive",
started_at, ended_at) VALUES (:runner_id, :job_id, :lock_file, :host, :pid, :exclusive, :started_at, :ended_at)""",
    "compiled.insert_into('runners', ('job_id', 'lock_file', 'host', 'pid', 'exclusive', 'started_at'))": """INSERT INTO
runners (job_id, lock_file, host, pid, "exclusive", started_at) VALUES (:job_id, :lock_file, :host, :pid, :exclusive,
:started_at)""",
    "compiled.insert_into('runners', ('job_id', 'lock_file', 'host', 'pid', 'exclusive', 'started_at', 'ended_at'))": """INSERT
INTO runners (job_id, lock_file, host, pid, "exclusive", started_at, ended_at) VALUES (:job_id, :lock_file, :host, :pid,
:exclusive, :started_at, :ended_at)""",
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
    "costs._page(0, goes_on=False)": """SELECT chunk_results.result_id, chunk_results.chunk_index, NULL,
chunk_results.result FROM chunk_results, completed_chunks WHERE chunk_results.result_id > :after AND
chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id AND completed_chunks.chunk_index =
chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id AND (completed_chunks.source_job_id
IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 64 OFFSET 0""",
    "costs._page(0, goes_on=True)": """SELECT chunk_results.result_id, chunk_results.chunk_index, NULL,
chunk_results.result FROM chunk_results, completed_chunks WHERE chunk_results.result_id > :after AND
+chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id AND completed_chunks.chunk_index =
chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id AND (completed_chunks.source_job_id
IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 64 OFFSET 0""",
    "costs._page(1, goes_on=False)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
json_type(chunk_results.result, :json_path) AS json_type_1, CASE WHEN (json_type(chunk_results.result, :json_path) IN
('text', 'object', 'array')) THEN substr(json_extract(chunk_results.result, :json_path), 1, 200) ELSE
json_extract(chunk_results.result, :json_path) END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "costs._page(1, goes_on=True)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
json_type(chunk_results.result, :json_path) AS json_type_1, CASE WHEN (json_type(chunk_results.result, :json_path) IN
('text', 'object', 'array')) THEN substr(json_extract(chunk_results.result, :json_path), 1, 200) ELSE
json_extract(chunk_results.result, :json_path) END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND +chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "costs._page(2, goes_on=False)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS coalesce_1, CASE
WHEN (coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) IN ('text',
'object', 'array')) THEN substr(CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END, 1, 200) ELSE
CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path)
ELSE json_extract(chunk_results.result, :dotted_path) END END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "costs._page(2, goes_on=True)": """SELECT chunk_results.result_id, chunk_results.chunk_index,
coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) AS coalesce_1, CASE
WHEN (coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) IN ('text',
'object', 'array')) THEN substr(CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END, 1, 200) ELSE
CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path)
ELSE json_extract(chunk_results.result, :dotted_path) END END AS anon_1 FROM chunk_results, completed_chunks WHERE
chunk_results.result_id > :after AND +chunk_results.job_id = :in_job AND completed_chunks.job_id = chunk_results.job_id
AND completed_chunks.chunk_index = chunk_results.chunk_index AND completed_chunks.result_id = chunk_results.result_id
AND (completed_chunks.source_job_id IS NULL) = :is_own ORDER BY chunk_results.result_id LIMIT 4096 OFFSET 0""",
    "handles._FORGET_LEFT": """DELETE FROM chunk_handles WHERE chunk_handles.job_id = :in_job AND
chunk_handles.chunk_index = :at_index AND (NOT (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = chunk_handles.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index)) OR (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id AND
chunk_redos.chunk_index = chunk_handles.chunk_index)))""",
    "handles._HAS_ANY": """SELECT EXISTS (SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id =
:in_job) AS anon_1""",
    "handles._IS_ANY_BEHIND": """SELECT chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.fingerprint IS
NOT NULL LIMIT 1 OFFSET :number""",
    "handles._LOOK_AT": """SELECT (SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id = :in_job
AND chunk_handles.chunk_index = :at_index) AS anon_1, EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks
WHERE completed_chunks.job_id = :in_job AND completed_chunks.chunk_index = :at_index AND NOT (EXISTS (SELECT
chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = completed_chunks.job_id AND chunk_redos.chunk_index
= completed_chunks.chunk_index))) AS anon_2""",
    "handles._OF_JOB": """SELECT chunk_handles.chunk_index, chunk_handles.fingerprint FROM chunk_handles WHERE
chunk_handles.job_id = :in_job AND (NOT (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = chunk_handles.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index)) OR (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id AND
chunk_redos.chunk_index = chunk_handles.chunk_index))) ORDER BY chunk_handles.chunk_index""",
    "handles._ORIGIN": """SELECT chunk_handles_1.job_id FROM chunk_handles JOIN chunk_handles AS chunk_handles_1 ON
chunk_handles_1.fingerprint = chunk_handles.fingerprint AND chunk_handles_1.handle = chunk_handles.handle WHERE
chunk_handles.job_id = :in_job AND chunk_handles.chunk_index = :at_index ORDER BY chunk_handles_1.recorded_at,
chunk_handles_1.job_id = chunk_handles.job_id LIMIT 1 OFFSET 0""",
    "handles._OUTSTANDING": """SELECT chunk_handles.job_id, chunk_handles.chunk_index, chunk_handles.handle,
chunk_handles.fingerprint, (SELECT chunk_redos.asked_at FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id
AND chunk_redos.chunk_index = chunk_handles.chunk_index) AS anon_1 FROM chunk_handles JOIN jobs ON jobs.job_id =
chunk_handles.job_id WHERE chunk_handles.fingerprint IS NOT NULL AND chunk_handles.job_id != :but_job AND (NOT (EXISTS
(SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = chunk_handles.job_id AND
completed_chunks.chunk_index = chunk_handles.chunk_index)) OR (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = chunk_handles.job_id AND chunk_redos.chunk_index = chunk_handles.chunk_index))) ORDER BY
jobs.job_number DESC, chunk_handles.chunk_index""",
    "handles._OUTSTANDING_OF": """SELECT chunk_handles.job_id, chunk_handles.chunk_index, chunk_handles.handle,
chunk_handles.fingerprint, (SELECT chunk_redos.asked_at FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id
AND chunk_redos.chunk_index = chunk_handles.chunk_index) AS anon_1 FROM chunk_handles JOIN jobs ON jobs.job_id =
chunk_handles.job_id WHERE chunk_handles.fingerprint IN (SELECT anon_2.value FROM json_each(:fingerprints) AS anon_2)
AND chunk_handles.job_id != :but_job AND (NOT (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = chunk_handles.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index)) OR (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = chunk_handles.job_id AND
chunk_redos.chunk_index = chunk_handles.chunk_index))) ORDER BY jobs.job_number DESC, chunk_handles.chunk_index""",
    "handles._RECORD": """INSERT INTO chunk_handles (job_id, chunk_index, handle, fingerprint, recorded_at) VALUES
(:job_id, :chunk_index, :handle, :fingerprint, :recorded_at) ON CONFLICT (job_id, chunk_index) DO UPDATE SET handle =
excluded.handle, fingerprint = coalesce(excluded.fingerprint, chunk_handles.fingerprint), recorded_at =
excluded.recorded_at""",
    "handles._SET_FINGERPRINT": """UPDATE chunk_handles SET fingerprint=:new_fingerprint WHERE chunk_handles.job_id =
:in_job AND chunk_handles.chunk_index = :at_index""",
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
    "jobs.jobs._FIND": """SELECT jobs.job_number, jobs.job_id, jobs.status, jobs.file_name, jobs.video_title,
jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count, jobs.started_at, jobs.updated_at,
jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at, jobs.stretch_completed_count,
jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks,
jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS
redo_count FROM jobs WHERE jobs.job_id = :in_job""",
    "jobs.jobs._FIND_BY_PREFIX": """SELECT jobs.job_number, jobs.job_id, jobs.status, jobs.file_name, jobs.video_title,
jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count, jobs.started_at, jobs.updated_at,
jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at, jobs.stretch_completed_count,
jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks,
jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS
redo_count FROM jobs WHERE substr(jobs.job_id, 1, length(:prefix)) = :prefix ORDER BY jobs.job_number DESC""",
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
    "jobs.jobs._SUPERSEDED_BY_DELETED": """UPDATE jobs SET superseded_by=(SELECT newer.job_id FROM jobs AS newer WHERE
newer.file_name = jobs.file_name AND newer.job_number > jobs.job_number ORDER BY newer.job_number DESC LIMIT 1 OFFSET 0)
WHERE jobs.superseded_by IN (SELECT deleted_jobs.job_id FROM deleted_jobs)""",
    "jobs.jobs._insert(('job_id', 'status', 'file_name', 'video_title', 'model', 'provider', 'total_chunks', 'completed_count', 'started_at', 'updated_at', 'config', 'chunks_digest', 'stretch_started_at', 'stretch_completed_count', 'fingerprint_rule', 'metadata', 'sequential'))": """INSERT
INTO jobs (job_number, job_id, status, file_name, video_title, model, provider, total_chunks, completed_count,
started_at, updated_at, config, chunks_digest, stretch_started_at, stretch_completed_count, is_current,
fingerprint_rule, metadata, sequential) VALUES ((SELECT coalesce(max(job_number), 0) + 1 FROM jobs), :job_id, :status,
:file_name, :video_title, :model, :provider, :total_chunks, :completed_count, :started_at, :updated_at, :config,
:chunks_digest, :stretch_started_at, :stretch_completed_count, 1, :fingerprint_rule, :metadata, :sequential)""",
    "jobs.jobs._insert(('status', 'file_name', 'video_title', 'model', 'provider', 'total_chunks', 'started_at', 'error_message', 'config', 'metadata', 'updated_at', 'job_id', 'completed_count', 'stretch_started_at', 'stretch_completed_count'))": """INSERT
INTO jobs (job_number, job_id, status, file_name, video_title, model, provider, total_chunks, completed_count,
started_at, updated_at, error_message, config, stretch_started_at, stretch_completed_count, is_current, metadata) VALUES
((SELECT coalesce(max(job_number), 0) + 1 FROM jobs), :job_id, :status, :file_name, :video_title, :model, :provider,
:total_chunks, :completed_count, :started_at, :updated_at, :error_message, :config, :stretch_started_at,
:stretch_completed_count, 1, :metadata)""",
    "jobs.jobs._list(('is_current',), spellings=0, with_results=False, incomplete=False)": """SELECT jobs.job_number,
jobs.job_id, jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks,
jobs.completed_count, jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest,
jobs.stretch_started_at, jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule,
jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1
FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.is_current = :its_is_current
ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list(('status',), spellings=0, with_results=False, incomplete=False)": """SELECT jobs.job_number,
jobs.job_id, jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks,
jobs.completed_count, jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest,
jobs.stretch_started_at, jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule,
jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1
FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.status = :its_status ORDER
BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list(('status',), spellings=1, with_results=False, incomplete=False)": """SELECT jobs.job_number,
jobs.job_id, jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks,
jobs.completed_count, jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest,
jobs.stretch_started_at, jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule,
jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1
FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.status = :its_status AND
jobs.file_name = :name_0 ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list(('status',), spellings=3, with_results=False, incomplete=False)": """SELECT jobs.job_number,
jobs.job_id, jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks,
jobs.completed_count, jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest,
jobs.stretch_started_at, jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule,
jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1
FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.status = :its_status AND
(jobs.file_name = :name_0 OR jobs.file_name = :name_1 OR jobs.file_name = :name_2) ORDER BY jobs.job_number DESC LIMIT
:rows OFFSET 0""",
    "jobs.jobs._list((), spellings=0, with_results=False, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=0, with_results=False, incomplete=True)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE (jobs.completed_count < jobs.total_chunks OR (EXISTS
(SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id))) AND jobs.superseded_by IS
NULL ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=0, with_results=True, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.completed_count > 0 OR (EXISTS (SELECT
chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.job_id = jobs.job_id AND NOT (EXISTS (SELECT
completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = chunk_handles.job_id AND
completed_chunks.chunk_index = chunk_handles.chunk_index)))) ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=1, with_results=False, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.file_name = :name_0 ORDER BY jobs.job_number DESC
LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=1, with_results=False, incomplete=True)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.file_name = :name_0 AND (jobs.completed_count <
jobs.total_chunks OR (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = jobs.job_id)))
AND jobs.superseded_by IS NULL ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=1, with_results=True, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.file_name = :name_0 AND (jobs.completed_count > 0
OR (EXISTS (SELECT chunk_handles.chunk_index FROM chunk_handles WHERE chunk_handles.job_id = jobs.job_id AND NOT (EXISTS
(SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = chunk_handles.job_id AND
completed_chunks.chunk_index = chunk_handles.chunk_index))))) ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=3, with_results=False, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE jobs.file_name = :name_0 OR jobs.file_name = :name_1 OR
jobs.file_name = :name_2 ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._list((), spellings=3, with_results=False, incomplete=True)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE (jobs.file_name = :name_0 OR jobs.file_name = :name_1 OR
jobs.file_name = :name_2) AND (jobs.completed_count < jobs.total_chunks OR (EXISTS (SELECT chunk_redos.chunk_index FROM
chunk_redos WHERE chunk_redos.job_id = jobs.job_id))) AND jobs.superseded_by IS NULL ORDER BY jobs.job_number DESC LIMIT
:rows OFFSET 0""",
    "jobs.jobs._list((), spellings=3, with_results=True, incomplete=False)": """SELECT jobs.job_number, jobs.job_id,
jobs.status, jobs.file_name, jobs.video_title, jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count,
jobs.started_at, jobs.updated_at, jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at,
jobs.stretch_completed_count, jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number,
jobs.looked_jobs, jobs.looked_chunks, jobs.metadata, jobs.sequential, (SELECT count(*) AS count_1 FROM chunk_redos WHERE
chunk_redos.job_id = jobs.job_id) AS redo_count FROM jobs WHERE (jobs.file_name = :name_0 OR jobs.file_name = :name_1 OR
jobs.file_name = :name_2) AND (jobs.completed_count > 0 OR (EXISTS (SELECT chunk_handles.chunk_index FROM chunk_handles
WHERE chunk_handles.job_id = jobs.job_id AND NOT (EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks
WHERE completed_chunks.job_id = chunk_handles.job_id AND completed_chunks.chunk_index = chunk_handles.chunk_index)))))
ORDER BY jobs.job_number DESC LIMIT :rows OFFSET 0""",
    "jobs.jobs._supersede(1)": """UPDATE jobs SET superseded_by=:newest WHERE jobs.file_name = :name_0 AND jobs.job_id
!= :newest AND jobs.superseded_by IS NULL""",
    "jobs.jobs._supersede(3)": """UPDATE jobs SET superseded_by=:newest WHERE (jobs.file_name = :name_0 OR
jobs.file_name = :name_1 OR jobs.file_name = :name_2) AND jobs.job_id != :newest AND jobs.superseded_by IS NULL""",
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
    "merging.attempts._ATTEMPTS": """SELECT attempts.job_id, attempts.chunk_index, attempts.number, attempts.runner_id,
attempts.started_at, attempts.finished_at, attempts.outcome, attempts.error, attempts.seconds, attempts.counted,
attempts.is_last, attempts.reserved_cost, attempts.cost, attempts.replaced_result_id FROM attempts WHERE attempts.job_id
= :in_job ORDER BY attempts.chunk_index, attempts.number""",
    "merging.attempts._BY_LOCK_FILE": """SELECT runners.runner_id FROM runners WHERE runners.lock_file = :its_lock_file
""",
    "merging.attempts._HERE": """SELECT attempts.number, attempts.runner_id, attempts.started_at, attempts.finished_at,
attempts.outcome FROM attempts WHERE attempts.job_id = :in_job AND attempts.chunk_index = :at_index ORDER BY
attempts.number""",
    "merging.attempts._RUNNERS": """SELECT runners.runner_id, runners.job_id, runners.lock_file, runners.host,
runners.pid, runners."exclusive", runners.started_at, runners.ended_at FROM runners WHERE runners.job_id = :in_job""",
    "merging.attempts._UPDATE": """UPDATE attempts SET finished_at=:new_finished_at, outcome=:new_outcome,
error=:new_error, seconds=:new_seconds, counted=:new_counted, is_last=:new_is_last, reserved_cost=:new_reserved_cost,
cost=:new_cost, replaced_result_id=:new_replaced_result_id WHERE attempts.job_id = :in_job AND attempts.chunk_index =
:at_index AND attempts.number = :its_number""",
    "merging.chunk_facts._METADATA": """SELECT jobs.metadata FROM jobs WHERE jobs.job_id = :in_job""",
    "merging.chunk_facts._SET_METADATA": """UPDATE jobs SET metadata=:given WHERE jobs.job_id = :in_job AND
jobs.metadata IS NULL""",
    "merging.chunk_facts._add('chunk_handles')": """INSERT OR IGNORE INTO chunk_handles (job_id, chunk_index, handle,
fingerprint, recorded_at) VALUES (:job_id, :chunk_index, :handle, :fingerprint, :recorded_at)""",
    "merging.chunk_facts._add('chunk_keys')": """INSERT OR IGNORE INTO chunk_keys (job_id, chunk_index, "key") VALUES
(:job_id, :chunk_index, :key)""",
    "merging.chunk_facts._add('chunk_redos')": """INSERT OR IGNORE INTO chunk_redos (job_id, chunk_index, asked_at,
after_attempt) VALUES (:job_id, :chunk_index, :asked_at, :after_attempt)""",
    "merging.chunk_facts._rows('chunk_handles')": """SELECT chunk_handles.job_id, chunk_handles.chunk_index,
chunk_handles.handle, chunk_handles.fingerprint, chunk_handles.recorded_at FROM chunk_handles WHERE chunk_handles.job_id
= :in_job""",
    "merging.chunk_facts._rows('chunk_keys')": """SELECT chunk_keys.job_id, chunk_keys.chunk_index, chunk_keys."key"
FROM chunk_keys WHERE chunk_keys.job_id = :in_job""",
    "merging.chunk_facts._rows('chunk_redos')": """SELECT chunk_redos.job_id, chunk_redos.chunk_index,
chunk_redos.asked_at, chunk_redos.after_attempt FROM chunk_redos WHERE chunk_redos.job_id = :in_job""",
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
    "merging.own_jobs._ROW": """SELECT jobs.job_number, jobs.job_id, jobs.status, jobs.file_name, jobs.video_title,
jobs.model, jobs.provider, jobs.total_chunks, jobs.completed_count, jobs.started_at, jobs.updated_at,
jobs.error_message, jobs.config, jobs.chunks_digest, jobs.stretch_started_at, jobs.stretch_completed_count,
jobs.is_current, jobs.superseded_by, jobs.fingerprint_rule, jobs.looked_number, jobs.looked_jobs, jobs.looked_chunks,
jobs.metadata, jobs.sequential FROM jobs WHERE jobs.job_id = :in_job""",
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
    "plans.earlier_job._of_file(1, with_digest=False)": """SELECT jobs.job_id, jobs.model, jobs.provider, jobs.config,
jobs.chunks_digest, jobs.fingerprint_rule, jobs.completed_count FROM jobs WHERE jobs.file_name = :name_0 AND
jobs.total_chunks = :total AND jobs.sequential = :in_order ORDER BY jobs.job_number DESC""",
    "plans.earlier_job._of_file(1, with_digest=True)": """SELECT jobs.job_id, jobs.model, jobs.provider, jobs.config,
jobs.chunks_digest, jobs.fingerprint_rule, jobs.completed_count FROM jobs WHERE jobs.file_name = :name_0 AND
jobs.total_chunks = :total AND jobs.sequential = :in_order AND (jobs.chunks_digest = :digest OR jobs.chunks_digest =
:old_digest OR jobs.chunks_digest IS NULL) ORDER BY jobs.job_number DESC""",
    "plans.earlier_job._of_file(3, with_digest=False)": """SELECT jobs.job_id, jobs.model, jobs.provider, jobs.config,
jobs.chunks_digest, jobs.fingerprint_rule, jobs.completed_count FROM jobs WHERE (jobs.file_name = :name_0 OR
jobs.file_name = :name_1 OR jobs.file_name = :name_2) AND jobs.total_chunks = :total AND jobs.sequential = :in_order
ORDER BY jobs.job_number DESC""",
    "plans.earlier_job._of_file(3, with_digest=True)": """SELECT jobs.job_id, jobs.model, jobs.provider, jobs.config,
jobs.chunks_digest, jobs.fingerprint_rule, jobs.completed_count FROM jobs WHERE (jobs.file_name = :name_0 OR
jobs.file_name = :name_1 OR jobs.file_name = :name_2) AND jobs.total_chunks = :total AND jobs.sequential = :in_order AND
(jobs.chunks_digest = :digest OR jobs.chunks_digest = :old_digest OR jobs.chunks_digest IS NULL) ORDER BY
jobs.job_number DESC""",
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
    "redos.FORGET_HANDLE": """DELETE FROM chunk_handles WHERE chunk_handles.job_id = :in_job AND
chunk_handles.chunk_index = :at_index""",
    "redos.NO_LONGER_COUNTED": """UPDATE attempts SET counted=0, is_last=0 WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index""",
    "redos._ANSWERED": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND completed_chunks.redo_asked_at IS NOT NULL""",
    "redos._ANY": """SELECT 1 FROM chunk_redos LIMIT 1 OFFSET 0""",
    "redos._DROP_MARKS_OF_INCOMPLETE": """DELETE FROM chunk_redos WHERE chunk_redos.job_id = :in_job AND NOT (EXISTS
(SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = chunk_redos.job_id AND
completed_chunks.chunk_index = chunk_redos.chunk_index))""",
    "redos._FIND": """SELECT chunk_redos.after_attempt, chunk_redos.asked_at FROM chunk_redos WHERE chunk_redos.job_id =
:in_job AND chunk_redos.chunk_index = :at_index""",
    "redos._FIND_LAST_ATTEMPT": """SELECT coalesce(max(attempts.number), 0) AS coalesce_1 FROM attempts WHERE
attempts.job_id = :in_job AND attempts.chunk_index = :at_index""",
    "redos._FIRST": """SELECT min(chunk_redos.chunk_index) AS min_1 FROM chunk_redos WHERE chunk_redos.job_id = :in_job
""",
    "redos._LOWER_AFTER_ATTEMPT": """UPDATE chunk_redos SET after_attempt=(SELECT coalesce(max(attempts.number), 0) AS
coalesce_1 FROM attempts WHERE attempts.job_id = chunk_redos.job_id AND attempts.chunk_index = chunk_redos.chunk_index)
WHERE chunk_redos.job_id = :in_job AND chunk_redos.after_attempt > (SELECT coalesce(max(attempts.number), 0) AS
coalesce_1 FROM attempts WHERE attempts.job_id = chunk_redos.job_id AND attempts.chunk_index = chunk_redos.chunk_index)
""",
    "redos._MARK": """INSERT INTO chunk_redos (job_id, chunk_index, asked_at, after_attempt) VALUES (:in_job, :at_index,
:at, (SELECT coalesce(max(attempts.number), 0) AS coalesce_1 FROM attempts WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index))""",
    "redos._MARKS": """SELECT chunk_redos.chunk_index, chunk_redos.after_attempt, chunk_redos.asked_at FROM chunk_redos
WHERE chunk_redos.job_id = :in_job""",
    "redos._NOTE_ANSWER": """UPDATE completed_chunks SET redo_asked_at=:at WHERE completed_chunks.job_id = :in_job AND
completed_chunks.chunk_index = :at_index""",
    "redos._UNMARK": """DELETE FROM chunk_redos WHERE chunk_redos.job_id = :in_job AND chunk_redos.chunk_index =
:at_index""",
    "results.INDICES_BETWEEN": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.chunk_index >= :start AND completed_chunks.chunk_index < :stop
AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos WHERE chunk_redos.job_id = completed_chunks.job_id AND
chunk_redos.chunk_index = completed_chunks.chunk_index)) ORDER BY completed_chunks.chunk_index""",
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
    "results._SET_FINGERPRINT": """UPDATE completed_chunks SET fingerprint=:value WHERE completed_chunks.job_id =
:in_job AND completed_chunks.chunk_index = :at_index AND completed_chunks.fingerprint IS NULL""",
    "results._WITHOUT_FINGERPRINT": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE
completed_chunks.job_id = :in_job AND completed_chunks.fingerprint IS NULL LIMIT 1 OFFSET 0""",
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
    "totals._SHORT_TEXTS": """SELECT CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END AS anon_1 FROM
completed_chunks JOIN chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE
completed_chunks.job_id = :in_job AND (completed_chunks.source_job_id IS NULL OR :with_carried AND
completed_chunks.chunk_index IN (SELECT min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE
completed_chunks.job_id = :in_job GROUP BY coalesce(completed_chunks.source_job_id, completed_chunks.job_id),
coalesce(completed_chunks.source_chunk_index, completed_chunks.chunk_index), completed_chunks.redo_asked_at HAVING
count(*) = count(completed_chunks.source_job_id))) AND coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path)) = 'text' AND length(CASE WHEN (json_type(chunk_results.result,
:json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result,
:dotted_path) END) <= 64""",
    "totals._TOTAL": """SELECT sum(CASE WHEN (typeof(CASE WHEN (coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path)) IN ('integer', 'real')) THEN CASE WHEN (json_type(chunk_results.result,
:json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result,
:dotted_path) END END) = 'integer') THEN CASE WHEN (coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path)) IN ('integer', 'real')) THEN CASE WHEN (json_type(chunk_results.result,
:json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result,
:dotted_path) END END END >> 32) AS sum_1, sum(CASE WHEN (typeof(CASE WHEN (coalesce(json_type(chunk_results.result,
:json_path), json_type(chunk_results.result, :dotted_path)) IN ('integer', 'real')) THEN CASE WHEN
(json_type(chunk_results.result, :json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE
json_extract(chunk_results.result, :dotted_path) END END) = 'integer') THEN CASE WHEN
(coalesce(json_type(chunk_results.result, :json_path), json_type(chunk_results.result, :dotted_path)) IN ('integer',
'real')) THEN CASE WHEN (json_type(chunk_results.result, :json_path) IS NOT NULL) THEN
json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result, :dotted_path) END END END &
4294967295) AS sum_2, sum(CASE WHEN (typeof(CASE WHEN (coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path)) IN ('integer', 'real')) THEN CASE WHEN (json_type(chunk_results.result,
:json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result,
:dotted_path) END END) = 'real') THEN CASE WHEN (coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path)) IN ('integer', 'real')) THEN CASE WHEN (json_type(chunk_results.result,
:json_path) IS NOT NULL) THEN json_extract(chunk_results.result, :json_path) ELSE json_extract(chunk_results.result,
:dotted_path) END END END) AS sum_3, count(coalesce(json_type(chunk_results.result, :json_path),
json_type(chunk_results.result, :dotted_path))) AS count_1, max(chunk_results.result_id) AS max_1,
count(completed_chunks.digest) - count(chunk_results.result_id) AS anon_1 FROM completed_chunks LEFT OUTER JOIN
chunk_results ON chunk_results.result_id = completed_chunks.result_id WHERE completed_chunks.job_id = :in_job AND
(completed_chunks.source_job_id IS NULL OR :with_carried AND completed_chunks.chunk_index IN (SELECT
min(completed_chunks.chunk_index) AS min_1 FROM completed_chunks WHERE completed_chunks.job_id = :in_job GROUP BY
coalesce(completed_chunks.source_job_id, completed_chunks.job_id), coalesce(completed_chunks.source_chunk_index,
completed_chunks.chunk_index), completed_chunks.redo_asked_at HAVING count(*) = count(completed_chunks.source_job_id)))
""",
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "jobs": (
        "job_number",
        "job_id",
        "status",
        "file_name",
        "video_title",
        "model",
        "provider",
        "total_chunks",
        "completed_count",
        "started_at",
        "updated_at",
        "error_message",
        "config",
        "chunks_digest",
        "stretch_started_at",
        "stretch_completed_count",
        "is_current",
        "superseded_by",
        "fingerprint_rule",
        "looked_number",
        "looked_jobs",
        "looked_chunks",
        "metadata",
        "sequential",
    ),
    "completed_chunks": (
        "job_id",
        "chunk_index",
        "completed_at",
        "fingerprint",
        "digest",
        "result_id",
        "source_job_id",
        "source_chunk_index",
        "source_differs_in",
        "redo_asked_at",
    ),
    "chunk_results": ("result_id", "job_id", "chunk_index", "result", "digest"),
    "deleted_jobs": ("job_id", "deleted_at"),
    "runners": ("runner_id", "job_id", "lock_file", "host", "pid", "exclusive", "started_at", "ended_at"),
    "attempts": (
        "job_id",
        "chunk_index",
        "number",
        "runner_id",
        "started_at",
        "finished_at",
        "outcome",
        "error",
        "seconds",
        "counted",
        "is_last",
        "reserved_cost",
        "cost",
        "replaced_result_id",
    ),
    "pauses": ("pause_id", "job_id", "asked_at", "cleared_at"),
    "chunk_keys": ("job_id", "chunk_index", "key"),
    "chunk_handles": ("job_id", "chunk_index", "handle", "fingerprint", "recorded_at"),
    "chunk_redos": ("job_id", "chunk_index", "asked_at", "after_attempt"),
}
"""The names of the columns, by table."""
