"""Attempts, the runners that make them, and wishes to pause.

Revision ID: 1.1
Revises: 1.0
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.1"
down_revision = "1.0"
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


def upgrade() -> None:
    """Add what is known of the work itself; nothing that was there is touched."""
    op.create_table(
        "runners",
        sa.Column("runner_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("lock_file", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("exclusive", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("runner_id", name=op.f("pk_runners")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_runners_jobs"), ondelete="CASCADE"),
        sa.UniqueConstraint("lock_file", name=op.f("uq_runners_lock_file")),
        sa.CheckConstraint("exclusive IN (0, 1)", name=op.f("ck_runners_exclusive")),
    )
    op.create_index("ix_runners_at_work", "runners", ["job_id"], sqlite_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("chunk_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("runner_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("seconds", sa.REAL(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("is_last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "chunk_index", "number", name=op.f("pk_attempts")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_attempts_jobs"), ondelete="CASCADE"),
        sa.CheckConstraint(
            "outcome IN ('running', 'completed', 'failed', 'abandoned')", name=op.f("ck_attempts_outcome")
        ),
        sa.CheckConstraint("counted IN (0, 1)", name=op.f("ck_attempts_counted")),
        sa.CheckConstraint("is_last IN (0, 1)", name=op.f("ck_attempts_is_last")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attempts_running", "attempts", ["runner_id"], sqlite_where=sa.text("outcome = 'running'"))
    op.create_index(
        "ix_attempts_in_trouble",
        "attempts",
        ["job_id", "chunk_index"],
        sqlite_where=sa.text("outcome IN ('failed', 'abandoned')"),
    )
    op.create_table(
        "pauses",
        sa.Column("pause_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sa.Column("cleared_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pause_id", name=op.f("pk_pauses")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_pauses_jobs"), ondelete="CASCADE"),
    )
    op.create_index("ix_pauses_job_id", "pauses", ["job_id"])
    for view in _VIEWS.values():
        op.execute(view)


def downgrade() -> None:
    """Go back to 1.0, where there is no attempt to lose."""
    attempts = op.get_bind().execute(sa.text("SELECT count(*) FROM attempts")).scalar_one()
    if attempts:
        raise RuntimeError(f"schema 1.0 has no place for attempts, and {attempts} are recorded; they would be lost")
    for view in _VIEWS:
        op.execute(f"DROP VIEW {view}")
    op.drop_table("pauses")
    op.drop_table("attempts")
    op.drop_table("runners")
