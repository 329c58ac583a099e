"""From a path to an open, current, sound store: created, upgraded or recovered under the lock, or left alone."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import StorageUnavailableError, StoreDamaged, StoreInUse, StoreTargetError
from checkpoint_store.model.versions import RELEASED_VERSIONS, SCHEMA_VERSION
from checkpoint_store.storage import target
from checkpoint_store.storage.backup import remove_backups
from checkpoint_store.storage.connection import errors as sqlite_errors
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.open_lock import Presence, alone, exclusively, wait_or_refuse
from checkpoint_store.storage.connection.openings import Openings
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.file_names import StoreFiles, has_bytes
from checkpoint_store.storage.recovery.integrity import MISCOUNTED
from checkpoint_store.storage.target import EMPTY, check_version, inspect
from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.files import create_private, storage_error, sweep
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from checkpoint_store.storage.connection.pragmas import Durability
    from checkpoint_store.storage.recovery.recover import RecoveryReport

_QUICK_TO_CHECK_BYTES = 8 * 1024 * 1024
"""A file of this size is checked in some milliseconds, so each time; a larger one after an unclean end."""


class Opener:
    """Opens one store file. ``state_files`` are the copies in JSON that may know of it."""

    def __init__(
        self, path: Path, state_files: Sequence[Path], *, durability: Durability, lock_timeout_seconds: float
    ) -> None:
        self.path = path
        self._files = StoreFiles(path)
        self.state_files = tuple(state_files)
        self.durability = durability
        self.lock_timeout_seconds = lock_timeout_seconds
        self.report: RecoveryReport | None = None
        """Of the recovery that opening took, where it took one."""

    def open_read_only(self) -> ReadOnlyDatabase:
        """Open the store without creating, changing or locking anything."""
        if not self.path.exists():
            raise StoreTargetError(self.path, "there is no such file")
        presence = self._presence(create=False)
        database = ReadOnlyDatabase(self.path, lock_timeout_seconds=self.lock_timeout_seconds, presence=presence)
        try:
            version = inspect(database, self.state_files)
            if version == EMPTY:
                raise StoreTargetError(self.path, "it is empty, and read_only=True creates nothing")  # noqa: TRY301
            check_version(self.path, version)
        except BaseException:
            database.close()
            raise
        return database

    def _presence(self, *, create: bool) -> Presence:
        return Presence(self.path, timeout_seconds=self.lock_timeout_seconds, create=create)

    def open(self, *, migrate: bool = True) -> Database:
        """Open the store, creating, upgrading or recovering it first where that is needed.

        Raises:
            StoreDamaged: it is damaged, and bringing back all that any copy knows of is not possible.
        """
        try:
            database = self._open_sound(migrate=migrate)
        except StoreDamaged:
            database = self._open_repaired(migrate=migrate)
        if self._files.recovered.exists():
            self._drop_unneeded_recovery(database)
        return database

    def _drop_unneeded_recovery(self, database: Database) -> None:
        from checkpoint_store.storage.recovery import recover  # noqa: PLC0415 - a sound store never comes here

        try:
            with self._locked():
                recover.drop_unneeded(self.path)
        except BaseException:
            database.close()
            raise

    def recover(self, reason: str, *, accept_loss: bool) -> RecoveryReport:
        """Make the store anew from every copy, whatever its state; see :func:`recover.recover`."""
        from checkpoint_store.storage.recovery import recover  # noqa: PLC0415 - a sound store never comes here

        with exclusively(self.path, self.lock_timeout_seconds), self._storage_errors():
            report = recover.recover(self.path, self.state_files, reason, accept_loss=accept_loss)
            log.warning("%s", report)
            return report

    def downgrade(self, to: str) -> None:
        """Bring the store back to an older schema, under the same guards as an upgrade.

        Raises:
            StoreInUse: somebody has it open; what they do next may need what is taken away.
        """
        from checkpoint_store.storage.upgrade import migrate  # noqa: PLC0415 - imports Alembic

        with exclusively(self.path, self.lock_timeout_seconds):
            database = self._database()
            try:
                migrate.downgrade(database, to)
            finally:
                database.close()

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(self._files.lock, self.lock_timeout_seconds)

    def _open_repaired(self, *, migrate: bool) -> Database:
        """Repair a damaged store once nobody has it open, or open it once somebody else has repaired it."""
        deadline = time.monotonic() + self.lock_timeout_seconds
        while True:
            with self._locked(), alone(self.path) as free:
                if free:
                    self._repair(migrate=migrate)
            try:
                return self._open_sound(migrate=migrate)
            except StoreDamaged as error:
                if free:
                    raise
                try:
                    wait_or_refuse(self.path, deadline, self.lock_timeout_seconds)
                except StoreInUse as busy:
                    who = f"process {', '.join(map(str, busy.holders))}" if busy.holders else "another process"
                    reason = f"{error.reason}; {who} has it open: end it, and open the store again"
                    raise StoreDamaged(self.path, reason) from error

    def _repair(self, *, migrate: bool) -> None:
        """Make a damaged store anew, unless another process was faster. Called with the store for oneself."""
        from checkpoint_store.storage.recovery import recover  # noqa: PLC0415 - a sound store never comes here

        try:
            self._open_sound(migrate=migrate, is_alone=True).close()
        except StoreDamaged as error:
            with self._storage_errors():
                if recover.was_interrupted(self.path):
                    self.report = recover.finish_interrupted(self.path)
                else:
                    self.report = recover.recover(self.path, self.state_files, error.reason)
            log.warning("%s", self.report)

    def _open_sound(self, *, migrate: bool, is_alone: bool = False) -> Database:
        """Open the store as it is, created or upgraded; ``is_alone`` says that the caller has it for itself."""
        missing = target.missing_from(self.path, self.state_files)
        if missing is not None:
            raise StoreDamaged(self.path, missing)
        unclean = self._log_exists()
        version = self._inspect_unclean(is_alone=is_alone) if unclean else self._inspect_target()
        if version != SCHEMA_VERSION:
            if version != EMPTY and not migrate:
                check_version(self.path, version)
            if is_alone:
                self._make_current()
            else:
                self._make_current_alone()
        return self._connected(unclean=unclean, presence=None if is_alone else self._presence(create=True))

    def _connected(self, *, unclean: bool, presence: Presence | None) -> Database:
        database = self._database(presence)
        try:
            check_version(self.path, inspect(database, self.state_files))
            if unclean or self._size() <= _QUICK_TO_CHECK_BYTES:
                database.read(self._quick_check)
            self._compare_with_backup(database)
        except BaseException:
            database.close()
            raise
        return database

    def _compare_with_backup(self, database: Database) -> None:
        """Raise :class:`StoreDamaged` where a backup knows of more: the store lost its log, or went back in time.

        Where it has a job that was deleted since, deleting was killed on its way to the backups, and is ended here.
        """
        for backup in self._files.backups()[:1]:
            from checkpoint_store.storage.recovery.salvage import sidecars  # noqa: PLC0415 - only beside a backup

            its_counts, _ = sidecars.counts_of(backup)
            counts, deleted = database.read(sidecars.known)
            if sidecars.lacks(counts, deleted, its_counts):
                raise StoreDamaged(self.path, f"the backup {backup.name} knows of more completed chunks")
            if deleted.keys() & its_counts.keys():
                log.info("%s: the backups have a job that was deleted, and are removed", self.path)
                remove_backups(self.path)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _database(self, presence: Presence | None = None) -> Database:
        timeout = self.lock_timeout_seconds
        return Database(self.path, durability=self.durability, lock_timeout_seconds=timeout, presence=presence)

    def _log_exists(self) -> bool:
        """Whether a log is there: the last user did not get to close the store, or is still at work."""
        return has_bytes(self._files.wal) or has_bytes(self._files.journal)

    def _inspect_unclean(self, *, is_alone: bool) -> str:
        """Return the schema version of a file with a log beside it, which may be in use, or left by a run that died."""
        # The lock is not created here: nobody knows yet whether the file is a store.
        with nullcontext(True) if is_alone else alone(self.path, create=False) as free:
            if not free:
                return self._inspect_target()
            self._refuse_foreign_log()
            # Whoever may not rebuild its index reads a log that holds nothing whole again and again for ten seconds;
            # and after a power cut, or copied from elsewhere, it has no index. Only a writer can read it.
            return self._inspect_target(as_writer=True)

    def _refuse_foreign_log(self) -> None:
        """Raise :class:`StoreDamaged` where taking in what is beside the file would spoil it. Nobody has it open."""
        from checkpoint_store.storage.recovery.salvage import sidecars  # noqa: PLC0415 - only after an unclean end

        # It is read without locks: to close it would drop those of a connection that another thread opens meanwhile.
        with Openings.lock:
            if not self.path.exists() or Openings.is_open(self.path):
                return
            try:
                found = sidecars.foreign_sidecar(self.path)
            except sqlite3.Error as error:
                raise sqlite_errors.translate(error, self.path, self.lock_timeout_seconds) from error
        if found is not None:
            raise StoreDamaged(self.path, found)

    def _quick_check(self, connection: sqlite3.Connection) -> None:
        # The narrow tables are compared with their keys and indexes as well: a job, or a chunk, that is there and not
        # found would be begun again; and a claim that cannot be written stops all work.
        tables = ("jobs", "completed_chunks", "attempts", "runners", "pauses")
        for pragma in ("quick_check(1)", *(f"integrity_check({table})" for table in tables)):
            (found,) = connection.execute(f"PRAGMA {pragma}").fetchone() or (None,)
            if found != "ok":
                raise StoreDamaged(self.path, " ".join(str(found).removeprefix("*** in database main ***").split()))
        # Pages of different times can each be sound: a log of another moment was beside the file.
        if connection.execute(MISCOUNTED).fetchone() is not None:
            raise StoreDamaged(self.path, "the completed chunks and the results are not as many as they should be")

    def _inspect_target(self, *, as_writer: bool = False) -> str:
        """Return the schema version at a target that will be written, having touched nothing."""
        path = self.path
        if not path.exists():
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise StoreTargetError(path, f"no permission to create files in {path.parent}")
            return EMPTY
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreTargetError(path, "no permission to read and write it; open it with read_only=True to read")
        if not as_writer:
            with suppress(StorageUnavailableError):
                reading = ReadOnlyDatabase(path, lock_timeout_seconds=self.lock_timeout_seconds)
                return inspect(reading, self.state_files)
        database = self._database()
        try:
            return inspect(database, self.state_files)
        finally:
            database.close()

    def _make_current_alone(self) -> None:
        """Create or upgrade the store once nobody has it open, unless another process does so first.

        The lock file is free while this waits: an older version's process may need it for its last export.

        Raises:
            StoreInUse: somebody had the older schema open all the time, and would go on with it.
        """
        deadline = time.monotonic() + self.lock_timeout_seconds
        while True:
            with self._locked():
                if self._inspect_target() == SCHEMA_VERSION:
                    return
                with alone(self.path) as free:
                    if free:
                        self._make_current()
                        return
            wait_or_refuse(self.path, deadline, self.lock_timeout_seconds)

    def _make_current(self) -> None:
        """Create the file, or bring it to the newest schema. Called with the lock file, and the store for oneself."""
        from checkpoint_store.storage.upgrade import migrate  # noqa: PLC0415 - imports Alembic; a current store never comes here

        sweep(self.path)
        created = _create(self.path)
        database = self._database()
        try:
            if inspect(database, self.state_files) != SCHEMA_VERSION:  # else another process was faster
                migrate.upgrade(database, SCHEMA_VERSION)
        except BaseException:
            database.close()
            if created:
                self._files.remove()  # nobody else has seen it: it was made a moment ago, under the lock
            raise
        database.close()


def _create(path: Path) -> bool:
    try:
        create_private(path)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(error, path) from error
    return True


def migration_status(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return the schema version of the file at ``path`` and the revisions above it. Writes nothing."""
    version = inspect(ReadOnlyDatabase(path, lock_timeout_seconds=10.0))
    if version == EMPTY:
        return None, RELEASED_VERSIONS
    return version, RELEASED_VERSIONS[RELEASED_VERSIONS.index(version) + 1 :]
