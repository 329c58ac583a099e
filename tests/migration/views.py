"""The views for a person at the ``sqlite3`` prompt, as the migrations leave them: each view whole, in one place."""

from __future__ import annotations

from typing import Final

VIEWS: Final = {
    "job_progress": """
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
ORDER BY job_number DESC
""".strip(),
    "failed_chunks": """
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
ORDER BY jobs.job_number DESC, attempts.chunk_index
""".strip(),
    "in_doubt_chunks": """
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
ORDER BY jobs.job_number DESC, attempts.chunk_index
""".strip(),
    # The plus sign takes the affinity from a column: only then SQLite makes an index for the join.
    "job_costs": """
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
ORDER BY jobs.job_number DESC
""".strip(),
    "running_now": """
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
ORDER BY jobs.job_number DESC, attempts.chunk_index
""".strip(),
}
"""Every view of the newest schema, for a person at the ``sqlite3`` prompt."""
