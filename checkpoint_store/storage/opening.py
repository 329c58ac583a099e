"""Open a store file. Create, upgrade or recover it first if necessary."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import StorageUnavailableError, StoreBusy, StoreDamaged, StoreInUse, StoreTargetError
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage import opening_checks as checks
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.open_lock import Presence, Wait, alone, exclusively, store_lock
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.destination import refuse_namesake, refuse_removed_name
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.files.sibling_check import make_private, refuse_foreign, refuse_unreadable, why_unwritable
from checkpoint_store.storage.target import EMPTY, check_version, inspect, missing_from, no_store
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.files import create_private, storage_errors
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_on_read_only_system, is_there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.recovery.recover import RecoveryReport


class Opener:
    """Opens one store file.

    Args:
        path: the store file.
        state_files: its state file and the ``.bak`` of the state file; a recovery reads them.
        durability: see :class:`CheckpointStore`.
        lock_timeout_seconds: how long to wait for other processes.
    """

    def __init__(
        self, path: Path, state_files: Sequence[Path], *, durability: Durability, lock_timeout_seconds: float
    ) -> None:
        self.path = path
        self._files = StoreFiles(path)
        self.state_files = tuple(state_files)
        self.durability = durability
        self.lock_timeout_seconds = lock_timeout_seconds
        self.report: RecoveryReport | None = None
        """The report of the recovery that this opening made, if any."""

    @importing()
    def open_read_only(self) -> ReadOnlyDatabase:
        """Open the store without creating, changing or locking anything."""
        if not is_there(self.path):
            raise no_store(self.path, self.state_files)
        refuse_unreadable(self.path)
        presence = self._presence(create=False)
        database = ReadOnlyDatabase(self.path, lock_timeout_seconds=self.lock_timeout_seconds, presence=presence)
        try:
            version = inspect(database, self.state_files)
            if version == EMPTY:
                raise no_store(self.path, self.state_files)
            check_version(self.path, version)
            checks.check_columns(database)
        except BaseException:
            database.close()
            raise
        return database

    def _presence(self, *, create: bool) -> Presence:
        return Presence(self.path, timeout_seconds=self.lock_timeout_seconds, create=create)

    @importing()  # a new, an older or a damaged store needs modules that a sound one does not
    def open(self, *, migrate: bool = True, is_owner_checked: bool = False) -> Database:
        """Open the store. Create, upgrade or recover it first if necessary.

        ``is_owner_checked``: the caller has just called :func:`refuse_foreign`.

        Raises:
            StoreDamaged: it is damaged, and its copies do not have all that is lost.
            StoreTargetError: another store in its folder has the same siblings.
        """
        if not is_owner_checked:
            refuse_foreign(self.path)
        refuse_removed_name(self.path)
        refuse_namesake(self.path)
        try:
            database = self._open_sound(migrate=migrate)
        except StoreDamaged:
            database = self._open_repaired(migrate=migrate)
        if is_there(self._files.recovered):
            self._drop_unneeded_recovery(database)
        return database

    def _drop_unneeded_recovery(self, database: Database) -> None:
        from checkpoint_store.storage.recovery import recover  # a sound store never comes here

        try:
            with store_lock(self.path, self.lock_timeout_seconds):
                recover.drop_unneeded(self.path)
        except BaseException:
            database.close()
            raise

    @importing()
    def recover(self, reason: str, *, accept_loss: bool) -> RecoveryReport:
        """Recover the store from every copy, whatever its state; see :func:`recover.recover`."""
        from checkpoint_store.storage.recovery import recover  # a sound store never comes here

        with exclusively(self.path, self.lock_timeout_seconds), storage_errors(self.path):
            report = recover.recover(self.path, self.state_files, reason, accept_loss=accept_loss)
            log.warning("%s", report)
            return report

    @importing()
    def move_to(self, to: str, *, up: bool) -> None:
        """Bring the store to another schema than the newest, under the same guards as an upgrade.

        Raises:
            StoreInUse: somebody has the store open, and may need what the change takes away.
        """
        from checkpoint_store.storage.upgrade import migrate  # imports Alembic

        with exclusively(self.path, self.lock_timeout_seconds):
            database = self._database()
            try:
                (migrate.upgrade if up else migrate.downgrade)(database, to)
            finally:
                database.close()

    def _open_repaired(self, *, migrate: bool) -> Database:
        """Repair a damaged store once nobody has it open, or open it once somebody else has repaired it."""
        wait = Wait(self.path, self.lock_timeout_seconds)
        while True:
            with store_lock(self.path, self.lock_timeout_seconds), alone(self.path) as free:
                if free:
                    self._repair(migrate=migrate)
            try:
                return self._open_sound(migrate=migrate)
            except StoreDamaged as error:
                if free:
                    raise
                try:
                    wait.a_moment()
                except StoreInUse as busy:
                    who = f"process {', '.join(map(str, busy.holders))}" if busy.holders else "another process"
                    reason = f"{error.reason}; {who} has it open: end it, and open the store again"
                    raise StoreDamaged(self.path, reason) from error

    def _repair(self, *, migrate: bool) -> None:
        """Recover a damaged store, unless another process was faster. Call it while nobody else has the store open."""
        from checkpoint_store.storage.recovery import recover  # a sound store never comes here

        try:
            self._open_sound(migrate=migrate, is_alone=True).close()
        except StoreDamaged as error:
            with storage_errors(self.path):
                if recover.was_interrupted(self.path):
                    self.report = recover.finish_interrupted(self.path, self.state_files)
                else:
                    self.report = recover.recover(self.path, self.state_files, error.reason)
            log.warning("%s", self.report)

    def _open_sound(self, *, migrate: bool, is_alone: bool = False) -> Database:
        """Open a sound store, and create or upgrade it first. ``is_alone``: the caller keeps everybody else out."""
        missing = missing_from(self.path, self.state_files)
        if missing is not None:
            raise StoreDamaged(self.path, missing)
        # A WAL or a journal is there: the last process was killed, or a process is at work.
        unclean = has_bytes(self._files.wal) or has_bytes(self._files.journal)
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
        make_private(self.path, self.state_files)
        database = self._database(presence)
        try:
            check_version(self.path, inspect(database, self.state_files))
            checks.check_columns(database)
            checks.refuse_triggers(database)
            checks.check_contents(database, unclean=unclean)
            checks.compare_with_backup(database)
        except BaseException:
            database.close()
            raise
        return database

    def _database(self, presence: Presence | None = None) -> Database:
        timeout = self.lock_timeout_seconds
        return Database(self.path, durability=self.durability, lock_timeout_seconds=timeout, presence=presence)

    def _inspect_unclean(self, *, is_alone: bool) -> str:
        """Return the schema version of a file with a WAL beside it, which is in use or was left by a killed process."""
        # The lock is not created here: nobody knows yet whether the file is a store.
        with nullcontext(True) if is_alone else alone(self.path, create=False) as free:
            if not free:
                return self._inspect_target()
            checks.refuse_foreign_wal(self.path, self.lock_timeout_seconds)
            # Only a writer can read this WAL: it may have no index, after a power cut or where it was copied. And a
            # reader that cannot write the index tries for ten seconds to read a WAL without a whole transaction.
            return self._inspect_target(as_writer=True)

    def _inspect_target(self, *, as_writer: bool = False) -> str:
        """Return the schema version of a file that will be written. Nothing is changed."""
        try:
            return self._inspect_now(as_writer=as_writer)
        except (StoreTargetError, StorageUnavailableError):
            if is_there(self.path) or not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise
            return EMPTY  # the process that made it a moment ago found it in use, and removed it again

    def _inspect_now(self, *, as_writer: bool) -> str:
        path = self.path
        if not is_there(path):
            if not os.access(path.parent, os.W_OK | os.X_OK):
                if is_on_read_only_system(path.parent):
                    remedy = "mount it for writing, or choose another folder"
                    raise StoreTargetError(path, f"its file system is read-only; {remedy}")
                raise StoreTargetError(path, f"no permission to create files in {path.parent}")
            return EMPTY
        if not os.access(path, os.R_OK | os.W_OK):
            reason, remedy = why_unwritable(path)
            to_read = ", or open it with read_only=True to read" if os.access(path, os.R_OK) else ""
            raise StoreTargetError(path, f"{reason}; {remedy}{to_read}")
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
            StoreInUse: somebody had the store open all the time, and would work on with the older schema.
        """
        wait = Wait(self.path, self.lock_timeout_seconds)
        while True:
            with store_lock(self.path, self.lock_timeout_seconds):
                if self._inspect_target() == SCHEMA_VERSION:
                    return
                # StoreBusy: a program that shares no lock came in just now.
                with alone(self.path) as free, suppress(StoreBusy):
                    if free:
                        self._make_current()
                        return
            wait.a_moment()

    def _make_current(self) -> None:
        """Create the file, or upgrade it. Call it with the lock file held, while nobody else has the store open."""
        from checkpoint_store.storage.upgrade import migrate  # imports Alembic; a current store never comes here

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
    with storage_errors(path):
        try:
            create_private(path)
        except FileExistsError:
            return False
    return True
