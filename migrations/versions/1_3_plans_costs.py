"""Which job replaced a job, which job paid for a result, and what an attempt reserves and costs.

Revision ID: 1.3
Revises: 1.2
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "1.3"
down_revision = "1.2"
branch_labels = None
depends_on = None

_COLUMNS: tuple[tuple[str, str, sa.types.TypeEngine[Any], str | None], ...] = (
    ("jobs", "superseded_by", sa.Text(), None),
    ("jobs", "fingerprint_rule", sa.Integer(), "1"),
    ("jobs", "looked_number", sa.Integer(), None),
    ("jobs", "looked_jobs", sa.Integer(), None),
    ("jobs", "looked_chunks", sa.Integer(), None),
    ("completed_chunks", "source_job_id", sa.Text(), None),
    ("completed_chunks", "source_chunk_index", sa.Integer(), None),
    ("completed_chunks", "source_differs_in", sa.Text(), None),
    ("attempts", "reserved_cost", sa.REAL(), None),
    ("attempts", "cost", sa.REAL(), None),
)


_JOB_COSTS = """
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
)
SELECT
  jobs.job_id,
  jobs.file_name,
  count(a.job_id) AS results,
  count(a.cost) AS priced,
  CASE WHEN count(a.cost) > 0 THEN round(sum(CASE WHEN a.is_own THEN a.cost ELSE 0 END), 9) END AS cost,
  CASE WHEN count(a.cost) > 0 THEN round(sum(CASE WHEN a.is_carried THEN a.cost ELSE 0 END), 9) END AS carried,
  sum(CASE WHEN a.is_own THEN a.input_tokens END) AS input_tokens,
  sum(CASE WHEN a.is_own THEN a.output_tokens END) AS output_tokens
FROM jobs LEFT JOIN amounts a ON a.job_id = jobs.job_id
GROUP BY jobs.job_number
ORDER BY jobs.job_number DESC
""".strip()
_JOB_COSTS_OF_1_1 = """
CREATE VIEW job_costs AS
SELECT
  jobs.job_id,
  jobs.file_name,
  count(r.result_id) AS results,
  count(CASE WHEN json_type(r.result, '$.cost') IN ('integer', 'real') THEN 1 END) AS priced,
  round(sum(CASE WHEN json_type(r.result, '$.cost') IN ('integer', 'real') THEN json_extract(r.result, '$.cost') END),9)
    AS cost,
  sum(CASE WHEN json_type(r.result, '$.input_tokens') = 'integer' THEN json_extract(r.result, '$.input_tokens') END)
    AS input_tokens,
  sum(CASE WHEN json_type(r.result, '$.output_tokens') = 'integer' THEN json_extract(r.result, '$.output_tokens') END)
    AS output_tokens
FROM jobs
LEFT JOIN completed_chunks c ON c.job_id = jobs.job_id
LEFT JOIN chunk_results r ON r.result_id = c.result_id
GROUP BY jobs.job_number
ORDER BY jobs.job_number DESC
""".strip()
# Of the jobs of a file the one opened last is superseded by none.
_SUPERSEDE = """
UPDATE jobs SET superseded_by = (
  SELECT newer.job_id FROM jobs newer
  WHERE newer.file_name = jobs.file_name AND newer.job_number > jobs.job_number
  ORDER BY newer.job_number DESC LIMIT 1)
WHERE file_name <> ''
""".strip()


def upgrade() -> None:
    """Add the columns, and let the costs say who paid; every row is as it was."""
    for table, name, kind, default in _COLUMNS:
        given = None if default is None else sa.text(default)
        op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=given))
    op.execute(_SUPERSEDE)
    op.execute("DROP VIEW job_costs")
    op.execute(_JOB_COSTS)


def downgrade() -> None:
    """Go back to 1.2, where each job has paid for all of its results."""
    carried = op.get_bind().execute(sa.text("SELECT count(*) FROM completed_chunks WHERE source_job_id IS NOT NULL"))
    if count := carried.scalar_one():
        raise RuntimeError(
            f"schema 1.2 cannot say which job paid for a result, and {count} results were carried over from another "
            "job; they would count as paid for twice"
        )
    op.execute("DROP VIEW job_costs")
    op.execute(_JOB_COSTS_OF_1_1)
    for table, name, _, _ in reversed(_COLUMNS):
        op.drop_column(table, name)
