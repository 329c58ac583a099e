"""What a user added to the schema of a store: kept over a migration, and refused where a later schema needs its name.

A revision that makes a table anew knows only its own columns.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Table

_COLUMNS: Final = "SELECT name, type, hidden FROM pragma_table_xinfo(?) ORDER BY cid"
_DEFINITION: Final = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
_INDEXES: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
_NOT_POSSIBLE: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT)
"""What SQLite says where it cannot add a column or an index. Any other error, as of a full disk, ends the migration."""
_TOKEN: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^]]*] | --[^\n]* | /\*.*?(?:\*/|\Z) | .""",
    re.DOTALL | re.VERBOSE,
)


class _Column(NamedTuple):
    name: str
    type: str
    hidden: int
    """Two or three: the column is generated."""
    definition: str
    """What the user wrote: the name, the type and the constraints."""


class _Added(NamedTuple):
    """The columns that a user added to a table, whose values are set aside in a temporary table."""

    table: str
    keys: tuple[str, ...]
    columns: list[_Column]
    aside: str


@contextmanager
def additions_kept(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Put back the columns and indexes of a user that the migration in the block takes away, in its transaction.

    What SQLite cannot put back, such as a stored generated column, is named in the log; the copy of the store has it.
    """
    from checkpoint_store.storage.tables import metadata  # imports SQLAlchemy, as every migration does

    ours = {index.name for table in metadata.tables.values() for index in table.indexes}
    indexes = {name: sql for name, sql in connection.execute(_INDEXES) if name not in ours}
    added = [each for table in metadata.tables.values() if (each := _set_aside(connection, table)) is not None]
    yield
    for each in added:
        for column in _missing(connection, each):
            _put_back(connection, each, column, path)
        connection.execute(f"DROP TABLE temp.{each.aside}")
    present = {name for name, _ in connection.execute(_INDEXES)}
    for name in indexes.keys() - present:
        if (error := _error_of(connection, indexes[name])) is not None:
            log.warning("%s: index %s is only in the copy from before: %s", path, name, error)


def _set_aside(connection: sqlite3.Connection, table: Table) -> _Added | None:
    (definition,) = connection.execute(_DEFINITION, (table.name,)).fetchone() or ("",)
    rows = connection.execute(_COLUMNS, (table.name,)).fetchall()
    present = [
        _Column(name, kind, hidden, text)
        for (name, kind, hidden), text in zip(rows, _definitions(definition), strict=False)
    ]
    columns = [column for column in present if column.name not in table.columns]
    keys = tuple(column.name for column in table.primary_key)
    if not columns or not {column.name for column in present}.issuperset(keys):
        return None
    aside = f"added_to_{table.name}"
    names = [*keys, *(column.name for column in columns if not column.hidden)]
    connection.execute(f"CREATE TEMP TABLE {aside} AS {_select(names, table.name)}")
    connection.execute(f"CREATE INDEX temp.keys_of_{aside} ON {aside} ({', '.join(keys)})")
    return _Added(table.name, keys, columns, aside)


def _definitions(create_table: str) -> list[str]:
    """Return what stands between the commas of a CREATE TABLE statement: each column, then each constraint.

    Comments are left out: SQLite reads a column's last comment as a comment on what follows it in the table.
    """
    depth, parts = 0, [""]
    for part in _TOKEN.findall(create_table):
        depth -= part == ")"
        if depth == 1 and part == ",":
            parts.append("")
        elif depth > 0:
            parts[-1] += " " if part.startswith(("--", "/*")) else part
        depth += part == "("
    return [each.strip() for each in parts]


def _missing(connection: sqlite3.Connection, added: _Added) -> list[_Column]:
    present = {name for name, *_ in connection.execute(_COLUMNS, (added.table,))}
    return [column for column in added.columns if column.name not in present]


def _put_back(connection: sqlite3.Connection, added: _Added, column: _Column, path: Path) -> None:
    """Add a column again, with its values: as it was defined or, if that is not possible, without its constraints."""
    add = f"ALTER TABLE {added.table} ADD COLUMN "
    plain = f"{_quoted(column.name)} {column.type}"
    its_row = " AND ".join(f"{added.aside}.{key} = {added.table}.{key}" for key in added.keys)
    value = f"({_select([column.name], added.aside)} WHERE {its_row})"
    fill = " ".join(("UPDATE", added.table, "SET", _quoted(column.name), "=", value))
    rest = [] if column.hidden else [fill]
    error = _error_of(connection, add + column.definition, *rest)
    if error is None:
        return
    if column.hidden or _error_of(connection, add + plain, fill) is not None:
        log.warning("%s: column %s.%s is only in the copy from before: %s", path, added.table, column.name, error)
    else:
        only = "has lost its constraints, which are only in the copy from before"
        log.warning("%s: column %s.%s %s: %s", path, added.table, column.name, only, error)


def _error_of(connection: sqlite3.Connection, *statements: str) -> sqlite3.Error | None:
    """Execute statements. Return the error, with nothing changed, if SQLite cannot do what they say; otherwise None."""
    refused: sqlite3.Error | None = None
    connection.execute("SAVEPOINT addition")
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        if code_of(error) & 0xFF not in _NOT_POSSIBLE:
            raise
        connection.execute("ROLLBACK TO addition")
        refused = error
    connection.execute("RELEASE addition")
    return refused


def _select(names: Iterable[str], table: str) -> str:
    return " ".join(("SELECT", ", ".join(map(_quoted, names)), "FROM", table))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
_COLUMN_NAMES: Final = """
SELECT lower(t.name), lower(c.name) FROM sqlite_master t, pragma_table_xinfo(t.name) c
WHERE t.type = 'table' AND t.sql NOT LIKE 'CREATE VIRTUAL%'
"""


def _names(connection: sqlite3.Connection) -> set[_Name]:
    return {_Name(*row) for query in (_OBJECTS, _COLUMN_NAMES) for row in connection.execute(query)}


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
