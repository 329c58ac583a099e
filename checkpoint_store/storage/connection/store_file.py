"""One store file: how connections to it are opened, which file they are open on, and what its errors are."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, StoreClosed
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.pragmas import Durability, connect
from checkpoint_store.system.existence import is_there
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.files import storage_error
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.open_lock import Presence

Place = tuple[int, int]
"""Device and inode: the identity of a file, whatever its name."""
_FORK_PATIENCE_SECONDS: Final = 10.0


class StoreFile:
    """What the connections of one open store share."""

    def __init__(
        self, path: Path, *, durability: Durability, lock_timeout_seconds: float, presence: Presence | None = None
    ) -> None:
        self.path = path
        self._presence = presence
        """What keeps others from taking the file away; None for a file that this process has for itself."""
        self._name = str(path)
        self.durability = durability
        self.lock_timeout_seconds = lock_timeout_seconds

    def connect(self, *, alone: bool = False) -> sqlite3.Connection:
        """Open a connection that is set as :mod:`pragmas` says; ``alone``: no other connection is open beside it.

        Raises:
            StorageUnavailableError: the file is gone.
            StoreBusy: another connection is open, and this one was to be ``alone``.
        """
        if not is_there(self.path):
            raise sqlite_errors.gone(self.path)
        try:
            if self._presence is not None:
                self._presence.ensure()
            timeout = self.lock_timeout_seconds
            return connect(self.path, timeout_seconds=timeout, durability=self.durability, alone=alone)
        except sqlite_errors.UNREADABLE as error:
            raise self.translated(error) from error
        except OSError as error:
            raise storage_error(error, self.path) from error

    def place(self) -> Place | None:
        """Return which file has the store's name now; None where none has."""
        try:
            status = os.stat(self._name)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def translated(self, error: sqlite_errors.Unreadable) -> CheckpointStoreError:
        """Return the library's error for one of SQLite's."""
        return sqlite_errors.translate(error, self.path, self.lock_timeout_seconds)


class StoreConnection(ForkAware):
    """One connection to a store file, opened when it is first used, behind a lock of its own."""

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
        """After a fork, in the child: a connection that was not closed before the fork is not used or closed here."""
        if self.connection is not None:
            _inherited.append(self.connection)
        self.connection = None
        self.lock = threading.Lock()
        """Held by the thread that uses the connection."""
        self._at_rest: list[bool] = []
        """True while the lock is held over a fork."""

    def before_fork(self) -> None:
        """Close the connection, and hold its lock over the fork.

        SQLite keeps what it knows of a file's locks once per process. A child that inherits it believes in locks that
        the parent has, and the kernel knows nothing of the child's: the next to close would remove the parent's WAL.
        """
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
                self.connection.close()
        finally:
            self.connection = None

    def close(self) -> None:
        """Close the connection for good once no thread uses it. After an interrupt of that, call again."""
        with self.lock:
            self.disconnect()
            self.closed = True

    def first_row_if_free(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of a statement, which is a snapshot of its own. Nobody is waited for.

        Returns:
            None where it finds none, and where the connection cannot be asked: it is not open, a thread uses it, or
            another process is in the way.
        """
        taken: list[bool] = []
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
        """Leave nothing half-done behind ``error``, and raise the library's error in its place where it is SQLite's."""
        connection, self.connection = self.connection, None
        if connection is not None:
            try:
                if self._is_sound_after(error):
                    with suppress(sqlite3.Error):
                        connection.rollback()
                        self.connection = connection  # last: what an interrupt cuts short is not used again
            finally:
                if self.connection is None:
                    connection.close()
        if isinstance(error, sqlite_errors.UNREADABLE):
            raise self.file.translated(error) from error

    def _is_sound_after(self, error: BaseException) -> bool:
        """Whether the connection may be used again once its transaction is rolled back."""
        return not isinstance(error, sqlite_errors.UNREADABLE)


_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of the parent process, kept from being closed."""
