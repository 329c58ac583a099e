"""A statement: its text, prepared or compiled from the tables, and the order of its values."""

from __future__ import annotations

import os
import sys
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from checkpoint_store.storage.sql import VALUE, compiled
from checkpoint_store.storage.statements.prepared import STATEMENTS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.sql.expression import ClauseElement

    Built = ClauseElement | str


Given = ParamSpec("Given")


class Statement:
    """A statement's SQL text, and the order of its values. The text is looked up when it is first used.

    The text comes from :data:`.prepared.STATEMENTS`, by the statement's name. A statement that is not prepared is a
    text of our own names, or is compiled, which imports SQLAlchemy.

    ``order``: the order in which callers pass plain tuples; None: no caller does.
    ``name``: the name in the prepared texts; None: the module with the statement, and the statement's name there.
    """

    __slots__ = ("_expression", "_get", "_module", "_name", "_order", "names", "text")

    text: str
    names: tuple[str, ...]

    def __init__(
        self, expression: Built | partial[Built], *, order: tuple[str, ...] | None = None, name: str | None = None
    ) -> None:
        self._expression, self._order, self._name = expression, order, name
        self._module = sys._getframe(1).f_globals  # as the interpreter ends, sys.modules is empty

    def __getattr__(self, name: str) -> Any:
        """Look up the statement when a slot without a value is asked for."""
        text = STATEMENTS.get(self.name) or self.compiled()
        self.text, self.names = VALUE.sub("?", text), tuple(VALUE.findall(text))
        assert self._order in (None, self.names), self.names
        self._get = itemgetter(*self.names) if len(self.names) > 1 else None
        return object.__getattribute__(self, name)

    @property
    def name(self) -> str:
        """The name of the statement in the prepared texts: ``jobs._FIND``, ``jobs._supersede(1)``."""
        if self._name is not None:
            return self._name
        names = (name for name, value in [*self._module.items()] if value is self)
        return f"{_place_of(self._module['__name__'])}.{next(names, '')}"

    @property
    def expression(self) -> Built:
        """The expression, or a text."""
        return self._expression() if isinstance(self._expression, partial) else self._expression

    def compiled(self) -> str:
        """Return the text of the expression, with the names of its values."""
        built = self.expression
        return built if isinstance(built, str) else compiled(built)

    def values(self, **named: Any) -> tuple[Any, ...]:
        """Return the values in the order of the text."""
        if self._get is None:
            return tuple(named[name] for name in self.names)
        values: tuple[Any, ...] = self._get(named)
        return values

    def run(self, connection: sqlite3.Connection, **named: Any) -> sqlite3.Cursor:
        """Execute the statement with these values."""
        return connection.execute(self.text, self.values(**named))

    def run_many(self, connection: sqlite3.Connection, rows: Iterable[Mapping[str, Any]]) -> sqlite3.Cursor:
        """Execute the statement once with each row of values."""
        return connection.executemany(self.text, (self.values(**row) for row in rows))


def statement_for_arguments(build: Callable[Given, Built]) -> Callable[Given, Statement]:
    """Make a function that builds a statement return a :class:`Statement`, the same for the same arguments."""
    name = f"{_place_of(build.__module__)}.{build.__name__}"

    @cache
    def statement(*given: Any, **named: Any) -> Statement:
        arguments = [*map(repr, given), *(f"{key}={value!r}" for key, value in named.items())]
        return Statement(partial(build, *given, **named), name=f"{name}({', '.join(arguments)})")

    return cast("Callable[Given, Statement]", statement)


def select_text(table: str, columns: Iterable[str]) -> str:
    """Return a SELECT, without conditions, of these columns of a table: our own names."""
    return " ".join(("SELECT", ", ".join(columns), "FROM", table))


def _place_of(module: str) -> str:
    return module.removeprefix("checkpoint_store.storage.").removeprefix("statements.")


def named_rows(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return all rows of a statement, each by the names of its columns."""
    names = names_of(cursor)
    return [dict(zip(names, row, strict=True)) for row in cursor]


def names_of(cursor: sqlite3.Cursor) -> list[str]:
    """Return the names of the columns of a statement, in small letters, as the tables have them.

    SQLite gives a name as the schema in the file spells it, and finds a column in any case. One damaged bit turns a
    small letter into a capital.
    """
    return [column[0].lower() for column in cursor.description]


def path_of(connection: sqlite3.Connection) -> Path:
    """Return the store file that a connection is open on. It is read as bytes, since a name need not be UTF-8."""
    (name,) = connection.execute("SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'").fetchone()
    return Path(os.fsdecode(name))
