"""SQLAlchemy's names and the tables, for statements that are built only when they are compiled.

Nearly every statement has a prepared text (:mod:`.statements.prepared`), and to import SQLAlchemy takes a fifth of a
second. So a name that is imported from this module is only a stand-in. What is made of it, with calls, operators and
attributes, is a :class:`Deferred`: it records the steps, and :func:`compiled` takes them with SQLAlchemy itself.
A type checker sees SQLAlchemy's own names.
"""

from __future__ import annotations

import operator
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.system.descriptors import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import (
        LargeBinary,
        and_,
        bindparam,
        case,
        cast,
        exists,
        func,
        literal_column,
        null,
        or_,
        select,
        text,
        tuple_,
        union_all,
    )
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.sql.expression import ClauseElement

    from checkpoint_store.storage.tables import (
        attempts,
        chunk_handles,
        chunk_keys,
        chunk_redos,
        chunk_results,
        completed_chunks,
        deleted_jobs,
        jobs,
        metadata,
        pauses,
        runners,
    )
else:

    def __getattr__(name: str) -> Deferred:
        """Return the stand-in for a name of SQLAlchemy, or for a table."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Deferred(_named, name)


def _deferring(function: Callable[..., Any]) -> Any:
    """Return the method that records an operator."""
    return lambda self, *others: Deferred(function, self, *others)


class Deferred:
    """A step of making an expression: a function, and its arguments. The step is taken when a statement is compiled."""

    __slots__ = ("_arguments", "_function", "_keywords")

    def __init__(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> None:
        self._function, self._arguments, self._keywords = function, arguments, keywords

    def __getattr__(self, name: str) -> Deferred:
        if name.startswith("__"):  # Python looks for such names, and no statement does
            raise AttributeError(name)
        return Deferred(getattr, self, name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Deferred:
        """Record a call."""
        return Deferred(operator.call, self, *arguments, **keywords)

    def __iter__(self) -> Iterator[Any]:
        """Yield the columns of a table, which only a statement that is being compiled asks for."""
        return iter(self.made({}))

    __getitem__ = _deferring(operator.getitem)
    __eq__ = _deferring(operator.eq)
    __ne__ = _deferring(operator.ne)
    __lt__ = _deferring(operator.lt)
    __le__ = _deferring(operator.le)
    __gt__ = _deferring(operator.gt)
    __ge__ = _deferring(operator.ge)
    __add__ = _deferring(operator.add)
    __sub__ = _deferring(operator.sub)
    __neg__ = _deferring(operator.neg)
    __and__ = _deferring(operator.and_)
    __or__ = _deferring(operator.or_)
    __invert__ = _deferring(operator.invert)
    __hash__ = object.__hash__

    def made(self, known: dict[int, Any]) -> Any:
        """Take the step, and return the object of SQLAlchemy.

        ``known``: the steps that were taken for the same statement, by id. A step is taken once, because an alias that
        stands in two places of a statement is one alias.
        """
        if id(self) not in known:
            arguments, keywords = _made(self._arguments, known), _made(self._keywords, known)
            known[id(self)] = self._function(*arguments, **keywords)
        return known[id(self)]


def _made(value: Any, known: dict[int, Any]) -> Any:
    """Return a value, or what a tuple, a list or a dictionary holds, with all steps taken."""
    if isinstance(value, Deferred):
        return value.made(known)
    if isinstance(value, tuple | list):
        return type(value)([_made(item, known) for item in value])
    if isinstance(value, dict):
        return {name: _made(item, known) for name, item in value.items()}
    return value


@cache
@importing()
def _names() -> dict[str, Any]:
    import sqlalchemy  # 0.2 s, which a process whose statements are all prepared does not pay
    from sqlalchemy.dialects import sqlite  # a part of the 0.2 s

    from checkpoint_store.storage import tables  # it imports SQLAlchemy

    return {**vars(sqlalchemy), **vars(tables), "sqlite": sqlite}


def _named(name: str) -> Any:
    return _names()[name]


VALUE: Final = re.compile(r":(\w+)")
"""The place of a value in the text of a statement, such as ``:in_job``. No text of ours has a colon elsewhere."""


def compiled(expression: ClauseElement) -> str:
    """Compile a statement for SQLite. Its text has the names of its values, and the values that the statement fixes."""
    statement = _made(expression, {}).compile(dialect=_named("sqlite").dialect(paramstyle="named"))

    def written(place: re.Match[str]) -> str:
        value = statement.binds[place[1]]
        return place[0] if value.required else _literal(value.value)

    return VALUE.sub(written, " ".join(str(statement).split()))


def _literal(value: str | float | None) -> str:
    """Return a value of our own words or numbers in SQL."""
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else repr(value)
