"""The connections that read: each transaction is one consistent snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from checkpoint_store.storage.connection.pragmas import keep_few_pages
from checkpoint_store.storage.connection.store_file import StoreConnection
from checkpoint_store.system.file_lock import refuse_inner_call

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class ReaderConnection(StoreConnection):
    """A connection that reads. Safe to share between threads."""

    def ready(self) -> sqlite3.Connection:
        """Return the connection with no transaction open. Called with the lock held."""
        connection = self.connection
        if connection is None:
            connection = self.connection = self._open()
            keep_few_pages(connection)
        if connection.in_transaction:  # an interrupt came before the last read could end its transaction
            connection.rollback()
        return connection

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on one consistent snapshot and return its value. It waits for no writer."""
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            try:
                connection = self.ready()
                connection.execute("BEGIN")
                value = work(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                self._abandon(error)
                raise
            return value

    def first_row(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of a statement, which is a snapshot of its own; None if it finds no row."""
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            try:
                rows = self.ready().execute(statement, values).fetchall()
            except BaseException as error:
                self._abandon(error)
                raise
            return rows[0] if rows else None
