"""The texts of the statements of ``attempts``, ``handles``, ``merging``, ``redos``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
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
    "attempts.attempt_log._LAST_IN_TROUBLE": """SELECT attempts.chunk_index, attempts.number, attempts.outcome,
attempts.error, attempts.started_at, attempts.finished_at, attempts.seconds, attempts.is_last, attempts.runner_id,
(SELECT chunk_handles.handle FROM chunk_handles WHERE chunk_handles.job_id = attempts.job_id AND
chunk_handles.chunk_index = attempts.chunk_index) AS handle, (SELECT chunk_keys."key" FROM chunk_keys WHERE
chunk_keys.job_id = attempts.job_id AND chunk_keys.chunk_index = attempts.chunk_index) AS "key" FROM attempts WHERE
attempts.job_id BETWEEN :in_job AND :in_job AND attempts.outcome IN ('failed', 'abandoned') AND attempts.outcome IN
(:outcome, :other_outcome) AND NOT (EXISTS (SELECT attempts_1.number FROM attempts AS attempts_1 WHERE attempts_1.job_id
= attempts.job_id AND attempts_1.chunk_index = attempts.chunk_index AND attempts_1.number > attempts.number)) AND NOT
((EXISTS (SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id = attempts.job_id AND
completed_chunks.chunk_index = attempts.chunk_index)) AND NOT (EXISTS (SELECT chunk_redos.chunk_index FROM chunk_redos
WHERE chunk_redos.job_id = attempts.job_id AND chunk_redos.chunk_index = attempts.chunk_index AND
chunk_redos.after_attempt < attempts.number)))""",
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
= attempts.chunk_index AND chunk_redos.after_attempt < attempts.number)))""",
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
    "attempts.replaced.BY_JOB": """SELECT attempts.job_id, total(attempts.cost) AS total_1 FROM json_each(:numbers) AS
wanted JOIN jobs ON jobs.job_number = wanted.value JOIN attempts ON attempts.job_id BETWEEN jobs.job_id AND jobs.job_id
WHERE attempts.replaced_result_id IS NOT NULL GROUP BY attempts.job_id""",
    "attempts.replaced._ADD": """INSERT INTO attempts (job_id, chunk_index, number, runner_id, started_at, finished_at,
outcome, counted, is_last, cost, replaced_result_id) VALUES (:in_job, :at_index, (SELECT
coalesce(max(attempts_1.number), 0) + 1 AS anon_1 FROM attempts AS attempts_1 WHERE attempts_1.job_id = :in_job AND
attempts_1.chunk_index = :at_index), 0, :made_at, :made_at, 'completed', 0, 0, :amount, :result)""",
    "attempts.replaced._AFTER": """SELECT attempts.replaced_result_id, attempts.chunk_index, 'replaced', attempts.cost
FROM attempts WHERE attempts.job_id = :in_job AND attempts.replaced_result_id > :after AND attempts.replaced_result_id
IS NOT NULL ORDER BY attempts.replaced_result_id LIMIT :rows OFFSET 0""",
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
    "attempts.reservations.FAILED_BY_JOB": """SELECT attempts.job_id, total(attempts.cost) AS total_1 FROM
json_each(:numbers) AS wanted JOIN jobs ON jobs.job_number = wanted.value JOIN attempts ON attempts.job_id BETWEEN
jobs.job_id AND jobs.job_id WHERE attempts.outcome IN ('failed', 'abandoned') GROUP BY attempts.job_id""",
    "attempts.reservations._COSTS": """SELECT count(nullif(attempts.cost, 0)) AS count_1, total(attempts.cost) AS
total_1, max(attempts.cost) AS max_1 FROM attempts WHERE attempts.job_id BETWEEN :in_job AND :in_job AND
attempts.outcome IN ('failed', 'abandoned')""",
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
    "attempts.runners.CLEAR_PAUSES": """UPDATE pauses SET cleared_at=:at WHERE pauses.job_id = :in_job AND
pauses.cleared_at IS NULL""",
    "attempts.runners.END": """UPDATE runners SET ended_at=:at WHERE runners.runner_id = :its_id""",
    "attempts.runners.MAKE_EXCLUSIVE": """UPDATE runners SET "exclusive"=1 WHERE runners.runner_id = :its_id""",
    "attempts.runners.OF_JOB": """SELECT runners.runner_id FROM runners WHERE runners.runner_id = :its_id AND
runners.job_id = :in_job""",
    "attempts.runners._LAST_PAUSE": """SELECT coalesce(max(pauses.pause_id), 0) AS coalesce_1 FROM pauses WHERE
pauses.job_id = :in_job AND pauses.cleared_at IS NULL""",
    "attempts.runners._LOCK_FILE": """SELECT runners.lock_file FROM runners WHERE runners.runner_id = :its_id AND
runners.ended_at IS NULL""",
    "attempts.runners._at_work(of_one_job=False)": """SELECT runners.runner_id, runners.job_id, runners.lock_file,
runners.host, runners.pid, runners."exclusive", runners.started_at FROM runners WHERE runners.ended_at IS NULL ORDER BY
+runners.runner_id""",
    "attempts.runners._at_work(of_one_job=True)": """SELECT runners.runner_id, runners.job_id, runners.lock_file,
runners.host, runners.pid, runners."exclusive", runners.started_at FROM runners WHERE runners.ended_at IS NULL AND
runners.job_id = :in_job ORDER BY +runners.runner_id""",
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
    "redos.ANY": """SELECT 1 FROM chunk_redos LIMIT 1 OFFSET 0""",
    "redos.FORGET_HANDLE": """DELETE FROM chunk_handles WHERE chunk_handles.job_id = :in_job AND
chunk_handles.chunk_index = :at_index""",
    "redos.NOTE_ANSWER": """UPDATE completed_chunks SET redo_asked_at=:at WHERE completed_chunks.job_id = :in_job AND
completed_chunks.chunk_index = :at_index""",
    "redos.NO_LONGER_COUNTED": """UPDATE attempts SET counted=0, is_last=0 WHERE attempts.job_id = :in_job AND
attempts.chunk_index = :at_index""",
    "redos.UNMARK": """DELETE FROM chunk_redos WHERE chunk_redos.job_id = :in_job AND chunk_redos.chunk_index =
:at_index""",
    "redos._ANSWERED": """SELECT completed_chunks.chunk_index FROM completed_chunks WHERE completed_chunks.job_id =
:in_job AND completed_chunks.redo_asked_at IS NOT NULL""",
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
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
