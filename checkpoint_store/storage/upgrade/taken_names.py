"""Find what a user added to a store under a name that a later schema gives to a part of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Name(NamedTuple):
    """The name of a table, a view or an index, or of a column of a table, in small letters: SQLite ignores the case."""

    object: str
    column: str = ""


def refusal_of_taken_names(
    connection: sqlite3.Connection,
    versions: Sequence[str],
    upgrade_in_memory: Callable[[sqlite3.Connection, str], None],
) -> str | None:
    """Return why a store cannot be upgraded, with the statement that makes it possible; None if no name is taken.

    A store that has all names that a later schema adds has that schema, whatever it says: this returns None, too.

    ``versions``: the schema of the store, and every later one up to the schema that is wanted.
    """
    first, *later = versions
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        new.execute("BEGIN")
        upgrade_in_memory(new, first)
        known = _names(new)
        others = _names(connection) - known
        for version in later if others else ():
            upgrade_in_memory(new, version)
            added = _names(new) - known
            if added and added <= others:
                return None
            if taken := added & others:
                return _refusal(connection, first, version, min(taken))
    return None


_OBJECTS: Final = "SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view', 'index')"
_COLUMNS: Final = """
SELECT lower(t.name), lower(c.name) FROM sqlite_master t, pragma_table_xinfo(t.name) c
WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%'
"""


def _names(connection: sqlite3.Connection) -> set[_Name]:
    return {_Name(*row) for query in (_OBJECTS, _COLUMNS) for row in connection.execute(query)}


def _kind_of(connection: sqlite3.Connection, name: _Name) -> str | None:
    query = "SELECT type FROM sqlite_master WHERE type IN ('table', 'view', 'index') AND lower(name) = ?"
    (kind,) = connection.execute(query, (name.object,)).fetchone() or (None,)
    return kind


def _refusal(connection: sqlite3.Connection, present: str, version: str, name: _Name) -> str:
    if name.column:
        what = f"column {name.object}.{name.column}"
        remedy = f"ALTER TABLE {name.object} RENAME COLUMN {name.column} TO my_{name.column}"
    elif (kind := _kind_of(connection, name)) == "table":
        what, remedy = f"table {name.object}", f"ALTER TABLE {name.object} RENAME TO my_{name.object}"
    else:
        what = f"{kind} {name.object}"
        remedy = f"DROP {str(kind).upper()} {name.object} (and create it under another name)"
    return (
        f"its {what} is no part of schema {present}, and schema {version} uses that name. Give it another name, and "
        f"open the store again: {remedy}"
    )
