"""A program that still holds the error of a read or a write, as in an ``except`` block, holds no connection with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.errors import release_statements
from checkpoint_store.storage.connection.open_lock import has_connection

from .recovery_tools import _make

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def _half_read(connection: sqlite3.Connection) -> list[float]:
    """Fail while rows are left: the statement is unfinished, and the frame of this function keeps it."""
    cursor = connection.execute("SELECT chunk_index FROM completed_chunks ORDER BY chunk_index")
    return [1 / index for (index,) in cursor]


@pytest.mark.slow_variants
@pytest.mark.parametrize("verb", ["read", "read_apart", "write"])
def test_an_error_in_hand_keeps_no_closed_connection(tmp_path: Path, verb: str) -> None:
    """A closed store is free for a recovery, also while the error of a statement that ended half-way is in hand."""
    _make(tmp_path)
    path = tmp_path / "talks.db"
    database = Database(path, durability="process", lock_timeout_seconds=0.0)
    use: Any = getattr(database, verb)
    with pytest.raises(ZeroDivisionError) as caught:
        use(_half_read)
    database.close()
    assert not has_connection(path), caught


def test_errors_that_are_the_cause_of_each_other_are_passed_once() -> None:
    """SQLAlchemy's error around an error of sqlite3, and that error raised from it, are a circle of causes."""
    inner, outer = ValueError("inner"), KeyError("outer")
    inner.__cause__, outer.__cause__ = outer, inner
    release_statements(inner)
