"""Keep what a user added to the tables of a store: a revision that makes a table anew knows only its own columns."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Table

_COLUMNS: Final = 'SELECT name, type, "notnull", dflt_value, hidden FROM pragma_table_xinfo(?)'
_INDEXES: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"


class _Column(NamedTuple):
    name: str
    type: str
    is_not_null: int
    default: str | None
    hidden: int
    """Two or three: the column is generated."""

    def declarations(self) -> Iterator[str]:
        """Yield the declaration, and a plainer declaration: SQLite adds no column whose default it has to compute."""
        plain = f"{_quoted(self.name)} {self.type}"
        if self.default is not None:
            yield f"{plain}{' NOT NULL' * self.is_not_null} DEFAULT {self.default}"
        yield plain


class _Added(NamedTuple):
    """The columns that a user added to a table, whose values are set aside in a temporary table."""

    table: str
    keys: tuple[str, ...]
    columns: list[_Column]
    aside: str


@contextmanager
def additions_kept(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Put back the columns and indexes of a user that the migration in the block takes away, in its transaction.

    What SQLite cannot put back, such as a generated column, is named in the log; the copy of the store has it.
    """
    from checkpoint_store.storage.tables import metadata  # imports SQLAlchemy, as every migration does

    ours = {index.name for table in metadata.tables.values() for index in table.indexes}
    indexes = {name: sql for name, sql in connection.execute(_INDEXES) if name not in ours}
    added = [each for table in metadata.tables.values() if (each := _set_aside(connection, table)) is not None]
    yield
    for each in added:
        for column in _missing(connection, each):
            if not _is_put_back(connection, each, column):
                log.warning("%s: column %s.%s is only in the copy from before", path, each.table, column.name)
        connection.execute(f"DROP TABLE temp.{each.aside}")
    present = {name for name, _ in connection.execute(_INDEXES)}
    for name in indexes.keys() - present:
        try:
            connection.execute(indexes[name])
        except sqlite3.Error as error:
            log.warning("%s: index %s is only in the copy from before: %s", path, name, error)


def _set_aside(connection: sqlite3.Connection, table: Table) -> _Added | None:
    present = [_Column(*row) for row in connection.execute(_COLUMNS, (table.name,))]
    columns = [column for column in present if column.name not in table.columns]
    keys = tuple(column.name for column in table.primary_key)
    if not columns or not {column.name for column in present}.issuperset(keys):
        return None
    aside = f"added_to_{table.name}"
    connection.execute(f"CREATE TEMP TABLE {aside} AS {_select([*keys, *(each.name for each in columns)], table.name)}")
    return _Added(table.name, keys, columns, aside)


def _missing(connection: sqlite3.Connection, added: _Added) -> list[_Column]:
    present = {name for name, *_ in connection.execute(_COLUMNS, (added.table,))}
    return [column for column in added.columns if column.name not in present]


def _is_put_back(connection: sqlite3.Connection, added: _Added, column: _Column) -> bool:
    """Add a column again, with its values. Return False if that is not possible."""
    its_row = " AND ".join(f"{added.aside}.{key} = {added.table}.{key}" for key in added.keys)
    value = f"({_select([column.name], added.aside)} WHERE {its_row})"
    for declaration in () if column.hidden else column.declarations():
        with suppress(sqlite3.Error):
            connection.execute(f"ALTER TABLE {added.table} ADD COLUMN {declaration}")
            connection.execute(" ".join(("UPDATE", added.table, "SET", _quoted(column.name), "=", value)))
            return True
    return False


def _select(names: Iterable[str], table: str) -> str:
    return " ".join(("SELECT", ", ".join(map(_quoted, names)), "FROM", table))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
