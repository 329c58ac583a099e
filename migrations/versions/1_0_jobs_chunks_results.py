"""Jobs, completed chunks and their results.

Revision ID: 1.0
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.0"
down_revision = None
branch_labels = None
depends_on = None

_JOB_PROGRESS = """
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
""".strip()


def upgrade() -> None:
    """Create the first schema."""
    op.execute("PRAGMA application_id = 1129335601")  # 0x43504B31, CPK1
    op.create_table(
        "jobs",
        sa.Column("job_number", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("video_title", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("total_chunks", sa.Integer(), nullable=False),
        sa.Column("completed_count", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("chunks_digest", sa.Text(), nullable=True),
        sa.Column("stretch_started_at", sa.Text(), nullable=False),
        sa.Column("stretch_completed_count", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_number", name=op.f("pk_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_jobs_job_id")),
        sa.CheckConstraint("status IN ('running', 'paused', 'completed', 'failed')", name=op.f("ck_jobs_status")),
        sa.CheckConstraint("total_chunks >= 0", name=op.f("ck_jobs_total_chunks")),
        sa.CheckConstraint("completed_count BETWEEN 0 AND total_chunks", name=op.f("ck_jobs_completed_count")),
        sa.CheckConstraint("is_current IN (0, 1)", name=op.f("ck_jobs_is_current")),
    )
    op.create_index("ix_jobs_file_name", "jobs", ["file_name"])
    op.create_index("uq_jobs_is_current", "jobs", ["is_current"], unique=True, sqlite_where=sa.text("is_current = 1"))
    op.create_table(
        "completed_chunks",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("chunk_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("completed_at", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("result_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "chunk_index", name=op.f("pk_completed_chunks")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_completed_chunks_jobs"), ondelete="CASCADE"),
        sa.CheckConstraint("chunk_index >= 0", name=op.f("ck_completed_chunks_chunk_index")),
        sa.CheckConstraint("(digest IS NULL) = (result_id IS NULL)", name=op.f("ck_completed_chunks_result_id")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "chunk_results",
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("chunk_index", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("result_id", name=op.f("pk_chunk_results")),
    )
    op.create_table(
        "deleted_jobs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_deleted_jobs")),
        sqlite_with_rowid=False,
    )
    op.execute(_JOB_PROGRESS)


def downgrade() -> None:
    """Leave an empty database. The library never does this by itself: it would lose every job."""
    op.execute("DROP VIEW job_progress")
    op.drop_table("deleted_jobs")
    op.drop_table("chunk_results")
    op.drop_table("completed_chunks")
    op.drop_index("uq_jobs_is_current", "jobs")
    op.drop_index("ix_jobs_file_name", "jobs")
    op.drop_table("jobs")
    op.execute("PRAGMA application_id = 0")
