"""Check the number of rows that a statement changed: a planted trigger can make SQLite skip a row.

``RAISE(IGNORE)`` in such a trigger is no error: the statement seems to succeed, and must not be acknowledged.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import StoreDamaged, counted
from checkpoint_store.storage.statements.compiled import COMPLETION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_WIDTH: Final = len(COMPLETION)
_ATTEMPT: Final = COMPLETION.index("attempt")
_ROWS_OF_ONE: Final = 2
"""Each completion adds a result and a completed chunk. The rows of attempts and jobs are counted apart."""
_HAS_ATTEMPT: Final = "SELECT count(*) FROM attempts WHERE job_id = ? AND chunk_index = ? AND number = ?"

TRIGGERS: Final = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name LIMIT 1"
"""Finds a trigger in the file. No schema of ours has one: the trigger of a completion is the connection's own."""


def planted(path: Path, name: str, table: str) -> StoreDamaged:
    """Return the error for a trigger that somebody put into a store while the store is open."""
    reason = f"somebody put a trigger {name!r} on {table!r} into the file of an open store, and nothing was written"
    return StoreDamaged(
        path, reason, remedy="Close the store everywhere, and open the store again: it is made anew without the trigger"
    )


def require_rows(cursor: sqlite3.Cursor, what: str, *, rows: int = 1) -> sqlite3.Cursor:
    """Return the cursor of a statement that changed this many rows; raise if it changed fewer."""
    if cursor.rowcount < rows:
        raise sqlite3.DatabaseError(f"{what} was not written; look for a trigger in the file")
    return cursor


def run_alone(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """Run a statement that changes rows of one table; raise if it also changed rows of another table."""
    before = connection.total_changes
    cursor = connection.execute(statement, values)
    if connection.total_changes - before != cursor.rowcount:
        raise sqlite3.DatabaseError("more was changed than was asked for; look for a trigger in the file")
    return cursor


def require_completions(
    connection: sqlite3.Connection,
    values: Sequence[Any],
    changed: int,
    patiently: Callable[[Callable[[], int]], int] = lambda call: call(),
) -> bool:
    """Raise unless a statement wrote all of its completions; return whether it claimed the next chunk, too.

    Args:
        connection: the connection that it ran on.
        values: its values: those of a fast insert (``compiled.py``).
        changed: how many rows it changed.
        patiently: the function that waits with a read while another process holds the lock, if the statement has
            ended its transaction.
    """
    count, more = divmod(len(values), _WIDTH)
    first = more % 2  # a value of another kind comes first: the time for a job that is changed once, or a digest
    rows = count * _ROWS_OF_ONE + (1 if first else count)
    numbers = values[first + _ATTEMPT :: _WIDTH]
    may_claim = more > 1  # the values of a claim follow
    if changed == rows + len(numbers) - numbers.count(None) + may_claim:
        return may_claim
    # The row of an attempt may be missing: the job may have been merged or recovered meanwhile.
    starts = [first + at * _WIDTH for at, number in enumerate(numbers) if number is not None]
    keys = [(*values[start : start + 2], values[start + _ATTEMPT]) for start in starts]
    rows += patiently(lambda: sum(int(count) for key in keys for (count,) in connection.execute(_HAS_ATTEMPT, key)))
    if changed not in (rows, rows + may_claim):
        raise sqlite3.DatabaseError(f"it changed {counted(changed, 'row')} instead of {rows}; look for a trigger in it")
    return changed > rows
