"""The content of a store that every migration must leave as it is."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_WATCHED: Final = {
    "jobs": "SELECT job_id, file_name, status, total_chunks FROM jobs ORDER BY job_id",
    "completed_chunks": "SELECT job_id, chunk_index FROM completed_chunks ORDER BY job_id, chunk_index",
    "chunk_results": "SELECT job_id, chunk_index, result FROM chunk_results ORDER BY job_id, chunk_index",
}


def contents(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of the columns that must survive, by table."""
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name: _digest(connection, query) for name, query in _WATCHED.items() if name in present}


def _digest(connection: sqlite3.Connection, query: str) -> tuple[int, str]:
    count, total = 0, sha256()
    for row in connection.execute(query):
        count += 1
        total.update(repr(row).encode("utf-8", "backslashreplace"))
    return count, total.hexdigest()[:16]
