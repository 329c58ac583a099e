"""The texts of the statements of ``handles``, ``redos``."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
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
