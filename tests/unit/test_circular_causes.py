"""Errors that are the cause of each other, as SQLAlchemy's error and the error of SQLite in it are."""

from __future__ import annotations

import sqlite3

from checkpoint_store.storage.connection.errors import failed_read_of


def test_two_errors_that_cause_each_other_hang_no_opening() -> None:
    """The search for a read that the disk failed ends, whether or not one of the errors is of such a read."""
    outer, inner = RuntimeError("outer"), sqlite3.DatabaseError("inner")
    outer.__cause__, inner.__cause__ = inner, outer
    assert failed_read_of(outer) is None
    inner.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert failed_read_of(outer) is inner
