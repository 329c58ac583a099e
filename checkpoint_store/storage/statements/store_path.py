"""The path of the store that a connection is open on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def path_of(connection: sqlite3.Connection) -> Path:
    """Return the store file that a connection is open on. It is read as bytes, since a name need not be UTF-8."""
    (name,) = connection.execute("SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'").fetchone()
    return Path(os.fsdecode(name))
