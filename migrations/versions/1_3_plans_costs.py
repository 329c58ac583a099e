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
    ("completed_chunks", "source_job_id", sa.Text(), None),
    ("attempts", "reserved_cost", sa.REAL(), None),
    ("attempts", "cost", sa.REAL(), None),
)


def upgrade() -> None:
    """Add the columns; every row is as it was."""
    for table, name, kind, default in _COLUMNS:
        given = None if default is None else sa.text(default)
        op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=given))


def downgrade() -> None:
    """Go back to 1.2, where each job has paid for all of its results."""
    carried = op.get_bind().execute(sa.text("SELECT count(*) FROM completed_chunks WHERE source_job_id IS NOT NULL"))
    if count := carried.scalar_one():
        raise RuntimeError(
            f"schema 1.2 cannot say which job paid for a result, and {count} results were carried over from another "
            "job; they would count as paid for twice"
        )
    for table, name, _, _ in reversed(_COLUMNS):
        op.drop_column(table, name)
