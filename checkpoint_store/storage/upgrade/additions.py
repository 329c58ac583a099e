"""Keep what a user added to the tables of a store: a revision that makes a table anew knows only its own columns."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.storage.connection.errors import code_of
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
