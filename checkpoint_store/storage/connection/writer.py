"""The connection that writes: every write of a store passes through here."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from checkpoint_store.errors import ErasureUnfinished, StorageFullError, StorageUnavailableError, StoreBusy
from checkpoint_store.storage.connection import busy
from checkpoint_store.storage.connection.checkpoint import Checkpoint
from checkpoint_store.storage.connection.errors import UNREADABLE, is_busy, is_refused
from checkpoint_store.storage.connection.failed_reads import UnrepeatedConnection
from checkpoint_store.storage.connection.open_lock import Wait, who_has_open
from checkpoint_store.storage.records.data_version import DataVersion, data_version_of
from checkpoint_store.storage.statements import compiled, effect
from checkpoint_store.system.file_lock import refuse_inner_call, take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checkpoint_store.storage.connection.store_file import ReaderConnection, StoreFile
    from checkpoint_store.storage.files.identity import FileIdentity

_FREE_BYTES_MIN: Final = 64 * 1024
_FREE_SHARE_MIN: Final = 0.1
"""A smaller free part stays in the file. Later results use it."""
_REBUILT_BYTES_MAX: Final = 256 * 1024 * 1024
"""The largest file that is rebuilt. SQLite rebuilds it in memory, so that no temporary file gets a result."""
_SIZES: Final = "SELECT * FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class WriterConnection(UnrepeatedConnection):
    """The connection that writes. Safe to share between threads.

    Its ``lock`` is held by the thread that writes; the group commit holds it for a whole batch.
    """

    def __init__(self, file: StoreFile, reader: ReaderConnection) -> None:
        self.checkpoint = Checkpoint(file.path, reader)
        self.noted_jobs: Final[list[str]] = []
        """The jobs that transactions completed since the last commit. One that is rolled back may leave its job."""
        super().__init__(file)

    def forget_in_child(self) -> None:
        """After a fork, in the child: connect anew at the next write; see :meth:`StoreConnection.forget_in_child`."""
        super().forget_in_child()
        self._patience_seconds = self.file.lock_timeout_seconds
        self._turns = busy.Turns(self.file.path)
        self._is_prepared = False
        """Whether the connection has what :func:`compiled.fast_insert` needs."""
        self._schema: int | None = None
        """The number of the schema that was searched for triggers."""
        self._identity: FileIdentity | None = None
        self._beside: tuple[FileIdentity | None, ...] = (None, None)
        """The identities of the file that the connection is open on, and of its WAL and the index of the WAL."""

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a write transaction of its own and return its value; durable when this returns.

        Raises:
            CheckpointStoreError: ``work`` or SQLite failed. Nothing is written then, and the next call starts a new
                transaction.
        """
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            return self._write(work)

    def write_if_free(self, work: Callable[[sqlite3.Connection], T], *, patience_seconds: float) -> T:
        """:meth:`write` for a finalizer, which may run in the middle of another write of its thread.

        It waits for no thread, and ``patience_seconds`` for other processes.

        Raises:
            StoreBusy: a thread of this process is writing, or another process was writing for ``patience_seconds``.
        """
        taken: list[bool] = []
        refuse_inner_call(self.lock, self.file.path)
        try:
            take(self.lock, taken)
            if not taken:
                raise StoreBusy(self.file.path, 0.0, "another thread")
            self._patience_seconds = patience_seconds
            return self._write(work)
        finally:
            if taken:
                self._patience_seconds = self.file.lock_timeout_seconds
                self.lock.release()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        value = self._transact(work)
        self.checkpoint.grew(0, self.connection)
        return value

    def data_version(self) -> DataVersion | None:
        """Return the data version of the connection: a later read sees this content or newer content.

        None if another process is writing, and the rollback journal keeps readers out.
        """
        try:
            refuse_inner_call(self.lock, self.file.path)
            with self.lock:
                connection = self._set()
                try:
                    return data_version_of(connection)
                except BaseException as error:
                    self._abandon(error)
                    raise
        except StoreBusy:
            return None

    def write_locked(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts) -> T:
        """:meth:`write` for a caller that holds the lock; ``work`` may use :func:`compiled.fast_insert`.

        The caller reports the growth of the WAL afterwards (:meth:`Checkpoint.grew`).
        """
        return self._transact(work, *arguments, prepared=True)

    def fast_insert(self, statement: str, values: Sequence[Any], size_bytes: int) -> bool | None:
        """Run one statement that writes completions, a transaction of its own; durable when this returns.

        For a caller that holds the lock. ``size_bytes`` is about the growth of the WAL.

        Returns:
            Whether the next chunk was claimed, too. None if a constraint, or a trigger in the file, refused the
            statement: nothing is written, and :meth:`write_locked` finds out why.
        """
        try:
            connection = self._ready(prepared=True)
            changed = self._execute(connection, statement, values)
            has_claimed = effect.require_completions(connection, values, changed, self._patiently)
            self.file.guard.refuse_if_moved(self._identity, self._beside)
        except BaseException as error:
            if is_refused(error):
                return None
            self._abandon(error)
            raise
        self.checkpoint.grew(size_bytes, connection)
        return has_claimed

    def _transact(self, work: Callable[[sqlite3.Connection, *Ts], T], *arguments: *Ts, prepared: bool = False) -> T:
        try:
            connection = self._ready(prepared=prepared)
            self._execute(connection, "BEGIN IMMEDIATE")
            self._refuse_new_triggers(connection)
            value = work(connection, *arguments)
            if not connection.in_transaction:  # SQLite rolled back by itself, and later statements stand alone
                raise StorageUnavailableError(self.file.path, "the transaction was rolled back by the database")
            self.file.guard.refuse_if_moved(self._identity, self._beside)
            self._execute(connection, "COMMIT")
        except BaseException as error:
            self._abandon(error)
            raise
        return value

    def _execute(self, connection: sqlite3.Connection, statement: str, values: Sequence[Any] = ()) -> int:
        return self._turns.execute(connection, statement, values, patience_seconds=self._patience_seconds)

    def _patiently(self, call: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return busy.patiently(call, *arguments, path=self.file.path, patience_seconds=self._patience_seconds)

    def _refuse_new_triggers(self, connection: sqlite3.Connection) -> None:
        """Refuse to write if the schema changed and has a trigger now: a trigger could undo a write in silence."""
        (schema,) = connection.execute("PRAGMA schema_version").fetchone()
        if schema != self._schema:
            trigger = connection.execute(effect.TRIGGERS).fetchone()
            if trigger is not None:
                raise effect.planted(self.file.path, *trigger)
            self._schema = schema

    def _ready(self, *, prepared: bool) -> sqlite3.Connection:
        """Return the connection without an open transaction; ``prepared``: with the views of ``fast_insert``."""
        connection = self.connection
        if connection is None:
            connection = self._connect()
        if connection.in_transaction:  # a second interrupt came before the rollback after the first one
            connection.rollback()
        if prepared and not self._is_prepared:
            for statement in compiled.fast_insert_views():
                self._execute(connection, statement)
            self._is_prepared = True
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = self._open()
        try:
            # No code of Python: sqlite3 would swallow an interrupt that came inside of it.
            connection.create_function(compiled.NOTE_COMPLETED, 1, self.noted_jobs.append)
            self._is_prepared, self._schema = False, None
            self._identity, self._beside = self.file.guard.identity(), self.file.guard.beside()
            self.checkpoint.count_wal()
        except BaseException:
            connection.close()
            raise
        self.connection = connection  # last: a connection that an interrupt left half ready is never used
        return connection

    def _is_sound_after(self, error: BaseException) -> bool:
        """Whether the connection may be used again: not after an I/O error, nor if its file was removed or replaced."""
        certain = not isinstance(error, UNREADABLE) or isinstance(error, sqlite3.IntegrityError) or is_busy(error)
        return certain and self.file.guard.identity() == self._identity

    def scrub_wal(self, touch: Callable[[sqlite3.Connection], object], what: str) -> None:
        """Remove every earlier transaction from the WAL; ``touch`` is a small write that follows them.

        After a complete checkpoint the next commit starts the WAL again, and cuts it off behind itself.

        Raises:
            ErasureUnfinished: a reader was active all the time; ``what`` was deleted, and is still in the WAL.
        """
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            try:
                self._copy_all_of_the_wal(self._set("journal_size_limit = 0"), what)
                self.write_locked(touch)
            finally:
                self.disconnect()

    def give_room_back(self) -> None:
        """Shrink the file to its content in one transaction, if much is free; the next checkpoint cuts the file off."""
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            self.disconnect()  # no statement may be under way
            connection = self._set()
            try:
                ((pages, free, size),) = self._patiently(lambda: connection.execute(_SIZES).fetchall())
                left_bytes = (pages - free) * size
                if free * size < _FREE_BYTES_MIN or free < pages * _FREE_SHARE_MIN or left_bytes > _REBUILT_BYTES_MAX:
                    return
                self._execute(connection, "VACUUM")
                self.checkpoint.wal_bytes += left_bytes
            except BaseException as error:
                self._abandon(error)
                raise
            finally:
                self.disconnect()

    def _copy_all_of_the_wal(self, connection: sqlite3.Connection, what: str) -> None:
        wait = Wait(self.file.path, self.file.lock_timeout_seconds)
        while not self.checkpoint.run(connection):
            why, waited = self.checkpoint.failure, self.file.lock_timeout_seconds - wait.left_seconds
            if not wait.left_seconds or isinstance(why, StorageFullError):  # to wait longer does not make room
                others = [pid for pid in who_has_open(self.file.path) if pid != os.getpid()]
                raise ErasureUnfinished(self.file.path, what, waited, others, getattr(why, "reason", "")) from why
            wait.log()
            time.sleep(0.005)

    def migrate(self, work: Callable[[sqlite3.Connection], T], *, first: Callable[[sqlite3.Connection], object]) -> T:
        """:meth:`write` for a migration, which may rebuild tables; durable when this returns.

        No other connection is open from before ``first``, which runs outside of the transaction, until after the
        commit: a process that connected in between would work on with the older schema. With foreign keys on,
        rebuilding a table deletes the rows that refer to it; and views would forbid renaming a table.

        Raises:
            StoreBusy: a program that does not take the open lock has a connection open.
        """
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            try:
                self.disconnect()
                self.alone = True
                first(self._set("foreign_keys = OFF", "legacy_alter_table = ON"))
                return self._transact(work)
            finally:
                self.alone = False
                self.disconnect()

    def copy_wal(self) -> None:
        """Copy all of the WAL into the file, which nobody else has open.

        Closing the last connection copies the WAL, too, but reports no failure.

        Raises:
            CheckpointStoreError: not all of the WAL could be copied: the disk is full, or a reader was active.
        """
        refuse_inner_call(self.lock, self.file.path)
        with self.lock:
            connection = self._set()
            try:
                if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # busy
                    raise StoreBusy(self.file.path, 0.0)
            except BaseException as error:
                self._abandon(error)
                raise

    def _set(self, *pragmas: str) -> sqlite3.Connection:
        """Return the connection with these pragmas, which hold until it is closed."""
        try:
            connection = self._ready(prepared=False)
            for pragma in pragmas:
                self._execute(connection, f"PRAGMA {pragma}")
        except BaseException as error:
            self._abandon(error)
            raise
        return connection
