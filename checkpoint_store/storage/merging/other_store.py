"""Make a private copy of another store, with the newest schema. The other store is neither locked nor written."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from checkpoint_store.errors import StorageUnavailableError, StoreDamaged, StoreTargetError
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage import backup
from checkpoint_store.storage.checks import integrity
from checkpoint_store.storage.checks.sqlite_siblings import ALONE, open_copy, reason_foreign
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.errors import translated
from checkpoint_store.storage.connection.open_lock import Presence, alone, store_lock
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.statements import save_state
from checkpoint_store.storage.target import EMPTY, inspect
from checkpoint_store.storage.upgrade import migrate
from checkpoint_store.system.files import create_private, storage_errors, temporary_path
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from checkpoint_store.model.state.state import ProcessingState


@contextmanager
def copy_of_store(
    other: Path, beside: Path, timeout_seconds: float, *, remedy: str | None = None
) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a copy of the store at ``other``, as it is now; processes may be at work on it.

    The chunks that a runner had in hand are in doubt in the copy: a later merge brings their outcome.

    ``beside``: this store. The copy is made beside it, and removed at the end. ``remedy``: what to do about a damaged
    store; by default recover it.
    """
    if not is_there(other):
        raise StoreTargetError(other, "there is no such file")
    remedy = remedy or f"Mend it first: recover_store({str(other)!r})"
    presence = Presence(other, timeout_seconds=timeout_seconds, create=False)
    reading = ReadOnlyDatabase(other, lock_timeout_seconds=timeout_seconds, presence=presence)

    def fill(copy: Path) -> None:
        try:
            _copy(reading, copy, beside)
            backup.end_runners(copy)
            _upgrade(copy)
        except StoreDamaged as error:
            raise StoreDamaged(other, error.reason, job_id=error.job_id, remedy=remedy) from error

    @contextmanager
    def sound() -> Iterator[sqlite3.Connection]:
        with _filled(beside, timeout_seconds, fill) as connection:
            _refuse_damaged(connection, other, remedy)  # takes long, and needs no lock
            yield connection

    with closing(reading), ExitStack() as stack:
        try:
            connection = stack.enter_context(sound())
        except StoreDamaged as error:  # SQLite also says so where the disk failed a read once
            log.warning("%s: the copy of it is damaged, and is made once more: %s", other, error.reason)
            connection = stack.enter_context(sound())
        yield connection


def _refuse_damaged(connection: sqlite3.Connection, other: Path, remedy: str) -> None:
    with translated(other):
        try:
            problem = next(integrity.problems_of(connection, other), None)
        except StoreDamaged as error:
            raise StoreDamaged(other, error.reason, job_id=error.job_id, remedy=remedy) from error
    if problem is not None:
        raise StoreDamaged(other, str(problem), remedy=remedy)


def _copy(reading: ReadOnlyDatabase, copy: Path, beside: Path) -> None:
    try:
        if inspect(reading) == EMPTY:
            raise StoreTargetError(reading.path, "it is empty")
        backup.back_up(reading, copy, like=beside)
    except StorageUnavailableError:
        # A WAL without its index, as it is copied from a dead machine: only a writer can read it.
        with alone(reading.path, create=False) as free, openings.lock:
            if not free:
                raise
            _copy_files(reading.path, copy, beside)
        reason = reason_foreign(copy)
        if reason is not None:
            raise StoreDamaged(reading.path, reason) from None


def _copy_files(other: Path, copy: Path, beside: Path) -> None:
    """Copy a store that nobody has open, file by file."""
    for source, target in zip((other, *StoreFiles(other).of_sqlite), (copy, *StoreFiles(copy).of_sqlite), strict=True):
        if has_bytes(source) and source != StoreFiles(other).shm:
            create_private(target, like=beside)
            shutil.copyfile(source, target)


@contextmanager
def store_of_state(state: ProcessingState, beside: Path, timeout_seconds: float) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a store that is made of a state; see :func:`copy_of_store`."""

    def fill(copy: Path) -> None:
        create_private(copy, like=beside)
        _upgrade(copy, lambda connection: save_state.save(connection, state, copy, replace=False))

    with _filled(beside, timeout_seconds, fill) as connection:
        yield connection


@contextmanager
def _filled(beside: Path, timeout_seconds: float, fill: Callable[[Path], None]) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the file that ``fill`` makes; the file is removed at the end.

    The next holder of the lock sweeps the files of a killed merge. It may also remove the name of a copy in use: the
    copy is open by then, and no other file is opened beside it.
    """
    copy = temporary_path(beside)
    try:
        with store_lock(beside, timeout_seconds):
            Siblings(beside).remove_unfinished()
            connection = _made(copy, fill)
        with closing(connection):
            yield connection
    finally:
        StoreFiles(copy).remove()


def _made(copy: Path, fill: Callable[[Path], None]) -> sqlite3.Connection:
    with translated(copy), storage_errors(copy):
        fill(copy)
        connection = open_copy(copy, ALONE)
        try:
            connection.execute("SELECT count(*) FROM jobs").fetchone()  # opens the file
        except BaseException:
            connection.close()
            raise
    return connection


def _upgrade(copy: Path, work: Callable[[sqlite3.Connection], object] | None = None) -> None:
    database = Database(copy, durability="process", lock_timeout_seconds=10.0)
    try:
        if migrate.current_version(database) != SCHEMA_VERSION:
            migrate.upgrade(database, SCHEMA_VERSION, keeps_copy=False)
        if work is not None:
            database.write(work)
        database.writer.copy_wal()  # the file is read without its WAL
    finally:
        database.close()
