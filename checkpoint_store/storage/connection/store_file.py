"""One store file and its connections: opened, closed before a fork, cleaned up. Each reading is a snapshot."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import CheckpointStoreError, StoreClosed, StoreDamaged
from checkpoint_store.storage.connection import busy
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.file_guard import FileGuard
from checkpoint_store.storage.connection.pragmas import connect, keep_few_pages
from checkpoint_store.storage.files.identity import gone
from checkpoint_store.system.file_lock import refuse_inner_call, take
from checkpoint_store.system.files import storage_error
from checkpoint_store.system.forks import ForkAware, is_held_here, watch
from checkpoint_store.system.paths import is_there, keeps_inodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.connection.open_lock import Presence


_FORK_PATIENCE_SECONDS: Final = 10.0


class StoreFile:
    """One open store file, which its connections share."""

    def __init__(
        self, path: Path, *, durability: Durability, lock_timeout_seconds: float, presence: Presence | None = None
    ) -> None:
        self.path = path
        self._presence = presence
        """The lock that keeps others from removing the file; None for a file that this process has for itself."""
        self.guard = FileGuard(path)
        self._inodes: dict[int, int] = {}
        """By process (a recovery may replace the file before a fork opens it): the inode of the file that is open. A
        disk that is mounted again has another device number."""
        self.durability = durability
        self.lock_timeout_seconds = lock_timeout_seconds

    def connect(self, *, alone: bool = False) -> sqlite3.Connection:
        """Open a connection that is set as :mod:`pragmas` says; ``alone``: no other connection is open beside it.

        Raises:
            StorageUnavailableError: the file is gone, or another one is in its place. The WAL beside that is of the
                file that was opened first, and SQLite would spoil the other file with it.
            StoreBusy: ``alone`` is set, and another connection is open.
        """
        identity = self.guard.identity() if is_there(self.path) else None
        if identity is None or (self._inodes.get(os.getpid(), identity[1]) != identity[1] and keeps_inodes(self.path)):
            raise gone(self.path)
        if (spoiled := self.guard.spoiled()) is not None:
            raise spoiled
        try:
            if self._presence is not None:
                self._presence.ensure()
            connection = busy.patiently(
                lambda: connect(self.path, durability=self.durability, alone=alone),
                path=self.path,
                patience_seconds=0.0 if alone else self.lock_timeout_seconds,
            )
        except sqlite_errors.UNREADABLE as error:
            raise self.translated(error) from error
        except OSError as error:
            raise storage_error(error, self.path) from error
        self._inodes[os.getpid()] = (self.guard.identity() or identity)[1]  # an overlay copies a file when it is opened
        self.guard.spoiled()  # the first look can read the file through this connection only
        return connection

    def translated(self, error: sqlite_errors.Unreadable) -> CheckpointStoreError:
        """Return the library's error for one of SQLite's."""
        return self.guard.spoiled() or sqlite_errors.translate(error, self.path, busy.waited_seconds(error))


class StoreConnection(ForkAware):
    """One connection to a store file, with a lock of its own; it is opened when it is first used."""

    connection: sqlite3.Connection | None = None
    alone = False
    """Whether the next connection that is opened keeps all others out."""
    closed = False
    """Whether no connection may be opened any more."""

    def __init__(self, file: StoreFile) -> None:
        self.file: Final = file
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: keep a connection of the parent aside, without using or closing it."""
        if self.connection is not None:
            _inherited.append(self.connection)
        self.connection = None
        self.file.guard.release()
        self.lock = threading.RLock()
        """Held by the thread that uses the connection. No thread takes it twice; see :func:`refuse_inner_call`."""
        self._at_rest: list[bool] = []
        """True while the lock is held over a fork."""

    def before_fork(self) -> None:
        """Close the connection, and hold its lock over the fork.

        SQLite keeps a list of its file locks in the memory of the process. A child inherits the list, not the locks: at
        its next close it would remove the parent's WAL.
        """
        if is_held_here(self.lock):  # a signal handler forks in the middle of a transaction, which goes on after it
            return
        take(self.lock, self._at_rest, max(self.file.lock_timeout_seconds, _FORK_PATIENCE_SECONDS))
        if self._at_rest:
            self.disconnect()

    def after_fork(self) -> None:
        """Let the next call connect again."""
        at_rest, self._at_rest = self._at_rest, []
        if at_rest:
            self.lock.release()

    def disconnect(self) -> None:
        """Close the connection, whatever state it is in. Called with the lock held; the next call opens another."""
        try:
            if self.connection is not None:
                self.file.guard.spoiled()
                self.connection.close()
        finally:
            self.connection = None

    def close(self) -> None:
        """Close the connection for good once no thread uses it. After an interrupt, call this again."""
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            self.disconnect()
            self.closed = True

    def first_row_if_free(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of a statement, which is a snapshot of its own, without waiting.

        Returns:
            The row; None if the statement finds no row, and if the connection is not open or in use by a thread, or
            another process holds the lock.
        """
        taken: list[bool] = []
        if is_held_here(self.lock):
            return None
        try:
            take(self.lock, taken)
            connection = self.connection if taken else None
            if connection is None or connection.in_transaction:
                return None
            rows = connection.execute(statement, values).fetchall()
        except BaseException as error:
            if sqlite_errors.is_busy(error):
                return None
            self._abandon(error)
            raise
        finally:
            if taken:
                self.lock.release()
        return rows[0] if rows else None

    def _open(self) -> sqlite3.Connection:
        if self.closed:
            raise StoreClosed(self.file.path)
        return self.file.connect(alone=self.alone)

    def _abandon(self, error: BaseException) -> None:
        """Roll back after ``error``, and raise an error of the library in place of one of SQLite."""
        connection, self.connection = self.connection, None
        sqlite_errors.release_statements(error)
        refused: CheckpointStoreError | None = None
        if connection is not None:
            try:
                self.file.guard.spoiled()
                refused = sqlite_errors.reference_of_user(error, connection, self.file.path)
                if self._is_sound_after(error):
                    with suppress(sqlite3.Error):
                        connection.rollback()
                        self.connection = connection  # last: after an interrupted rollback it is not used
            finally:
                if self.connection is None:
                    connection.close()
        if isinstance(error, sqlite_errors.UNREADABLE):
            raise refused or self.file.translated(error) from error

    def _is_sound_after(self, error: BaseException) -> bool:
        """Whether the connection may be used again once its transaction is rolled back."""
        return not isinstance(error, sqlite_errors.UNREADABLE)


_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of the parent process, kept from being closed."""


T = TypeVar("T")


class ReaderConnection(StoreConnection):
    """A connection that reads. Safe to share between threads."""

    def ready(self) -> sqlite3.Connection:
        """Return the connection with no transaction open. Called with the lock held."""
        connection = self.connection
        if connection is None:
            connection = self._open()
            try:
                keep_few_pages(connection)
            except BaseException:
                connection.close()
                raise
            self.connection = connection
        if connection.in_transaction:  # an interrupt came before the last read could end its transaction
            connection.rollback()
        return connection

    def connect_if_free(self) -> None:
        """Open the connection if it is closed, unless a thread has it in use."""
        taken: list[bool] = []
        if is_held_here(self.lock):
            return
        try:
            take(self.lock, taken)
            if taken:
                self.ready()
        except BaseException as error:
            if taken:
                self._abandon(error)
            raise
        finally:
            if taken:
                self.lock.release()

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on one consistent snapshot and return its value. In the WAL it waits for no writer."""

        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN")
            self.file.guard.refuse_if_overwritten()
            value = work(connection)
            connection.execute("COMMIT")
            return value

        return self._run(transaction)

    def first_row(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of a statement, which is a snapshot of its own; None if it finds no row."""
        rows = self._run(lambda connection: connection.execute(statement, values).fetchall())
        return rows[0] if rows else None

    def _run(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run a step that reads, and once more on a new connection if SQLite says that it met damage."""
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            try:
                return self._run_once(step)
            except StoreDamaged as error:
                if not sqlite_errors.is_to_be_repeated(error, self.file.path):
                    raise
            return self._run_once(step)

    def _run_once(self, step: Callable[[sqlite3.Connection], T]) -> T:
        timeout = self.file.lock_timeout_seconds
        try:
            return busy.patiently(lambda: step(self.ready()), path=self.file.path, patience_seconds=timeout)
        except BaseException as error:
            self._abandon(error)
            raise
