"""The transaction gate: every read and every write of a store passes through here.

A store has two connections in a process: one that writes and one that reads, each behind a lock of its own. They
belong to SQLAlchemy's engine; transactions are begun and ended on the driver, in one place, because SQLite rolls
back by itself after some errors and a layer above would not notice.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import sqlalchemy.exc

from checkpoint_store.errors import (
    CheckpointStoreError,
    ErasureUnfinished,
    StorageUnavailableError,
    StoreBusy,
    StoreClosed,
)
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.driver import (
    Moment,
    discard,
    driver_error,
    driver_of,
    end,
    ended,
    make_engine,
    moment_of,
)
from checkpoint_store.storage.connection.openings import Openings
from checkpoint_store.storage.connection.pragmas import Durability, connect
from checkpoint_store.storage.open_lock import who_has_open
from checkpoint_store.storage.statements import compiled
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store.storage.open_lock import Presence

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CHECKPOINT_EVERY: Final = 4 * 1024 * 1024
"""After about so many bytes of new log the writer copies it into the file."""
_OVERHEAD_BYTES: Final = 4 * 8192
_FORK_PATIENCE_SECONDS: Final = 10.0
_LEAST_BACK_OFF_SECONDS: Final = 0.00025
_BACK_OFF_SECONDS: Final = 0.004
"""At most, between two tries at a file that another process is writing, until so many have been in vain."""
_MOST_BACK_OFF_SECONDS: Final = 0.04
_TRIES_IN_HASTE: Final = 16


class Database(ForkAware):
    """A store file that is open for reading and writing. Safe to share between threads; a fork gets its own."""

    read_only = False

    def __init__(
        self, path: Path, *, durability: Durability, lock_timeout_seconds: float, presence: Presence | None = None
    ) -> None:
        self.path = path
        self._presence = presence
        """What keeps others from taking the file away; None for a file that this process has for itself."""
        self._name = str(path)
        self.durability = durability
        self.lock_timeout_seconds = lock_timeout_seconds
        self._engine = make_engine(self._connect)
        self.closed = False
        self._reset()
        watch(self)
        Openings.enter(path)
        self._leave = weakref.finalize(self, Openings.leave, path)

    def _reset(self) -> None:
        self.write_lock = threading.Lock()
        """Held by the thread that writes; for the group commit, which hands it from one waiter to the next."""
        self._read_lock = threading.Lock()
        self._writer: Connection | None = None
        self._driver: sqlite3.Connection | None = None
        """The driver's connection under ``_writer``."""
        self._prepared = False
        """Whether that one knows what :func:`lane.at_once` needs."""
        self._reader: Connection | None = None
        self._patience = self.lock_timeout_seconds
        self._log_bytes = 0
        self._place: tuple[int, int] | None = None
        self._resting: list[bool] = []
        """True for each of the two locks that is held over a fork."""

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise StorageUnavailableError(self.path, "the file is no longer there")
        if self._presence is not None:
            self._presence.ensure()
        return connect(self.path, timeout_seconds=self.lock_timeout_seconds, durability=self.durability)

    def before_fork(self) -> None:
        """Close both connections, and hold the locks over the fork.

        SQLite keeps what it knows of a file's locks once per process. A child that inherits it believes in locks that
        the parent has, and the kernel knows nothing of the child's: the next to close would remove its log.
        """
        patience = max(self.lock_timeout_seconds, _FORK_PATIENCE_SECONDS)
        take(self.write_lock, self._resting, patience)
        if self._resting:
            take(self._read_lock, self._resting, patience)
        if self._resting[1:]:
            self._disconnect()

    def after_fork(self) -> None:
        """Let the next call connect again."""
        resting, self._resting = self._resting, []
        try:
            if resting[1:]:
                self._read_lock.release()
        finally:
            if resting:
                self.write_lock.release()

    def forget_in_child(self) -> None:
        """What could not be closed before the fork is neither used nor closed here, ever."""
        _parents.extend(one for one in (self._writer, self._reader) if one is not None)
        self._reset()

    def _disconnect(self) -> None:
        connections = (self._reader, self._writer)
        self._reader = self._writer = self._driver = None
        for connection in connections:
            if connection is not None:
                discard(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a write transaction of its own and return its value; durable when this returns.

        Raises:
            CheckpointStoreError: the library's own, raised by ``work`` or made from the driver's. Nothing is
                written then, and the next call starts afresh.
        """
        with self.write_lock:
            return self._write(work)

    def write_if_free(self, work: Callable[[Connection], T], *, patience_seconds: float) -> T:
        """:meth:`write` for a caller that may be in the middle of a write itself, as a finalizer may.

        It waits for no thread, and ``patience_seconds`` for other processes.

        Raises:
            StoreBusy: a thread of this process is writing, or another process was for so long.
        """
        taken: list[bool] = []
        try:
            take(self.write_lock, taken)
            if not taken:
                raise StoreBusy(self.path, 0.0, "another thread")
            self._patience = patience_seconds
            return self._write(work)
        finally:
            if taken:
                self._patience = self.lock_timeout_seconds
                self.write_lock.release()

    def _write(self, work: Callable[[Connection], T]) -> T:
        value = self._transact(lambda _driver: work(self._sql_writer()))
        self.log_grew(0)
        return value

    def moment(self) -> Moment | None:
        """Return what the writing connection has seen: what is read afterwards is as new as that, or newer.

        None where another process is writing just now, and the journal lets nobody look meanwhile.
        """
        try:
            return self._moment()
        except StoreBusy:
            return None

    def _moment(self) -> Moment:
        with self.write_lock:
            driver = self._driver
            try:
                driver = self._ready(prepared=False)
                return moment_of(driver)
            except BaseException as error:
                self._abandon(driver, error)
                raise

    def write_locked(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        """:meth:`write` for a caller that holds :attr:`write_lock`; ``work`` gets the driver's connection.

        That one knows the statements of :mod:`lane`, too.
        """
        return self._transact(work, *arguments, prepared=True)

    def write_at_once(self, statement: str, values: Sequence[Any], size_bytes: int) -> bool:
        """Run one statement of :mod:`lane` that is a transaction of its own; durable when this returns True.

        For a caller that holds :attr:`write_lock`. False where a constraint refuses it: nothing is written then, and
        :meth:`write_locked` can find out why. ``size_bytes`` is about what the log grows by.
        """
        driver = self._driver
        try:
            driver = self._ready(prepared=True)
            try:
                self._execute(driver, statement, values)
            except sqlite3.IntegrityError:
                return False
            self._refuse_if_moved()
        except BaseException as error:
            self._abandon(driver, error)
            raise
        self.log_grew(size_bytes)
        return True

    def _ready(self, *, prepared: bool) -> sqlite3.Connection:
        """Return the writer's connection with nothing under way, and (``prepared``) with what :mod:`lane` needs."""
        driver = self._driver
        if driver is None:
            driver = driver_of(self._sql_writer())
        if driver.in_transaction:  # a second interrupt cut the end of the first one short
            driver.rollback()
        if prepared and not self._prepared:
            for preparation in compiled.preparations():
                driver.execute(preparation)
            self._prepared = True
        return driver

    def _refuse_if_moved(self) -> None:
        """Acknowledge nothing that is in a file which was removed or replaced: it is lost."""
        if self._where() != self._place:
            raise StorageUnavailableError(self.path, "the file is no longer there, or another one is in its place")

    def _transact(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts, prepared: bool = False) -> T:
        driver = self._driver
        try:
            driver = self._ready(prepared=prepared)
            self._execute(driver, "BEGIN IMMEDIATE")
            value = work(driver, *arguments)
            if driver.in_transaction is False:  # SQLite rolled back by itself; what followed was not part of it
                raise StorageUnavailableError(self.path, "the transaction was rolled back by the database")  # noqa: TRY301
            self._refuse_if_moved()
            self._execute(driver, "COMMIT")
            if self._writer is not None and self._writer.in_transaction():
                end(self._writer)
        except BaseException as error:
            self._abandon(driver, error)
            raise
        return value

    def log_grew(self, size_bytes: int) -> None:
        """A transaction with so many bytes of text was committed: copy the log if it is time to."""
        self._log_bytes += size_bytes + _OVERHEAD_BYTES
        if self._log_bytes >= CHECKPOINT_EVERY and self._driver is not None:
            self._checkpoint(self._driver)

    def _sql_writer(self) -> Connection:
        if self._writer is None:
            self._refuse_if_closed()
            with self._translated():
                connection = self._engine.connect()
            driver = driver_of(connection)
            # From here on a busy file is waited for by _execute: SQLite's own back-off starves some processes.
            driver.execute("PRAGMA busy_timeout = 0")
            self._prepared = False
            self._place = self._where()
            with suppress(OSError):  # runs that were killed before they copied their log leave it to the next
                self._log_bytes = os.stat(f"{self.path}-wal").st_size
            # Last, and both at once: what an interrupt leaves half ready is never used.
            self._writer, self._driver = connection, driver
            return connection
        return self._writer

    def _where(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._name)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise StoreClosed(self.path)

    def _execute(self, driver: sqlite3.Connection, statement: str, values: Sequence[Any] = ()) -> None:
        """Execute a statement; again while another process is in the way, in short jittered steps.

        A hundred processes that try in haste keep the one that writes from its processor; so the steps grow.
        """
        deadline, tries = None, 0
        while True:
            try:
                driver.execute(statement, values)
            except sqlite3.OperationalError as error:
                deadline = deadline or time.monotonic() + self._patience
                if not sqlite_errors.is_busy(error) or time.monotonic() >= deadline:
                    raise
                tries += 1
                longest = min(_BACK_OFF_SECONDS * max(1.0, tries / _TRIES_IN_HASTE), _MOST_BACK_OFF_SECONDS)
                time.sleep(random.uniform(_LEAST_BACK_OFF_SECONDS, longest))  # noqa: S311 - jitter, no secret
            else:
                return

    def _abandon(self, driver: sqlite3.Connection | None, error: BaseException) -> None:
        """Leave nothing half-done behind ``error``, and raise the library's error in its place where it has one."""
        connection, cause = self._writer, driver_error(error)
        if driver is not None:
            with suppress(sqlite3.Error):
                driver.rollback()
        if connection is not None:
            if self._where() != self._place:
                self._drop_writer()
            elif cause is None or isinstance(cause, sqlite3.IntegrityError) or sqlite_errors.is_busy(cause):
                self._writer = self._driver = None
                if ended(connection):
                    self._writer, self._driver = connection, driver_of(connection)
            else:  # after an I/O error nothing is certain about this connection; the next call opens a new one
                self._drop_writer()
        if cause is not None:
            raise sqlite_errors.translate(cause, self.path, self.lock_timeout_seconds) from error

    def _checkpoint(self, driver: sqlite3.Connection) -> bool:
        """Copy the log into the file while no one, in any process, can commit. Called with the write lock held.

        This connection holds SQLite's writers' lock (and writes nothing) while the reading one copies. Returns
        whether all of the log was copied; a reader in the way only postpones that.
        """
        taken: list[bool] = []
        try:
            take(self._read_lock, taken)
            if not taken:
                return False
            reader = driver_of(self._sql_reader())
            driver.execute("BEGIN IMMEDIATE")
            try:
                busy, pages, copied = reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                driver.rollback()
        except (sqlite3.Error, CheckpointStoreError):
            return False  # what is committed is in the log, and safe there
        finally:
            if taken:
                self._read_lock.release()
        self._log_bytes = 0
        return bool(not busy and pages == copied)

    def scrub_log(self, touch: Callable[[sqlite3.Connection], object], what: str) -> None:
        """Leave nothing of earlier transactions in the log; ``touch`` is a small write that follows them.

        After a complete checkpoint the next commit starts the log again, and cuts it off behind itself.

        Raises:
            ErasureUnfinished: a reader was in the way all the time; ``what`` was deleted, and is still in the log.
        """
        with self.write_lock:
            driver = driver_of(self._sql_writer())
            driver.execute("PRAGMA journal_size_limit = 0")
            try:
                deadline = time.monotonic() + self.lock_timeout_seconds
                while not self._checkpoint(driver):
                    if time.monotonic() >= deadline:
                        others = [pid for pid in who_has_open(self.path) if pid != os.getpid()]
                        raise ErasureUnfinished(self.path, what, self.lock_timeout_seconds, others)
                    time.sleep(0.005)
                self.write_locked(touch)
            finally:
                self._drop_writer()

    def _drop_writer(self) -> None:
        connection, self._writer, self._driver = self._writer, None, None
        if connection is not None:
            discard(connection)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on one consistent snapshot and return its value. It waits for no writer."""
        return self._read(work, snapshot=True)

    def read_row(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the row of a statement that finds one or none, by the shortest way: it is a snapshot of its own."""

        def rows(connection: Connection) -> list[tuple[Any, ...]]:
            return driver_of(connection).execute(statement, values).fetchall()

        return next(iter(self._read(rows, snapshot=False)), None)

    def _read(self, work: Callable[[Connection], T], *, snapshot: bool) -> T:
        with self._read_lock:
            connection = self._sql_reader()
            driver = driver_of(connection)
            try:
                if driver.in_transaction:  # see write_locked()
                    driver.rollback()
                if snapshot:
                    driver.execute("BEGIN")
                value = work(connection)
                if snapshot:
                    driver.execute("COMMIT")
                    end(connection)
            except BaseException as error:
                self._reader = None
                cause = driver_error(error)
                with suppress(sqlite3.Error):
                    driver.rollback()
                if cause is None:
                    if ended(connection):
                        self._reader = connection
                    raise
                discard(connection)
                raise sqlite_errors.translate(cause, self.path, self.lock_timeout_seconds) from error
            return value

    def _sql_reader(self) -> Connection:
        if self._reader is None:
            self._refuse_if_closed()
            with self._translated():
                self._reader = self._engine.connect()
        return self._reader

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlalchemy.exc.DBAPIError) as error:
            cause = driver_error(error)
            assert cause is not None
            raise sqlite_errors.translate(cause, self.path, self.lock_timeout_seconds) from error

    @contextmanager
    def ready_to_migrate(self) -> Iterator[None]:
        """With foreign keys on, rebuilding a table deletes the rows that refer to it; and views would forbid it."""
        with self.write_lock:
            driver_of(self._sql_writer()).execute("PRAGMA foreign_keys = OFF")
            driver_of(self._sql_writer()).execute("PRAGMA legacy_alter_table = ON")
        try:
            yield
        finally:
            with self.write_lock:
                if self._writer is not None:
                    driver_of(self._writer).execute("PRAGMA legacy_alter_table = OFF")
                    driver_of(self._writer).execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Close both connections. The last one to leave a store copies the log into the file and removes it."""
        with self.write_lock, self._read_lock:
            if self.closed:
                return
            self.closed = True
            self._disconnect()
            self._leave()
            if self._presence is not None:
                self._presence.end()


_parents: Final[list[Connection]] = []
