"""What a connection has seen of its file: whether anything was committed since can be told without reading it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class Moment(NamedTuple):
    """What a connection has seen: of two moments that are equal, nothing was committed in between, by whomever."""

    connection: sqlite3.Connection
    by_others: int
    by_itself: int


def moment_of(connection: sqlite3.Connection) -> Moment:
    """Return what a connection has seen. In a transaction that is its snapshot."""
    (data_version,) = connection.execute("PRAGMA data_version").fetchone()
    return Moment(connection, data_version, connection.total_changes)
