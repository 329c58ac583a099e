"""What a job says about itself, chunks with keys and handles, chunks to do again, and jobs done in order.

Revision ID: 1.4
Revises: 1.3
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.4"
down_revision = "1.3"
branch_labels = None
depends_on = None

_VIEWS = {
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
_VIEWS_OF_1_3 = {
    "failed_chunks": """
CREATE VIEW failed_chunks AS
SELECT
  jobs.job_id,
  jobs.file_name,
  attempts.chunk_index,
  attempts.number AS attempts,
  attempts.error,
  attempts.finished_at
FROM attempts JOIN jobs USING (job_id)
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
  runners.pid
FROM attempts JOIN jobs USING (job_id) LEFT JOIN runners USING (runner_id)
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
  runners.pid
FROM attempts JOIN jobs USING (job_id) JOIN runners USING (runner_id)
WHERE attempts.outcome = 'running'
ORDER BY jobs.job_number DESC, attempts.chunk_index
""".strip(),
}


def _of_chunk(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column(
            "job_id",
            sa.Text(),
            sa.ForeignKey("jobs.job_id", name=f"fk_{table}_jobs", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("chunk_index", sa.Integer(), nullable=False),
        sa.CheckConstraint("chunk_index >= 0", name=op.f(f"ck_{table}_chunk_index")),
        sa.PrimaryKeyConstraint("job_id", "chunk_index", name=f"pk_{table}"),
    )


def upgrade() -> None:
    """Add the columns and tables, and let the views tell of them; every row is as it was."""
    op.add_column("jobs", sa.Column("metadata", sa.Text()))
    op.add_column("jobs", sa.Column("sequential", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "chunk_keys",
        *_of_chunk("chunk_keys"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.UniqueConstraint("job_id", "key", name="uq_chunk_keys_job_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "chunk_handles",
        *_of_chunk("chunk_handles"),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_chunk_handles_fingerprint",
        "chunk_handles",
        ["fingerprint"],
        sqlite_where=sa.text("fingerprint IS NOT NULL"),
    )
    op.create_table(
        "chunk_redos",
        *_of_chunk("chunk_redos"),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    _replace_views(_VIEWS)


def downgrade() -> None:
    """Go back to 1.3, which has no words for any of it."""
    for what, found in (
        ("what jobs say about themselves", "jobs WHERE metadata IS NOT NULL"),
        ("that jobs are done in order", "jobs WHERE sequential = 1"),
        ("the keys of chunks", "chunk_keys"),
        ("handles of work that a service holds", "chunk_handles"),
        ("that chunks are to be done again", "chunk_redos"),
    ):
        if count := op.get_bind().execute(sa.text(f"SELECT count(*) FROM {found}")).scalar_one():  # noqa: S608 - our own names
            raise RuntimeError(f"schema 1.3 cannot say {what}, and {count} are recorded; they would be lost")
    _replace_views(_VIEWS_OF_1_3)
    for table in ("chunk_redos", "chunk_handles", "chunk_keys"):
        op.drop_table(table)
    op.drop_column("jobs", "sequential")
    op.drop_column("jobs", "metadata")


def _replace_views(views: dict[str, str]) -> None:
    for name, statement in views.items():
        op.execute(f"DROP VIEW {name}")
        op.execute(statement)
