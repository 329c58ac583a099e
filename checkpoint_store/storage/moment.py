"""The moment of a connection: it tells, without reading a table, whether anything was committed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class Moment(NamedTuple):
    """What a connection has seen. If two moments are equal, no process committed anything between them."""

    connection: sqlite3.Connection
    by_others: int
    by_itself: int


def moment_of(connection: sqlite3.Connection) -> Moment:
    """Return the moment of a connection; in a transaction, the moment of its snapshot."""
    (data_version,) = connection.execute("PRAGMA data_version").fetchone()
    return Moment(connection, data_version, connection.total_changes)
