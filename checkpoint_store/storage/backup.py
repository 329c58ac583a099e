"""Copies of a store that is in use, made by SQLite and verified before they count."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, StoreBusy, StoreDamaged
from checkpoint_store.model.clock import now
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage.checks.same_content import hold_deleted, holds_the_same
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.surplus_files import has_sound_results, surplus
from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.files import (
    create_private,
    free_bytes,
    remove_file,
    storage_errors,
    sync_folder,
    temporary_path,
)
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase

_COPYING_TIME_SHARE: Final = 0.02
"""The share of the elapsed time that rolling backups may take."""
_COPYING_CREDIT_SECONDS: Final = 0.25
_INTERVAL_SECONDS: Final = 60.0
_GROWTH: Final = 4.0
"""While a job runs without a state file, copy the store when it is this many times as large as its last copy."""
_AGE_SECONDS_MAX: Final = 3600.0
"""While a job runs, copy the store when the last copy is this old."""
_SHARE_OF_FREE_SPACE: Final = 0.2


def back_up(database: AnyDatabase, target: Path, *, like: Path | None = None) -> None:
    """Copy the store as it is now to ``target`` (mode 0600), whole, verified and durable, or not at all.

    Root gives the copy to the owner of ``like``, by default of the store.
    """
    database.read(copy_to, database.path, target, like=like)


def copy_to(connection: sqlite3.Connection, store: Path, target: Path, *, like: Path | None = None) -> None:
    """Copy what a connection reads of ``store`` to ``target``; see :func:`back_up`."""
    # This takes the lock: sqlite3's backup would wait for it for ever.
    connection.execute("PRAGMA schema_version").fetchone()
    partial = temporary_path(target)
    with storage_errors(target):
        create_private(partial, like=like or store)  # before SQLite, which would create it with the mode of the umask
        try:
            _copy(connection, partial)
            verify(partial)
            os.replace(partial, target)
        except BaseException as error:
            StoreFiles(partial).remove()
            if isinstance(error, StoreDamaged):  # the copy is as damaged as the store, and removed
                raise StoreDamaged(store, error.reason) from error
            raise
        sync_folder(target.parent)


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    def fill() -> None:
        with closing(_open(target)) as copy:
            copy.execute("PRAGMA synchronous = EXTRA")
            connection.backup(copy)
            # A copy at rest is one file. In WAL mode, opening it would look for a WAL.
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()

    with sqlite_errors.translated(target):
        sqlite_errors.repeated_once(fill, target)


def verify(target: Path) -> None:
    """Raise :class:`StoreDamaged` unless the file at ``target``, which no one has open, is a sound database."""
    with closing(_open(target)) as copy, sqlite_errors.translated(target):
        (verdict,) = sqlite_errors.verdict_of(copy, "integrity_check(1)", target)
    if verdict != "ok":
        raise StoreDamaged(target, f"the copy does not verify: {sqlite_errors.in_one_line(verdict)}")


def end_runners(target: Path) -> None:
    """End the runners in a copy, which no process has open: the chunks that they had claimed are in doubt.

    The lock files of the runners belong to the original store. Nobody knows how the attempts in work ended, so they do
    not count.
    """
    moment = now()
    with closing(_open(target)) as copy, sqlite_errors.translated(target):
        tables = "SELECT count(*) > 1 FROM sqlite_master WHERE name IN ('attempts', 'runners')"
        if copy.execute(tables).fetchone() == (0,):
            return  # an older schema
        copy.execute("PRAGMA journal_mode = MEMORY").fetchone()
        copy.execute("PRAGMA synchronous = EXTRA")
        copy.execute("BEGIN")
        in_doubt = "UPDATE attempts SET outcome = 'abandoned', counted = 0, finished_at = ? WHERE outcome = 'running'"
        copy.execute(in_doubt, (moment,))
        copy.execute("UPDATE runners SET ended_at = ? WHERE ended_at IS NULL", (moment,))
        copy.execute("COMMIT")
    verify(target)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)


# -- automatic backups, beside the store: NAME.backup-VERSION-NUMBER


def thin_out(path: Path, is_sound: Callable[[Path], bool] = has_sound_results) -> None:
    """Remove the automatic backups of each schema version that nothing needs; see :func:`surplus`."""
    by_version: dict[str, list[Path]] = {}
    for _, version, backup in Siblings(path).numbered_backups():
        by_version.setdefault(version, []).append(backup)
    for backups in by_version.values():
        for backup in surplus(backups, is_sound):
            _remove_old(backup)


def _remove_old(backup: Path) -> None:
    try:
        backup.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the old backup %s cannot be removed: %s", backup, error)


def remove_backups(path: Path) -> list[Path]:
    """Remove every automatic backup, so that no backup has what was deleted from the store.

    Returns the backups that cannot be removed; the log says why.
    """
    left: list[Path] = []
    for backup in Siblings(path).backups():
        try:
            remove_file(backup)
        except CheckpointStoreError as error:
            log.warning("the backup %s, which may have what was deleted, cannot be removed: %s", backup, error)
            left.append(backup)
    return left


BackupVersion = tuple[int, int]
"""Inode and time of change. They tell apart two backups of one name: after all are removed, numbers begin anew."""


def version_of(path: Path) -> BackupVersion | None:
    """Return what tells the backup at a path from an earlier backup there; None if the file cannot be looked at."""
    status = status_of(path)
    return None if status is None else (status.st_ino, status.st_mtime_ns)


class RollingBackup:
    """Backs a store up when a job ends and from time to time in between, at a small share of time and space.

    ``follows_growth``: no state file keeps the results of a running job, so copies are made as the store grows.
    Otherwise a first copy, which has the plan, is made soon after the beginning, and then one copy each hour.
    """

    def __init__(self, database: AnyDatabase, lock: Path, *, follows_growth: bool) -> None:
        self._database = database
        self._follows_growth = follows_growth
        self._path = database.path
        self._lock = lock
        self._credit = _COPYING_CREDIT_SECONDS
        self._counted_at = time.monotonic()
        self.due_at = self._counted_at + _INTERVAL_SECONDS
        """When (``time.monotonic()``) to look at the store's size next."""
        self._made_at = self._counted_at
        self._copied_bytes = 0
        self._in_between: tuple[Path, BackupVersion | None] | None = None
        """The copy that this process made while a job ran."""

    def make_if_due(self, moment: float) -> Path | None:
        """Back up if the store has grown enough since the last copy, or the last copy is too old; see :meth:`make`."""
        self.due_at = moment + _INTERVAL_SECONDS
        grew = (self._follows_growth or not self._copied_bytes) and self._size() >= self._copied_bytes * _GROWTH
        if not grew and moment - self._made_at < _AGE_SECONDS_MAX:
            return None
        return self.make(in_between=True)

    def _newest(self) -> Path | None:
        """Return the newest automatic backup if it has the newest schema; None if it has not, or no backup is there."""
        _, version, newest = next(iter(Siblings(self._path).numbered_backups()), (0, "", None))
        return newest if version == SCHEMA_VERSION else None

    def _size(self) -> int:
        """Return how large a copy would be, including the pages that are only in the WAL."""
        names = ("page_count", "page_size")
        (pages,), (page_bytes,) = (self._database.read_row(f"PRAGMA {name}", ()) or (0,) for name in names)
        return int(pages * page_bytes)

    def make(self, *, in_between: bool = False) -> Path | None:
        """Back up unless that would take more than its share, or the newest backup has the same content.

        ``in_between``: while a job runs; otherwise a job ends.
        A failure of the backup does not disturb the store. Returns the backup with the present content; None if no
        backup has it.
        """
        moment = time.monotonic()
        self.due_at = moment + _INTERVAL_SECONDS
        self._credit = min(_COPYING_CREDIT_SECONDS, self._credit + (moment - self._counted_at) * _COPYING_TIME_SHARE)
        self._counted_at = moment
        if self._credit <= 0:
            log.info("no automatic backup of %s: the last ones took more than their share of time", self._path)
            return None
        reason = self._reason_against()
        if reason is not None:
            log.warning("no automatic backup of %s: %s", self._path, reason)
            return None
        try:
            with file_lock(self._lock, 0.0, like=self._path):
                backup = self._make_locked(in_between=in_between)
                if backup is not None:
                    self._made_at, self._copied_bytes = moment, backup.stat().st_size
                return backup
        except StoreBusy as error:
            log.info("no automatic backup of %s: %s holds its lock", self._path, error.holder)
            return None
        except Exception as error:  # out of descriptors or memory: the store is not affected
            log.warning("no automatic backup of %s: %s", self._path, error)
            return None
        finally:
            self._credit -= time.monotonic() - moment

    def _make_locked(self, *, in_between: bool) -> Path | None:
        Siblings(self._path).remove_unfinished()
        newest = self._newest()
        if newest is not None and holds_the_same(self._database, newest):
            # Another backup would push out an older backup that differs.
            log.debug("no automatic backup of %s: %s holds all of it", self._path, newest.name)
            return newest
        older, target = Siblings(self._path).backups(), Siblings(self._path).next_backup(SCHEMA_VERSION)
        back_up(self._database, target)
        if hold_deleted(self._database, [target]):  # another process has removed all other backups meanwhile
            log.info("no automatic backup of %s: a job was deleted while it was made", self._path)
            target.unlink()
            return None
        if hold_deleted(self._database, older):  # a deletion was killed, and no open has ended it
            for backup in older:
                _remove_old(backup)
        is_sound = cache(has_sound_results)  # it reads each result
        self._replace_in_between(target, is_sound, in_between=in_between)
        thin_out(self._path, is_sound)
        return target

    def _replace_in_between(self, made: Path, is_sound: Callable[[Path], bool], *, in_between: bool) -> None:
        """Remove the last copy that this process made while a job ran: the new copy has the same job, and more.

        The last copy stays if a result in the new copy is damaged. With ``on_backup``, copies may be under way to
        another machine: they stay until two newer copies are there.
        """
        last, self._in_between = self._in_between, (made, version_of(made)) if in_between else None
        if last is not None and not self._follows_growth:
            path, version = last
            if version_of(path) == version is not None and is_sound(made):
                _remove_old(path)

    def _reason_against(self) -> str | None:
        """Return why the disk has no room for a copy; None if it has."""
        free = free_bytes(self._path)
        try:
            size = self._path.stat().st_size
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
        if free is None or size < free * _SHARE_OF_FREE_SPACE:
            return None
        return f"it would take more than {_SHARE_OF_FREE_SPACE:.0%} of the free space"
