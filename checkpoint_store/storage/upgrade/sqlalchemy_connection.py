"""SQLAlchemy's view of a ``sqlite3`` connection, for Alembic.

The library runs its statements on the ``sqlite3`` connection itself. Alembic needs SQLAlchemy's, over the very same
connection and inside the transaction that is open on it: SQLAlchemy runs statements there, and begins, ends and closes
nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sqlalchemy import Connection


class TransactionlessDialect(SQLiteDialect_pysqlite):
    """SQLite for a connection whose transactions belong to somebody else."""

    supports_statement_cache = True

    def _leave(self, dbapi_connection: Any) -> None:
        """Leave the transaction as it is, and the connection open."""

    do_begin = do_commit = do_rollback = do_close = do_terminate = _leave


registry.register("sqlite.transactionless", __name__, TransactionlessDialect.__name__)


@contextmanager
def sqlalchemy_connection(connection: sqlite3.Connection) -> Iterator[Connection]:
    """Give SQLAlchemy's connection over ``connection``, which has a transaction open. No value shows in its errors."""
    engine = create_engine(
        "sqlite+transactionless://", creator=lambda: connection, poolclass=StaticPool, hide_parameters=True
    )
    try:
        with engine.connect() as its:
            yield its
    except DBAPIError as error:
        raise error.orig or error from error
