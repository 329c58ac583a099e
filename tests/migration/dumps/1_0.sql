PRAGMA page_size = 8192;
PRAGMA journal_mode = wal;
PRAGMA application_id = 1129335601;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('1.0');
CREATE TABLE chunk_results (
	result_id INTEGER NOT NULL, 
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	result TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	CONSTRAINT pk_chunk_results PRIMARY KEY (result_id)
);
INSERT INTO "chunk_results" VALUES(1,'4a895be6-12d4-486b-8ee5-eb62978d6d66',0,'{"chunk_index": 0, "cleaned_text": "A"}','41dc0ebc7c7dffcfe8753d997f86a9a0');
INSERT INTO "chunk_results" VALUES(2,'8c59aaab-045c-4829-bced-177219f0d54e',1,'[1, 2.5, null, true, "x", 1180591620717411303424]','72359c7ef3c51bf975a4b294e25dd31e');
INSERT INTO "chunk_results" VALUES(3,'99d5bc5e-9109-440a-aa77-aae7a696ea62',0,'{"cleaned_text": "GOOD EVENING.", "tokens": 13, "cost": 0.25}','c276a883e4ab3972ebd9206103b7229e');
INSERT INTO "chunk_results" VALUES(4,'99d5bc5e-9109-440a-aa77-aae7a696ea62',1,'{"cleaned_text": "WIR WÄHLEN DEN MOND 😀.", "tokens": 22, "cost": 0.25}','54c05412bb9061f1da5da544389fd4a4');
INSERT INTO "chunk_results" VALUES(5,'99d5bc5e-9109-440a-aa77-aae7a696ea62',3,'{"cleaned_text": "BECAUSE IT IS HARD.", "tokens": 19, "cost": 0.25}','c3887e809b82078fefd1c46c6066d43b');
CREATE TABLE completed_chunks (
	job_id TEXT NOT NULL, 
	chunk_index INTEGER NOT NULL, 
	completed_at TEXT NOT NULL, 
	fingerprint TEXT, 
	digest TEXT, 
	result_id INTEGER, 
	CONSTRAINT pk_completed_chunks PRIMARY KEY (job_id, chunk_index), 
	CONSTRAINT fk_completed_chunks_jobs FOREIGN KEY(job_id) REFERENCES jobs (job_id) ON DELETE CASCADE, 
	CONSTRAINT ck_completed_chunks_chunk_index CHECK (chunk_index >= 0), 
	CONSTRAINT ck_completed_chunks_result_id CHECK ((digest IS NULL) = (result_id IS NULL))
)
 WITHOUT ROWID

;
INSERT INTO "completed_chunks" VALUES('4a895be6-12d4-486b-8ee5-eb62978d6d66',0,'2026-11-22T23:47:17.197Z','1:67b558c37f0dd74ce0602052e9152661f04408d758e7be9dda41f201dc0b6c67','41dc0ebc7c7dffcfe8753d997f86a9a0',1);
INSERT INTO "completed_chunks" VALUES('8c59aaab-045c-4829-bced-177219f0d54e',1,'2026-11-22T23:47:17.211Z',NULL,'72359c7ef3c51bf975a4b294e25dd31e',2);
INSERT INTO "completed_chunks" VALUES('99d5bc5e-9109-440a-aa77-aae7a696ea62',0,'2026-11-22T23:47:17.246Z','1:984373f5359ee19e0ad62f3d8282337f3fb04d381f31a92d8e493aa2d67539ee','c276a883e4ab3972ebd9206103b7229e',3);
INSERT INTO "completed_chunks" VALUES('99d5bc5e-9109-440a-aa77-aae7a696ea62',1,'2026-11-22T23:47:17.249Z','1:d757d18e1074da3d2ba7c32799da49de6f4e8b98f185a1fedc1b3d7b861e2598','54c05412bb9061f1da5da544389fd4a4',4);
INSERT INTO "completed_chunks" VALUES('99d5bc5e-9109-440a-aa77-aae7a696ea62',3,'2026-11-22T23:47:17.253Z','1:1608dfc204ec0b694564d49b5331ed1654b76ece40f3e91f09fcf5d845b96798','c3887e809b82078fefd1c46c6066d43b',5);
CREATE TABLE deleted_jobs (
	job_id TEXT NOT NULL, 
	deleted_at TEXT NOT NULL, 
	CONSTRAINT pk_deleted_jobs PRIMARY KEY (job_id)
)
 WITHOUT ROWID

;
CREATE TABLE jobs (
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
	is_current INTEGER NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (job_number), 
	CONSTRAINT uq_jobs_job_id UNIQUE (job_id), 
	CONSTRAINT ck_jobs_status CHECK (status IN ('running', 'paused', 'completed', 'failed')), 
	CONSTRAINT ck_jobs_total_chunks CHECK (total_chunks >= 0), 
	CONSTRAINT ck_jobs_completed_count CHECK (completed_count BETWEEN 0 AND total_chunks), 
	CONSTRAINT ck_jobs_is_current CHECK (is_current IN (0, 1))
);
INSERT INTO "jobs" VALUES(1,'4a895be6-12d4-486b-8ee5-eb62978d6d66','completed','done.txt',NULL,NULL,NULL,1,1,'2026-11-22T23:47:17.184Z','2026-11-22T23:47:17.197Z',NULL,'{}','1:2a83afaaa74c8876527588ba787d7e17137d58f5ffa5c49371e0b050ecc81ad1','2026-11-22T23:47:17.184Z',0,0);
INSERT INTO "jobs" VALUES(2,'8c59aaab-045c-4829-bced-177219f0d54e','failed','numbered.txt',NULL,NULL,NULL,3,1,'2026-11-22T23:47:17.206Z','2026-11-22T23:47:17.226Z','RuntimeError: it broke','{}',NULL,'2026-11-22T23:47:17.206Z',0,0);
INSERT INTO "jobs" VALUES(3,'99d5bc5e-9109-440a-aa77-aae7a696ea62','paused','lecture.srt','Größe','m-1','p-1',5,3,'2026-11-22T23:47:17.240Z','2026-11-22T23:47:17.257Z',NULL,'{"chunk_size": 2000, "language": "en", "nested": {"a": [1, null]}}','1:602f9f42164b3aebec223f43662019cd7a1c0e2e85d5a3a20c0005752d04338b','2026-11-22T23:47:17.240Z',0,1);
CREATE INDEX ix_jobs_file_name ON jobs (file_name);
CREATE UNIQUE INDEX uq_jobs_is_current ON jobs (is_current) WHERE is_current = 1;
CREATE VIEW job_progress AS
SELECT
  job_id,
  file_name,
  status,
  completed_count AS completed,
  total_chunks AS total,
  total_chunks - completed_count AS "left",
  CASE WHEN total_chunks = 0 THEN 100.0 ELSE round(100.0 * completed_count / total_chunks, 1) END AS percent,
  CASE WHEN completed_count > stretch_completed_count AND updated_at > stretch_started_at
    THEN round((completed_count - stretch_completed_count)
               / ((julianday(updated_at) - julianday(stretch_started_at)) * 1440.0), 2)
  END AS chunks_per_minute,
  started_at,
  updated_at,
  error_message
FROM jobs
ORDER BY job_number DESC;
COMMIT;
