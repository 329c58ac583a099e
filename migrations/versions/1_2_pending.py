"""A fifth status, ``pending``: a job that was saved before its work began.

Revision ID: 1.2
Revises: 1.1
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.2"
down_revision = "1.1"
branch_labels = None
depends_on = None

_COLUMNS = (
    "job_number, job_id, status, file_name, video_title, model, provider, total_chunks, completed_count, started_at, "
    "updated_at, error_message, config, chunks_digest, stretch_started_at, stretch_completed_count, is_current"
)


def _rebuild(statuses: str) -> None:
    """Make the table of jobs anew with these statuses; SQLite changes no CHECK in place.

    Views and foreign keys go by the table's name. With the old way of renaming neither is looked at in between, and
    the library has foreign keys off meanwhile: with them on, dropping the table would delete what refers to it.
    """
    op.execute("PRAGMA legacy_alter_table = ON")
    op.create_table(
        "jobs_of_1_2",
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
        sa.CheckConstraint(f"status IN ({statuses})", name=op.f("ck_jobs_status")),
        sa.CheckConstraint("total_chunks >= 0", name=op.f("ck_jobs_total_chunks")),
        sa.CheckConstraint("completed_count BETWEEN 0 AND total_chunks", name=op.f("ck_jobs_completed_count")),
        sa.CheckConstraint("is_current IN (0, 1)", name=op.f("ck_jobs_is_current")),
    )
    op.execute(f"INSERT INTO jobs_of_1_2 ({_COLUMNS}) SELECT {_COLUMNS} FROM jobs")  # noqa: S608 - our own names
    op.drop_table("jobs")
    op.rename_table("jobs_of_1_2", "jobs")
    op.create_index("ix_jobs_file_name", "jobs", ["file_name"])
    op.create_index("uq_jobs_is_current", "jobs", ["is_current"], unique=True, sqlite_where=sa.text("is_current = 1"))


def upgrade() -> None:
    """Let a job be pending; every row is as it was."""
    _rebuild("'pending', 'running', 'paused', 'completed', 'failed'")


def downgrade() -> None:
    """Go back to 1.1, where no job is pending."""
    pending = op.get_bind().execute(sa.text("SELECT count(*) FROM jobs WHERE status = 'pending'")).scalar_one()
    if pending:
        raise RuntimeError(
            f"schema 1.1 has no status 'pending', and {pending} jobs have it; give them another first (open the job, "
            "or StateManager.set_status)"
        )
    _rebuild("'running', 'paused', 'completed', 'failed'")
