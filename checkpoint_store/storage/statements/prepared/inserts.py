"""The texts of the statements of ``compiled``."""

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
}
"""By the name of the statement: its text, with the names of its values, such as ``:in_job``."""
