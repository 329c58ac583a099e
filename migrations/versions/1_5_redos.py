"""Chunks that are done again: from which attempt on, by which results, what the earlier ones cost; and views of it.

Revision ID: 1.5
Revises: 1.4
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.5"
down_revision = "1.4"
branch_labels = None
depends_on = None

_VIEWS = {
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
}
_VIEWS_OF_1_4 = {
    "job_progress": """
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
  AND NOT EXISTS (SELECT 1 FROM completed_chunks c
                  WHERE c.job_id = attempts.job_id AND c.chunk_index = attempts.chunk_index)
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
WHERE attempts.outcome = 'abandoned'
  AND NOT EXISTS (SELECT 1 FROM attempts later
                  WHERE later.job_id = attempts.job_id AND later.chunk_index = attempts.chunk_index
                    AND later.number > attempts.number)
  AND NOT EXISTS (SELECT 1 FROM completed_chunks c
                  WHERE c.job_id = attempts.job_id AND c.chunk_index = attempts.chunk_index)
ORDER BY jobs.job_number DESC, attempts.chunk_index
""".strip(),
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
), in_vain AS (
  SELECT job_id, sum(cost) AS cost FROM attempts WHERE outcome IN ('failed', 'abandoned') GROUP BY job_id
)
SELECT
  jobs.job_id,
  jobs.file_name,
  count(a.job_id) AS results,
  count(a.cost) AS priced,
  CASE WHEN count(a.cost) > 0 OR in_vain.cost IS NOT NULL
    THEN round(coalesce(sum(CASE WHEN a.is_own THEN a.cost END), 0) + coalesce(in_vain.cost, 0), 9) END AS cost,
  CASE WHEN count(a.cost) > 0 THEN round(sum(CASE WHEN a.is_carried THEN a.cost ELSE 0 END), 9) END AS carried,
  sum(CASE WHEN a.is_own THEN a.input_tokens END) AS input_tokens,
  sum(CASE WHEN a.is_own THEN a.output_tokens END) AS output_tokens,
  round(in_vain.cost, 9) AS failed_cost
FROM jobs LEFT JOIN amounts a ON a.job_id = jobs.job_id LEFT JOIN in_vain ON in_vain.job_id = jobs.job_id
GROUP BY jobs.job_number
ORDER BY jobs.job_number DESC
""".strip(),
}


def upgrade() -> None:
    """Add the columns and an index of few rows, and let the views tell of them; every row is as it was."""
    op.add_column("chunk_redos", sa.Column("after_attempt", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("completed_chunks", sa.Column("redo_asked_at", sa.Text()))
    op.add_column("attempts", sa.Column("replaced_result_id", sa.Integer()))
    op.create_index(
        "ix_attempts_replaced",
        "attempts",
        ["job_id", "replaced_result_id"],
        sqlite_where=sa.text("replaced_result_id IS NOT NULL"),
    )
    _replace_views(_VIEWS)


def downgrade() -> None:
    """Go back to 1.4, whose code does not do chunks again, nor counts what replaced results cost."""
    for what, found in (
        ("that chunks are to be done again", "chunk_redos"),
        ("what results cost that were replaced", "attempts WHERE replaced_result_id IS NOT NULL"),
        ("which chunks were done again", "completed_chunks WHERE redo_asked_at IS NOT NULL"),
    ):
        if count := op.get_bind().execute(sa.text(f"SELECT count(*) FROM {found}")).scalar_one():  # noqa: S608 - our own names
            raise RuntimeError(f"schema 1.4 cannot say {what}, and {count} are recorded; they would be lost")
    _replace_views(_VIEWS_OF_1_4)
    op.drop_index("ix_attempts_replaced", "attempts")
    op.drop_column("attempts", "replaced_result_id")
    op.drop_column("completed_chunks", "redo_asked_at")
    op.drop_column("chunk_redos", "after_attempt")


def _replace_views(views: dict[str, str]) -> None:
    for name, statement in views.items():
        op.execute(f"DROP VIEW {name}")
        op.execute(statement)
