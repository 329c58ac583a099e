"""Which columns a copy has: a copy of an older schema has fewer than the tables of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sqlalchemy import Table


def columns_of(connection: sqlite3.Connection, table: Table, names: Sequence[str] = ()) -> str:
    """Return what to select for these columns (by default all) of a copy's table, in their order.

    A column that the copy does not have reads as the default that its migration gives it, or as null.
    """
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))
    present = {name for (name,) in rows}
    wanted = names or tuple(column.name for column in table.columns)
    return ", ".join(name if name in present else f"{_default(table, name)} AS {name}" for name in wanted)


def _default(table: Table, name: str) -> str:
    default = table.columns[name].server_default
    return "NULL" if default is None else str(getattr(default, "arg", "NULL"))
