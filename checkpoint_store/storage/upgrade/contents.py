"""The content of a store that every migration must leave as it is."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

_WATCHED: Final = {
    "jobs": "SELECT job_id, file_name, status, total_chunks FROM jobs ORDER BY job_id",
    "completed_chunks": "SELECT job_id, chunk_index FROM completed_chunks ORDER BY job_id, chunk_index",
    "chunk_results": "SELECT job_id, chunk_index, result FROM chunk_results ORDER BY job_id, chunk_index",
}


def contents(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of the columns that must survive, by table."""
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name: _digest(connection, query) for name, query in _WATCHED.items() if name in present}


def violations(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the rows that refer to a row that is not there, as SQLite does: the table of each comes first.

    A table of a user may refer to what no row can be found by. SQLite refuses to check such a table.
    """
    violations: list[tuple[Any, ...]] = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        with suppress(sqlite3.OperationalError):
            violations += connection.execute("SELECT * FROM pragma_foreign_key_check(?)", (table,))
    return violations


def _digest(connection: sqlite3.Connection, query: str) -> tuple[int, str]:
    count, total = 0, sha256()
    for row in connection.execute(query):
        count += 1
        total.update(repr(row).encode("utf-8", "backslashreplace"))
    return count, total.hexdigest()[:16]
