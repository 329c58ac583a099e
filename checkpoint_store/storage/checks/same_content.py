"""Compare contents and not bytes or times: a backup with the store, and a store with itself after a migration."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.checks.sqlite_siblings import ALONE, counts_of, have_deleted, known, open_copy
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.sql import metadata, select, text
from checkpoint_store.storage.statements.statement import statement_for_arguments
from checkpoint_store.system.log import log_unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.statements.statement import Statement

MAY_DIFFER: Final = {
    "jobs": (
        # Opening a job, or looking for results that it may take over, changes these and nothing that was paid for.
        *("job_number", "started_at", "updated_at", "stretch_started_at", "stretch_completed_count"),
        *("looked_number", "looked_jobs", "looked_chunks"),
    ),
    "deleted_jobs": ("deleted_at",),
    "attempts": ("runner_id", "started_at", "finished_at", "seconds"),
    "completed_chunks": ("completed_at", "result_id"),
    "chunk_keys": (),
    "chunk_handles": ("recorded_at",),
    "chunk_redos": (),
}
"""The tables whose rows must be in a backup, and for each table the columns that may differ."""
NOT_COMPARED: Final = ("chunk_results", "runners", "pauses")
"""The other tables: the digest of a result stands in ``completed_chunks``, and the rest is about present runners."""


@statement_for_arguments
def _rows(table: str, condition: str | None = None, *first: str) -> Select[Any]:
    """Return the statement for the rows to compare. ``first``: the columns that they are sorted by before their key."""
    columns = metadata.tables[table].columns
    rows = select(*(column for column in columns if column.name not in MAY_DIFFER[table]))
    chosen = rows if condition is None else rows.where(text(condition))
    return chosen.order_by(*(columns[name] for name in first), *metadata.tables[table].primary_key)


_CONTENT: Final = (
    # How many chunks are complete stands in ``jobs``, so nearly every difference is found in that small table.
    *(_rows(table) for table in MAY_DIFFER if table != "attempts"),
    # Both conditions have an index. The cost of any other attempt stands in its result.
    _rows("attempts", "outcome IN ('failed', 'abandoned')"),
    _rows("attempts", "replaced_result_id IS NOT NULL", "job_id", "replaced_result_id"),
)
"""The content that matters in a backup."""


def holds_the_same(database: AnyDatabase, backup: Path) -> bool:
    """Return whether a backup of the same schema, which no process has open, has all that the store has, and no more.

    Results are compared by their digests.
    """
    try:
        with closing(open_copy(backup, ALONE)) as copy:
            return database.read(
                lambda own: all(
                    _digest(statement.run(own)) == _digest_in(backup, copy, statement) for statement in _CONTENT
                )
            )
    except UNREADABLE as error:
        log_unread(backup, error)
        return False


def hold_deleted(database: AnyDatabase, backups: Sequence[Path]) -> bool:
    """Return whether backups, which no process has open, have a job that was deleted from the store since.

    ``backups``: newest first. See :func:`have_deleted`.
    """
    _, deleted = database.read(known)
    return have_deleted(deleted, map(counts_of, backups))


def _digest_in(backup: Path, copy: sqlite3.Connection, statement: Statement) -> tuple[int, str] | None:
    """Return the digest of the rows of a backup; None if they cannot be read. The error is not the store's."""
    try:
        return _digest(statement.run(copy))
    except UNREADABLE as error:
        log_unread(backup, error)
        return None


def _digest(rows: Iterable[tuple[Any, ...]]) -> tuple[int, str]:
    """Return the number of rows, and a digest of them."""
    count, digest = 0, hashlib.sha256()
    for row in rows:
        count += 1
        digest.update(repr(row).encode())
    return count, digest.hexdigest()[:32]


_WATCHED: Final = {
    "jobs": "SELECT job_id, file_name, status, total_chunks FROM jobs ORDER BY job_id",
    "completed_chunks": "SELECT job_id, chunk_index FROM completed_chunks ORDER BY job_id, chunk_index",
    "chunk_results": "SELECT job_id, chunk_index, result FROM chunk_results ORDER BY job_id, chunk_index",
}


def contents(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return the number of rows, and a digest of the columns that every migration must leave as they are, by table."""
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {name: _digest(connection.execute(query)) for name, query in _WATCHED.items() if name in present}


def violations(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """Return the rows that refer to a row that is not there, as SQLite does: the table of each comes first.

    A table of a user may refer to what no row can be found by. SQLite refuses to check such a table.
    """
    violations: list[tuple[Any, ...]] = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        with suppress(sqlite3.OperationalError):
            violations += connection.execute("SELECT * FROM pragma_foreign_key_check(?)", (table,))
    return violations
