PRAGMA page_size = 1024;
PRAGMA journal_mode = wal;
PRAGMA application_id = 1129335601;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('1.5');
CREATE TABLE attempts (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	runner_id INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	outcome TEXT NOT NULL, 
	error TEXT, 
	seconds REAL, 
	counted INTEGER NOT NULL, 
	is_last INTEGER NOT NULL, reserved_cost REAL, cost REAL, replaced_result_id INTEGER, 
	CONSTRAINT pk_attempts PRIMARY KEY (job_id, chunk_index, number), 
	CONSTRAINT fk_attempts_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE, 
	CONSTRAINT ck_attempts_outcome CHECK (outcome IN ('running', 'completed', 'failed', 'abandoned')), 
	CONSTRAINT ck_attempts_counted CHECK (counted IN (0, 1)), 
	CONSTRAINT ck_attempts_is_last CHECK (is_last IN (0, 1))
)
 WITHOUT ROWID

;
INSERT INTO "attempts" VALUES('452067c1-9b88-4817-a15e-64253e02bb57',0,1,0,'2026-11-27T08:38:24.325Z','2026-11-27T08:38:24.325Z','completed',NULL,NULL,0,0,NULL,0.5,1);
INSERT INTO "attempts" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',0,1,1,'2026-11-27T08:38:24.634Z','2026-11-27T08:38:24.636Z','completed',NULL,0.001266,1,0,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',1,1,1,'2026-11-27T08:38:24.638Z','2026-11-27T08:38:24.639Z','completed',NULL,0.000173,1,0,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',2,1,1,'2026-11-27T08:38:24.639Z','2026-11-27T08:38:24.648Z','failed','ValueError: not this time',NULL,1,0,NULL,0.125,NULL);
INSERT INTO "attempts" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',3,1,1,'2026-11-27T08:38:24.650Z','2026-11-27T08:38:24.654Z','completed',NULL,0.000175,1,0,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',4,1,1,'2026-11-27T08:38:24.654Z','2026-11-27T08:38:24.655Z','abandoned',NULL,NULL,0,0,NULL,NULL,NULL);
CREATE TABLE chunk_handles (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	handle TEXT NOT NULL, 
	fingerprint TEXT, 
	recorded_at TEXT NOT NULL, 
	CONSTRAINT pk_chunk_handles PRIMARY KEY (job_id, chunk_index), 
	CONSTRAINT ck_chunk_handles_chunk_index CHECK (chunk_index >= 0), 
	CONSTRAINT fk_chunk_handles_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE chunk_keys (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	CONSTRAINT pk_chunk_keys PRIMARY KEY (job_id, chunk_index), 
	CONSTRAINT ck_chunk_keys_chunk_index CHECK (chunk_index >= 0), 
	CONSTRAINT uq_chunk_keys_job_id UNIQUE (job_id, "key"), 
	CONSTRAINT fk_chunk_keys_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE chunk_redos (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	asked_at TEXT NOT NULL, after_attempt INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_chunk_redos PRIMARY KEY (job_id, chunk_index), 
	CONSTRAINT ck_chunk_redos_chunk_index CHECK (chunk_index >= 0), 
	CONSTRAINT fk_chunk_redos_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "chunk_redos" VALUES('ea7e45d7-e6ba-4b68-9bfa-f4fa21136bc1',1,'2026-11-27T08:38:24.576Z',0);
CREATE TABLE chunk_results (
	result_id INTEGER NOT NULL, 
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	result TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_chunk_results PRIMARY KEY (result_id)
);
INSERT INTO "chunk_results" VALUES(3,'452067c1-9b88-4817-a15e-64253e02bb57',0,'{"chunk_index": 0, "cleaned_text": "A"}','da43a083ee2cf4e6e8bad2b50f04ef9c');
INSERT INTO "chunk_results" VALUES(4,'8e8f0761-bef4-4987-ba4d-86ec6d723fc9',1,'{"chunk_index": 1, "cleaned_text": "A"}','11e5327ca4dd7aac33514236cab3004b');
INSERT INTO "chunk_results" VALUES(5,'ea7e45d7-e6ba-4b68-9bfa-f4fa21136bc1',1,'[1, 2.5, null, true, "x", 1180591620717411303424]','19efb5083340eca6e214d1a51691c0b9');
INSERT INTO "chunk_results" VALUES(6,'99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',0,'{"cleaned_text": "GOOD EVENING.", "tokens": 13, "cost": 0.25}','556423d6b1720f6e3036144f5c375ea6');
INSERT INTO "chunk_results" VALUES(7,'99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',1,'{"cleaned_text": "WIR WÄHLEN DEN MOND 😀.", "tokens": 22, "cost": 0.25}','fba6beafdac5697dc0336faaf5a76a85');
INSERT INTO "chunk_results" VALUES(8,'99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',3,'{"cleaned_text": "BECAUSE IT IS HARD.", "tokens": 19, "cost": 0.25}','a7806fb53cfb052969b2abae80df77f2');
CREATE TABLE completed_chunks (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	completed_at TEXT NOT NULL, 
	fingerprint TEXT, 
	digest TEXT, 
	result_id INTEGER, source_job_id TEXT, source_chunk_index INTEGER, source_differs_in TEXT, redo_asked_at TEXT, 
	CONSTRAINT pk_completed_chunks PRIMARY KEY (job_id, chunk_index), 
	CONSTRAINT fk_completed_chunks_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE, 
	CONSTRAINT ck_completed_chunks_chunk_index CHECK (chunk_index >= 0), 
	CONSTRAINT ck_completed_chunks_result_id CHECK ((digest IS NULL) = (result_id IS NULL))
)
 WITHOUT ROWID

;
INSERT INTO "completed_chunks" VALUES('452067c1-9b88-4817-a15e-64253e02bb57',0,'2026-11-27T08:38:24.424Z','1:67b558c37f0dd74ce0602052e9152661f04408d758e7be9dda41f201dc0b6c67','da43a083ee2cf4e6e8bad2b50f04ef9c',3,NULL,NULL,NULL,'2026-11-27T08:38:24.372Z');
INSERT INTO "completed_chunks" VALUES('8e8f0761-bef4-4987-ba4d-86ec6d723fc9',1,'2026-11-27T08:38:24.440Z','1:67b558c37f0dd74ce0602052e9152661f04408d758e7be9dda41f201dc0b6c67','11e5327ca4dd7aac33514236cab3004b',4,'452067c1-9b88-4817-a15e-64253e02bb57',0,NULL,'2026-11-27T08:38:24.372Z');
INSERT INTO "completed_chunks" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',0,'2026-11-27T08:38:24.636Z','1:984373f5359ee19e0ad62f3d8282337f3fb04d381f31a92d8e493aa2d67539ee','556423d6b1720f6e3036144f5c375ea6',6,NULL,NULL,NULL,NULL);
INSERT INTO "completed_chunks" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',1,'2026-11-27T08:38:24.639Z','1:d757d18e1074da3d2ba7c32799da49de6f4e8b98f185a1fedc1b3d7b861e2598','fba6beafdac5697dc0336faaf5a76a85',7,NULL,NULL,NULL,NULL);
INSERT INTO "completed_chunks" VALUES('99aeb909-e6a8-44a2-bafd-e8c364c3f6d2',3,'2026-11-27T08:38:24.654Z','1:1608dfc204ec0b694564d49b5331ed1654b76ece40f3e91f09fcf5d845b96798','a7806fb53cfb052969b2abae80df77f2',8,NULL,NULL,NULL,NULL);
INSERT INTO "completed_chunks" VALUES('ea7e45d7-e6ba-4b68-9bfa-f4fa21136bc1',1,'2026-11-27T08:38:24.465Z',NULL,'19efb5083340eca6e214d1a51691c0b9',5,NULL,NULL,NULL,NULL);
CREATE TABLE deleted_jobs (
	job_id TEXT NOT NULL, 
	deleted_at TEXT NOT NULL, 
	CONSTRAINT pk_deleted_jobs PRIMARY KEY (job_id)
)
 WITHOUT ROWID

;
CREATE TABLE "jobs" (
	job_number INTEGER NOT NULL, 
	job_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	file_name TEXT NOT NULL, 
	video_title TEXT, 
	model TEXT, 
	provider TEXT, 
	total_chunks INTEGER NOT NULL, 
	completed_count INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	error_message TEXT, 
	config TEXT NOT NULL, 
	chunks_digest TEXT, 
	stretch_started_at TEXT NOT NULL, 
	stretch_completed_count INTEGER NOT NULL, 
	is_current INTEGER NOT NULL, superseded_by TEXT, fingerprint_rule INTEGER DEFAULT 1 NOT NULL, looked_number INTEGER, looked_jobs INTEGER, looked_chunks INTEGER, metadata TEXT, sequential INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (job_number), 
	CONSTRAINT uq_jobs_job_id UNIQUE (job_id), 
	CONSTRAINT ck_jobs_status CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed')), 
	CONSTRAINT ck_jobs_total_chunks CHECK (total_chunks >= 0), 
	CONSTRAINT ck_jobs_completed_count CHECK (completed_count BETWEEN 0 AND total_chunks), 
	CONSTRAINT ck_jobs_is_current CHECK (is_current IN (0, 1))
);
INSERT INTO "jobs" VALUES(1,'452067c1-9b88-4817-a15e-64253e02bb57','completed','done.txt',NULL,NULL,NULL,1,1,'2026-11-27T08:38:24.306Z','2026-11-27T08:38:24.424Z',NULL,'{}','1:2a83afaaa74c8876527588ba787d7e17137d58f5ffa5c49371e0b050ecc81ad1','2026-11-27T08:38:24.338Z',0,0,'8e8f0761-bef4-4987-ba4d-86ec6d723fc9',2,NULL,NULL,NULL,NULL,0);
INSERT INTO "jobs" VALUES(2,'8e8f0761-bef4-4987-ba4d-86ec6d723fc9','running','done.txt',NULL,NULL,NULL,2,1,'2026-11-27T08:38:24.440Z','2026-11-27T08:38:24.440Z',NULL,'{}','1:51da85b235f0e0aa73ec476c311a304aceff81ee08133b743167f2148f98cf25','2026-11-27T08:38:24.440Z',1,0,NULL,2,2,1,1,NULL,0);
INSERT INTO "jobs" VALUES(3,'ea7e45d7-e6ba-4b68-9bfa-f4fa21136bc1','failed','numbered.txt',NULL,NULL,NULL,3,1,'2026-11-27T08:38:24.459Z','2026-11-27T08:38:24.576Z','RuntimeError: it broke','{}',NULL,'2026-11-27T08:38:24.570Z',0,0,NULL,2,NULL,NULL,NULL,NULL,0);
INSERT INTO "jobs" VALUES(4,'99aeb909-e6a8-44a2-bafd-e8c364c3f6d2','paused','lecture.srt','Größe','m-1','p-1',5,3,'2026-11-27T08:38:24.614Z','2026-11-27T08:38:24.659Z',NULL,'{"chunk_size": 2000, "language": "en", "nested": {"a": [1, null]}}','1:602f9f42164b3aebec223f43662019cd7a1c0e2e85d5a3a20c0005752d04338b','2026-11-27T08:38:24.633Z',0,1,NULL,2,NULL,NULL,NULL,NULL,0);
CREATE TABLE pauses (
	pause_id INTEGER NOT NULL, 
	job_id TEXT NOT NULL, 
	asked_at TEXT NOT NULL, 
	cleared_at TEXT, 
	CONSTRAINT pk_pauses PRIMARY KEY (pause_id), 
	CONSTRAINT fk_pauses_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE
);
INSERT INTO "pauses" VALUES(1,'ea7e45d7-e6ba-4b68-9bfa-f4fa21136bc1','2026-11-27T08:38:24.469Z',NULL);
CREATE TABLE runners (
	runner_id INTEGER NOT NULL, 
	job_id TEXT NOT NULL, 
	lock_file TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	"exclusive" INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	ended_at TEXT, 
	CONSTRAINT pk_runners PRIMARY KEY (runner_id), 
	CONSTRAINT fk_runners_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE, 
	CONSTRAINT uq_runners_lock_file UNIQUE (lock_file), 
	CONSTRAINT ck_runners_exclusive CHECK (exclusive IN (0, 1))
);
INSERT INTO "runners" VALUES(1,'99aeb909-e6a8-44a2-bafd-e8c364c3f6d2','talks.db.runner-b8168cfdc7b3','vm',709,0,'2026-11-27T08:38:24.628Z','2026-11-27T08:38:24.656Z');
CREATE INDEX ix_runners_at_work ON runners (job_id) WHERE ended_at IS NULL;
CREATE INDEX ix_attempts_running ON attempts (runner_id) WHERE outcome = 'running';
CREATE INDEX ix_attempts_in_trouble ON attempts (job_id, chunk_index) WHERE outcome IN ('failed', 'abandoned');
CREATE INDEX ix_pauses_job_id ON pauses (job_id);
CREATE INDEX ix_jobs_file_name ON jobs (file_name);
CREATE UNIQUE INDEX uq_jobs_is_current ON jobs (is_current) WHERE is_current = 1;
CREATE INDEX ix_chunk_handles_fingerprint ON chunk_handles (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE VIEW running_now AS
SELECT
  jobs.job_id,
  jobs.file_name,
  attempts.chunk_index,
  attempts.number AS attempt,
  attempts.started_at,
  runners.host,
  runners.pid,
  attempts.runner_id,
  chunk_keys.key,
  chunk_handles.handle
FROM attempts JOIN jobs USING (job_id) JOIN runners USING (runner_id)
  LEFT JOIN chunk_keys USING (job_id, chunk_index) LEFT JOIN chunk_handles USING (job_id, chunk_index)
WHERE attempts.outcome = 'running'
ORDER BY jobs.job_number DESC, attempts.chunk_index;
CREATE INDEX ix_attempts_replaced ON attempts (job_id, replaced_result_id) WHERE replaced_result_id IS NOT NULL;
CREATE VIEW job_progress AS
WITH counted AS (
  SELECT *, completed_count - (SELECT count(*) FROM chunk_redos r WHERE r.job_id = jobs.job_id) AS completed FROM jobs
)
SELECT
  job_id,
  file_name,
  status,
  completed,
  total_chunks AS total,
  total_chunks - completed AS "left",
  CASE WHEN completed = total_chunks THEN 100.0
    ELSE min(round(100.0 * completed / total_chunks, 1), 99.9) END AS percent,
  CASE WHEN completed > stretch_completed_count AND updated_at > stretch_started_at
    THEN round((completed - stretch_completed_count)
               / ((julianday(updated_at) - julianday(stretch_started_at)) * 1440.0), 2)
  END AS chunks_per_minute,
  started_at,
  updated_at,
  error_message
FROM counted
ORDER BY job_number DESC;
CREATE VIEW failed_chunks AS
SELECT
  jobs.job_id,
  jobs.file_name,
  attempts.chunk_index,
  attempts.number AS attempts,
  attempts.error,
  attempts.finished_at,
  chunk_keys.key
FROM attempts JOIN jobs USING (job_id) LEFT JOIN chunk_keys USING (job_id, chunk_index)
WHERE attempts.outcome IN ('failed', 'abandoned') AND attempts.is_last = 1
  AND NOT EXISTS (SELECT 1 FROM completed_chunks c LEFT JOIN chunk_redos r USING (job_id, chunk_index)
                  WHERE c.job_id = attempts.job_id AND c.chunk_index = attempts.chunk_index
                    AND attempts.number > r.after_attempt IS NOT 1)
ORDER BY jobs.job_number DESC, attempts.chunk_index;
CREATE VIEW in_doubt_chunks AS
SELECT
  jobs.job_id,
  jobs.file_name,
  attempts.chunk_index,
  attempts.number AS attempt,
  attempts.started_at,
  runners.host,
  runners.pid,
  attempts.runner_id,
  chunk_keys.key,
  chunk_handles.handle
FROM attempts JOIN jobs USING (job_id) LEFT JOIN runners USING (runner_id)
  LEFT JOIN chunk_keys USING (job_id, chunk_index) LEFT JOIN chunk_handles USING (job_id, chunk_index)
WHERE attempts.outcome IN ('failed', 'abandoned') -- ix_attempts_in_trouble
  AND attempts.outcome = 'abandoned'
  AND NOT EXISTS (SELECT 1 FROM attempts later
                  WHERE later.job_id = attempts.job_id AND later.chunk_index = attempts.chunk_index
                    AND later.number > attempts.number)
  AND NOT EXISTS (SELECT 1 FROM completed_chunks c LEFT JOIN chunk_redos r USING (job_id, chunk_index)
                  WHERE c.job_id = attempts.job_id AND c.chunk_index = attempts.chunk_index
                    AND attempts.number > r.after_attempt IS NOT 1)
ORDER BY jobs.job_number DESC, attempts.chunk_index;
CREATE VIEW job_costs AS
WITH carried AS (
  SELECT job_id, min(chunk_index) AS chunk_index FROM completed_chunks
  GROUP BY job_id, coalesce(source_job_id, job_id), coalesce(source_chunk_index, chunk_index)
  HAVING count(*) = count(source_job_id)
), amounts AS (
  SELECT
    c.job_id,
    c.source_job_id IS NULL AS is_own,
    carried.job_id IS NOT NULL AS is_carried,
    CASE
      WHEN json_type(r.result, '$.cost') IN ('integer', 'real') THEN json_extract(r.result, '$.cost')
      WHEN json_type(r.result, '$.cost') = 'text' AND length(json_extract(r.result, '$.cost')) <= 64
        AND CAST(json_extract(r.result, '$.cost') AS NUMERIC) = json_extract(r.result, '$.cost')
        AND abs(CAST(json_extract(r.result, '$.cost') AS NUMERIC)) < 9e999
      THEN CAST(json_extract(r.result, '$.cost') AS NUMERIC)
    END AS cost,
    CASE WHEN json_type(r.result, '$.input_tokens') = 'integer' THEN json_extract(r.result, '$.input_tokens') END
      AS input_tokens,
    CASE WHEN json_type(r.result, '$.output_tokens') = 'integer' THEN json_extract(r.result, '$.output_tokens') END
      AS output_tokens
  FROM completed_chunks c JOIN chunk_results r ON r.result_id = c.result_id
  LEFT JOIN carried ON carried.job_id = c.job_id AND carried.chunk_index = +c.chunk_index
), failed AS (
  SELECT job_id, sum(cost) AS cost FROM attempts WHERE outcome IN ('failed', 'abandoned') GROUP BY job_id
), replaced AS (
  SELECT job_id, sum(cost) AS cost FROM attempts WHERE replaced_result_id IS NOT NULL GROUP BY job_id
)
SELECT
  jobs.job_id,
  jobs.file_name,
  count(a.job_id) AS results,
  count(a.cost) AS priced,
  CASE WHEN count(a.cost) > 0 OR failed.cost IS NOT NULL OR replaced.cost IS NOT NULL
    THEN round(coalesce(sum(CASE WHEN a.is_own THEN a.cost END), 0) + coalesce(failed.cost, 0)
               + coalesce(replaced.cost, 0), 9)
  END AS cost,
  CASE WHEN count(a.cost) > 0 THEN round(sum(CASE WHEN a.is_carried THEN a.cost ELSE 0 END), 9) END AS carried,
  sum(CASE WHEN a.is_own THEN a.input_tokens END) AS input_tokens,
  sum(CASE WHEN a.is_own THEN a.output_tokens END) AS output_tokens,
  round(failed.cost, 9) AS failed_cost,
  round(replaced.cost, 9) AS replaced_cost
FROM jobs LEFT JOIN amounts a ON a.job_id = jobs.job_id
  LEFT JOIN failed ON failed.job_id = jobs.job_id LEFT JOIN replaced ON replaced.job_id = jobs.job_id
GROUP BY jobs.job_number
ORDER BY jobs.job_number DESC;
COMMIT;
