"""A store file that is open for reading and writing: one connection that writes, and two that read."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.connection.store_file import ReaderConnection, StoreFile
from checkpoint_store.storage.connection.writer import WriterConnection
from checkpoint_store.system.file_lock import refuse_inner_call

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.connection.open_lock import Presence
    from checkpoint_store.storage.records.data_version import DataVersion

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """A store file that is open for reading and writing. Safe to share between threads; a fork connects anew.

    These connections begin and end every transaction. ``work`` is the body of a transaction: it gets the ``sqlite3``
    connection with the transaction open, and what the caller gives besides.
    """

    read_only: Literal[False] = False

    def __init__(
        self, path: Path, *, durability: Durability, lock_timeout_seconds: float, presence: Presence | None = None
    ) -> None:
        self.path = path
        self.lock_timeout_seconds = lock_timeout_seconds
        self._presence = presence
        file = StoreFile(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds, presence=presence)
        self.reader = ReaderConnection(file)
        self._long_reader = ReaderConnection(file)
        self.writer = WriterConnection(file, self.reader)
        self._leave = weakref.finalize(self, openings.leave, openings.enter(path, self))

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has ended."""
        return self.writer.closed

    def connect_if_idle(self) -> None:
        """Open the connection that reads, unless it is open or a thread has it in use."""
        self.reader.connect_if_free()

    def read(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run ``work`` on one consistent snapshot and return its value. In the WAL it waits for no writer."""
        return self.reader.read(lambda connection: work(connection, *given, **named))

    def read_apart(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """:meth:`read` on a connection of its own, for work that takes long: other reads do not wait for it."""
        return self._long_reader.read(lambda connection: work(connection, *given, **named))

    def read_row(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of one statement; None if it finds no row. The quickest read."""
        return self.reader.first_row(statement, values)

    def read_row_between_writes(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """:meth:`read_row` for a thread that writes before and after it. The row is as new; no writer delays it.

        The writer connection has in its cache the pages that it wrote last. The reader connection fetches them from the
        WAL after each commit: that takes three times as long.
        """
        return self.writer.first_row_if_free(statement, values) or self.reader.first_row(statement, values)

    def write(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run ``work`` in a write transaction and return its value; see :meth:`WriterConnection.write`."""
        return self.writer.write(lambda connection: work(connection, *given, **named))

    def migrate(self, work: Callable[[sqlite3.Connection], T], *, first: Callable[[sqlite3.Connection], object]) -> T:
        """Run ``first``, and ``work`` in a write transaction, without any other connection to the file.

        See :meth:`WriterConnection.migrate`.
        """
        for connection in (self._long_reader, self.reader):
            refuse_inner_call(connection.lock, self.path)
            with connection.lock:
                connection.disconnect()
        return self.writer.migrate(work, first=first)

    def data_version(self) -> DataVersion | None:
        """Return the data version of the writer connection; see :meth:`WriterConnection.data_version`."""
        return self.writer.data_version()

    def write_if_free(self, work: Callable[[sqlite3.Connection], T], *, patience_seconds: float) -> T:
        """:meth:`write` for a finalizer; see :meth:`WriterConnection.write_if_free`."""
        return self.writer.write_if_free(work, patience_seconds=patience_seconds)

    def close(self) -> None:
        """Close the connections. The last process to leave a store copies the WAL into the file and removes it.

        Raises:
            StorageUnavailableError: another program overwrote the file or its WAL. The connections are closed.
        """
        for connection in (self._long_reader, self.reader, self.writer):  # the writer last: ``closed`` asks the writer
            connection.close()
        guard = self.writer.file.guard
        guard.release()
        self._leave()
        if self._presence is not None:
            self._presence.end()
        guard.refuse_if_overwritten()
