"""A read-only store: nothing is created or changed."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Final, Literal, NamedTuple, ParamSpec, TypeVar

from checkpoint_store.errors import StorageUnavailableError, StoreBusy, StoreClosed, StoreTargetError
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection import wal_frames
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.connection.pragmas import UsedBy, connect_read_only
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.errors import CheckpointStoreError
    from checkpoint_store.storage.connection.open_lock import Presence

P = ParamSpec("P")
T = TypeVar("T")
Signature = tuple[int, ...]
"""Tells one content of a file from another: identity, size and times."""

_TICK_SECONDS: Final = 0.02
"""The coarsest clock of a file system that a store may be on."""
_CLOSING_SECONDS_MAX: Final = 0.5
"""A process that closes the file removes the WAL within this time after the index."""
_INDEX_REMEDY: Final = (
    "Open the store for writing once, which takes in the WAL. If nothing can be written there, copy the store and its "
    "WAL into another folder, and open the copy."
)


class _IdleConnection(NamedTuple):
    """A connection without locks, and the signature of the file that it was opened on."""

    file: Signature
    connection: sqlite3.Connection


class ReadOnlyDatabase:
    """A store file that is read and never touched: nothing is created, changed or locked for long.

    A file that no one has open is read without locks (opening it with locks would create files beside it), and read
    again if it changed meanwhile. A reader with a ``presence``, which is closed at the end, keeps that connection for
    its next read as long as the file stays unchanged. If someone has the file open, each read opens a connection of its
    own: a connection that is kept would hold a lock, and the last writer could not copy the WAL into the file and
    remove it.
    """

    read_only: Literal[True] = True

    def __init__(self, path: Path, *, lock_timeout_seconds: float, presence: Presence | None = None) -> None:
        self.path = path
        self._presence = presence
        self.lock_timeout_seconds = lock_timeout_seconds
        self.closed = False
        self._idle: _IdleConnection | None = None
        """The connection that is kept for the next read; None while a read uses it."""
        openings.readers.add(self)

    def read(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run ``work`` on one consistent snapshot and return its value."""
        if self.closed:
            raise StoreClosed(self.path)
        if self._presence is not None:
            self._presence.ensure()
        once = partial(self._read_settled, lambda connection: work(connection, *given, **named))
        return sqlite_errors.repeated_once(once, self.path)

    def _read_settled(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` again and again until no other process changes the file meanwhile, and return its value."""
        deadline = time.monotonic() + self.lock_timeout_seconds
        closed_until = min(deadline, time.monotonic() + _CLOSING_SECONDS_MAX)
        while True:
            with openings.lock:
                before = self._signature()
                try:
                    value = self._read_once(work) if before is None else self._read_unused(work, before)
                except sqlite_errors.UNREADABLE as error:
                    # The process that had the file open may have closed it, and removed the WAL, meanwhile.
                    is_unchanged = before == self._signature()
                    if sqlite_errors.could_not_open(error) and openings.is_open(self.path):  # a fork closed it
                        openings.connect_again(self.path)
                    is_passing = before is None and self._is_passing(error, closed_until)
                    is_busy = sqlite_errors.is_busy(error) and time.monotonic() < deadline
                    if is_unchanged and not is_passing and not is_busy:
                        raise self._translated(error) from error
                else:
                    if before is None or before == self._signature():
                        return value
            if time.monotonic() >= deadline:
                raise StoreBusy(self.path, self.lock_timeout_seconds)
            time.sleep(0.005)

    def _is_passing(self, error: sqlite_errors.Unreadable, closed_until: float) -> bool:
        """Whether a process may just be opening the file, or closing it: SQLite removes the index before the WAL."""
        if sqlite_errors.could_not_open(error):
            return time.monotonic() < closed_until and is_there(self.path)
        return sqlite_errors.is_beginning(error)

    def _translated(self, error: sqlite_errors.Unreadable) -> CheckpointStoreError:
        files = StoreFiles(self.path)
        if sqlite_errors.could_not_open(error) and is_there(files.wal) and not is_there(files.shm):
            reason = f"its WAL has no index ({files.shm.name}), and only a process that writes makes one"
            return StorageUnavailableError(self.path, reason, _INDEX_REMEDY)
        return sqlite_errors.translate(error, self.path, self.lock_timeout_seconds)

    read_apart = read
    """Each read has a connection of its own."""

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if os.geteuid() == 0:
            with suppress(ImportError, OSError):  # no ctypes in this Python, or no descriptor left to read it
                from checkpoint_store.storage.connection import chown  # only root needs it

                chown.leave_owners_alone()
        # Where this process has the file open, but no index is there, the connection must not make one.
        is_open_here = is_there(StoreFiles(self.path).shm) and openings.is_open(self.path)
        used_by = UsedBy.THIS_PROCESS if is_open_here else UsedBy.OTHERS
        with closing(connect_read_only(self.path, used_by=used_by)) as connection:
            try:
                connection.execute("BEGIN")
                return work(connection)
            except BaseException as error:
                sqlite_errors.release_statements(error)
                raise

    def _read_unused(self, work: Callable[[sqlite3.Connection], T], file: Signature) -> T:
        idle, self._idle = self._idle, None  # a read within this read opens a connection of its own
        if idle is not None and idle.file != file:
            idle.connection.close()
            idle = None
        connection = connect_read_only(self.path, used_by=UsedBy.NOBODY) if idle is None else idle.connection
        try:
            connection.execute("BEGIN")
            value = work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            sqlite_errors.release_statements(error)
            connection.close()
            raise
        self.disconnect()
        if self._presence is None:
            connection.close()
        else:
            self._idle = _IdleConnection(file, connection)
        return value

    def disconnect(self) -> None:
        """Close the connection that is kept. Called with :attr:`openings.lock` held."""
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.connection.close()

    def _signature(self) -> Signature | None:
        """Return the signature of the file, which each write changes; None while someone has the file open."""
        if openings.is_open(self.path):
            return None
        files = StoreFiles(self.path)
        if has_bytes(files.journal):
            return None
        # A process that has a WAL open has its index, too. SQLite would search a WAL without a whole transaction again
        # and again for ten seconds.
        if is_there(files.wal) and (is_there(files.shm) or wal_frames.holds_a_commit(files.wal)):
            return None
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise StoreTargetError(self.path, "there is no such file") from None
        except OSError as error:
            raise StorageUnavailableError(self.path, str(error)) from error
        if 0 <= time.time() - status.st_mtime < _TICK_SECONDS:  # a second write within one tick would not show
            time.sleep(_TICK_SECONDS)
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read_row(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row of one statement; None if it finds no row."""
        row: tuple[Any, ...] | None = self.read(lambda connection: connection.execute(statement, values).fetchone())
        return row

    def close(self) -> None:
        """Close the connection that is kept, and end the lock."""
        self.closed = True
        with openings.lock:
            self.disconnect()
        if self._presence is not None:
            self._presence.end()


AnyDatabase = Database | ReadOnlyDatabase
