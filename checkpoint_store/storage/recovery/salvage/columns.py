"""Select the columns of a copy: a copy of an older schema has fewer columns than the newest tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.storage.statements.prepared import COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


def columns_of(connection: sqlite3.Connection, table: str, names: Sequence[str] = ()) -> str:
    """Return the columns of a SELECT on the table of a copy: these columns (by default all), in their order.

    A column that the copy does not have reads as the default that its migration gives it, or as null.
    """
    present = _present(connection, table)
    wanted = names or COLUMNS[table]
    return ", ".join(name if name in present else f"{_default(table, name)} AS {name}" for name in wanted)


def misnamed_columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """Return the columns that a copy lacks because a letter of their names is damaged, and not by an older schema."""
    present, known = _present(connection, table), set(COLUMNS[table])
    return frozenset(known - present if present - known else ())


def _present(connection: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _default(table: str, name: str) -> str:
    from checkpoint_store.storage.tables import metadata  # imports SQLAlchemy; only for a copy of an older schema

    default = metadata.tables[table].columns[name].server_default
    return "NULL" if default is None else str(getattr(default, "arg", "NULL"))
