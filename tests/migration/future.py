"""A version of the library to come, which knows one revision more. For tests, in this process or in a child."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEXT = "9.9"
REVISION = """
import os, signal
import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{head}"
branch_labels = None
depends_on = None

def upgrade():
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=True))
    op.create_table("notes", sa.Column("note", sa.Text(), nullable=False))
    op.execute("UPDATE jobs SET priority = 7")
    {body}

def downgrade():
    op.drop_table("notes")
    op.drop_column("jobs", "priority")
"""


def make_scripts(folder: Path, body: str = "pass") -> Path:
    """Write migration scripts with one revision more to ``folder / "migrations"``; its upgrade ends with ``body``."""
    from checkpoint_store.model.store_file import SCHEMA_VERSION
    from checkpoint_store.storage.upgrade import migrate

    made = folder / "migrations"
    shutil.copytree(migrate.scripts_folder(), made, ignore=shutil.ignore_patterns("__pycache__"))
    text = REVISION.format(next=NEXT, head=SCHEMA_VERSION, body=body)
    (made / "versions" / "9_9_future.py").write_text(text)
    return made


def install(scripts: Path, set_attribute: Callable[[object, str, Any], object] = setattr) -> None:
    """Let the library know the revision in ``scripts``."""
    from checkpoint_store.model.store_file import RELEASED_VERSIONS
    from checkpoint_store.storage.upgrade import migrate

    set_attribute(migrate, "scripts_folder", lambda: scripts)
    for name, module in list(sys.modules.items()):
        if name.startswith("checkpoint_store"):
            if hasattr(module, "SCHEMA_VERSION"):
                set_attribute(module, "SCHEMA_VERSION", NEXT)
            if hasattr(module, "RELEASED_VERSIONS"):
                set_attribute(module, "RELEASED_VERSIONS", (*RELEASED_VERSIONS, NEXT))
