"""The comparison of a backup with the store by content, not by bytes or time."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.storage.checks.sqlite_siblings import ALONE, counts_of, have_deleted, known, open_copy
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.sql import metadata, select, text
from checkpoint_store.storage.statements.statement import statement_for_arguments
from checkpoint_store.system.log import log_unread

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
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
                    _digest(own, statement) == _digest_in(backup, copy, statement) for statement in _CONTENT
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


def _digest_in(backup: Path, copy: sqlite3.Connection, statement: Statement) -> bytes | None:
    """Return the digest of the rows of a backup; None if they cannot be read. The error is not the store's."""
    try:
        return _digest(copy, statement)
    except UNREADABLE as error:
        log_unread(backup, error)
        return None


def _digest(connection: sqlite3.Connection, statement: Statement) -> bytes:
    rows_digest = hashlib.sha256()
    for row in statement.run(connection):
        rows_digest.update(repr(row).encode())
    return rows_digest.digest()
