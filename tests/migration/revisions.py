"""The revisions of the schema, as Alembic finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from alembic.config import Config


def known_revisions(config: Config) -> tuple[str, ...]:
    """Return every revision, oldest first."""
    scripts = ScriptDirectory.from_config(config)
    return tuple(script.revision for script in scripts.walk_revisions())[::-1]
