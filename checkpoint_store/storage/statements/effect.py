"""Refuse the triggers that somebody puts into a store, and check the number of rows that a statement changed.

``RAISE(IGNORE)`` in a trigger makes SQLite skip a row, and is no error: the statement seems to succeed, and must not be
acknowledged.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, StoreBusy, StoreDamaged, counted
from checkpoint_store.storage.statements.compiled import COMPLETION, VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WIDTH: Final = len(COMPLETION)
_ATTEMPT: Final = COMPLETION.index("attempt")
_ROWS_OF_ONE: Final = 3
"""A completion adds a result and a completed chunk, and changes its job. Its attempt is the fourth."""
_HAS_ATTEMPT: Final = "SELECT count(*) FROM attempts WHERE job_id = ? AND chunk_index = ? AND number = ?"

TRIGGERS: Final = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name LIMIT 1"
"""Finds a trigger in the file. No schema of ours has one: the trigger of a completion is the connection's own."""


_ACTIONS_KEPT_MAX: Final = 4096
"""More than all statements of the library need: an action is what is done to which column of which table."""
_OWN: Final = {None, *VIEWS, *(f"insert_{view}" for view in VIEWS)}
"""What a statement may be part of: nothing, and the connection's own temporary views and their triggers."""


@lru_cache(maxsize=_ACTIONS_KEPT_MAX)
def allow_no_trigger(*action: Any) -> int:
    """Allow what a statement does, unless a trigger or a view of the file does it: an authorizer of a connection.

    SQLite asks when it compiles a statement, and compiles it anew after each change of the schema. So no call to a
    statement costs anything, and no statement that a trigger is part of begins.

    The answers are kept, because a look into the cache is one call of C. Python code could be interrupted by a signal
    handler, and ``sqlite3`` drops the exception that the handler raises: see :func:`refusal`.
    """
    return sqlite3.SQLITE_OK if action[-1] in _OWN else sqlite3.SQLITE_DENY


def is_refused(error: BaseException) -> bool:
    """Whether :func:`allow_no_trigger` refused a statement."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH


def planted(path: Path, name: str, table: str) -> StoreDamaged:
    """Return the error for a trigger that somebody put into a store while the store is open."""
    reason = f"somebody put a trigger {name!r} on {table!r} into it while it is open, and nothing was written"
    return StoreDamaged(
        path, reason, remedy="Close it everywhere, and open it again: it is made anew without the trigger"
    )


def refusal(path: Path, connection: sqlite3.Connection) -> CheckpointStoreError:
    """Return the error for a statement that :func:`allow_no_trigger` refused.

    A signal handler that raises an exception in the middle of that function refuses the statement, too.
    """
    trigger = connection.execute(TRIGGERS).fetchone()
    if trigger is None:
        return StoreBusy(path, 0.0, "a signal handler that raised an exception in the middle of this call,")
    return planted(path, *trigger)


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


def require_completions(connection: sqlite3.Connection, values: Sequence[Any], changed: int) -> bool:
    """Raise unless a statement wrote all of its completions; return whether it claimed the next chunk, too.

    Args:
        connection: the connection that it ran on.
        values: its values: those of :func:`compiled.fast_insert`, or of :data:`compiled.FAST_INSERT_AND_CLAIM`.
        changed: how many rows it changed.
    """
    rows = len(values) // _WIDTH * _ROWS_OF_ONE
    numbers = values[_ATTEMPT::_WIDTH]
    may_claim = len(values) % _WIDTH > 0  # the values of a claim follow
    if changed == rows + len(numbers) - numbers.count(None) + may_claim:
        return may_claim
    # The row of an attempt may be missing: the job may have been merged or recovered meanwhile.
    starts = [at * _WIDTH for at, number in enumerate(numbers) if number is not None]
    keys = [(*values[start : start + 2], values[start + _ATTEMPT]) for start in starts]
    rows += sum(int(count) for key in keys for (count,) in connection.execute(_HAS_ATTEMPT, key))
    if changed not in (rows, rows + may_claim):
        raise sqlite3.DatabaseError(f"it changed {counted(changed, 'row')} instead of {rows}; look for a trigger in it")
    return changed > rows
