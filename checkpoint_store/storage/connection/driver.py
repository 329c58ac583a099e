"""What the two kinds of open store share: the driver's connection under SQLAlchemy's, and when one may be opened."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine


def make_engine(connector: Callable[[], sqlite3.Connection]) -> Engine:
    """Return an engine over our own way to connect. Values never show in its errors."""
    return create_engine("sqlite+pysqlite://", creator=connector, poolclass=NullPool, hide_parameters=True)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's connection under an SQLAlchemy one."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def driver_error(error: BaseException) -> sqlite3.Error | None:
    """Return the driver's error in (or under) ``error``, or None where it is another kind."""
    if isinstance(error, sqlite3.Error):
        return error
    original = getattr(error, "orig", None)
    return original if isinstance(original, sqlite3.Error) else None


class Moment(NamedTuple):
    """What a connection has seen: of two that are equal, nothing was committed in between, by whomever."""

    driver: sqlite3.Connection
    by_others: int
    by_itself: int


def moment_of(driver: sqlite3.Connection) -> Moment:
    """Return what a connection has seen. In a transaction that is its snapshot."""
    (data_version,) = driver.execute("PRAGMA data_version").fetchone()
    return Moment(driver, data_version, driver.total_changes)


def discard(connection: Connection) -> None:
    """Close a connection whatever state it is in."""
    with suppress(Exception):
        connection.invalidate()
    with suppress(Exception):
        connection.close()


def end(connection: Connection) -> None:
    """End what SQLAlchemy takes for a transaction; the driver's own has ended.

    Where an interrupt cuts that short, SQLAlchemy raises an assertion in its place.
    """
    try:
        connection.rollback()
    except AssertionError as error:
        raise error.__context__ or error from None


def ended(connection: Connection) -> bool:
    """Do so behind an error; where that fails, close the connection, and return False.

    SQLAlchemy lets go of the driver's connection where an interrupt comes during a statement of its own, and would
    make another one in its place, which nobody has got ready.
    """
    with suppress(Exception):  # the error that led here is the one to raise
        end(connection)
        if not connection.invalidated:
            return True
    discard(connection)
    return False
