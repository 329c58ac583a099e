"""The data version of a connection: it tells, without reading a table, whether anything was committed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3


class DataVersion(NamedTuple):
    """The version of what a connection sees. Between two equal data versions, no process committed anything."""

    connection: sqlite3.Connection
    by_others: int
    by_itself: int


def data_version_of(connection: sqlite3.Connection) -> DataVersion:
    """Return the data version of a connection; in a transaction, that of its snapshot."""
    (data_version,) = connection.execute("PRAGMA data_version").fetchone()
    return DataVersion(connection, data_version, connection.total_changes)
