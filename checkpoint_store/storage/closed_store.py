"""The verbs of a store that is not open: recover, restore and migrate it, and read its schema version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import CheckpointStoreError, SchemaTooNew, StoreDamaged, StoreTargetError
from checkpoint_store.model.store_file import SCHEMA_VERSION, check_lock_timeout
from checkpoint_store.storage import destination
from checkpoint_store.storage.checks import integrity
from checkpoint_store.storage.connection.open_lock import exclusively
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.files.sibling_check import refuse_unreadable
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.merging.other_store import copy_of_store
from checkpoint_store.storage.opening import Opener
from checkpoint_store.storage.recovery.doctor import TIMEOUT_SECONDS
from checkpoint_store.storage.recovery.restore import LeftBehind, left_behind, put_backup
from checkpoint_store.storage.target import EMPTY, inspect
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.storage.recovery.recover import RecoveryReport

_REMEDY: Final = "Choose another backup."


class CheckedBackup(NamedTuple):
    """A backup that may take the place of a store: it is sound, whatever its schema."""

    path: Path
    schema_version: str

    @property
    def is_current(self) -> bool:
        """Whether the backup has the newest schema."""
        return self.schema_version == SCHEMA_VERSION


class Restored(NamedTuple):
    """What a restore did."""

    moved_aside: tuple[Path, ...]
    """The files that were moved aside, the replaced store first."""
    left_behind: LeftBehind


class ClosedStore:
    """A store file that this process has not opened. Each verb that writes keeps every other process out meanwhile.

    ``state_files``: its state file and the ``.bak`` of the state file; a recovery reads them.
    """

    def __init__(self, path: Path, state_files: Sequence[Path], *, lock_timeout_seconds: float) -> None:
        check_lock_timeout(lock_timeout_seconds)
        self.path: Final = path
        self.state_files: Final = tuple(state_files)
        self._lock_timeout_seconds = lock_timeout_seconds

    def _opener(self) -> Opener:
        timeout = self._lock_timeout_seconds
        return Opener(self.path, self.state_files, durability="power-loss", lock_timeout_seconds=timeout)

    def schema_version(self) -> str | None:
        """Return the schema version of the file; None for an empty file. Writes nothing.

        Raises:
            SchemaTooNew: a newer version of this library wrote the file.
            StoreTargetError: the file is another program's.
        """
        version = inspect(ReadOnlyDatabase(self.path, lock_timeout_seconds=TIMEOUT_SECONDS), self.state_files)
        return None if version == EMPTY else version

    # -- recover

    def recover(self, *, accept_loss: bool) -> RecoveryReport:
        """Make the store anew from every surviving copy. Durable when this returns; after an error nothing was changed.

        Raises:
            StoreDamaged: something that a copy knows of would be lost, and ``accept_loss`` is not set.
            SchemaTooNew: a newer version of this library wrote the file.
            StoreTargetError: the file is another program's, there is neither a store nor a copy, or this process may
                not read a file.
            StoreInUse: somebody had the store open for the whole time-out.
        """
        self._refuse_missing()
        self._refuse_unreadable(accept_loss=accept_loss)
        self._refuse_newer()
        destination.refuse_to_take(self.path, self.state_files)
        return self._opener().recover("a recovery was asked for", accept_loss=accept_loss)

    def _refuse_missing(self) -> None:
        files = StoreFiles(self.path)
        copies = (self.path, files.wal, files.recovered, *Siblings(self.path).backups(), *self.state_files)
        if not any(os.path.lexists(copy) for copy in copies):
            raise StoreTargetError(self.path, "there is no such file, no backup of it and no state file")

    def _refuse_unreadable(self, *, accept_loss: bool) -> None:
        """Refuse files that this process may not read: a sound store, or the newest copy, would count as lost."""
        files, beside = StoreFiles(self.path), Siblings(self.path)
        copies = () if accept_loss else (*beside.backups(), *self.state_files)
        for path in (self.path, files.wal, files.journal, *copies):
            if is_there(path):
                refuse_unreadable(path)

    def _refuse_newer(self) -> None:
        """Refuse a file whose schema has more than a store of this version: the rest would be lost without a notice."""
        if not has_bytes(self.path):
            return
        try:
            inspect(ReadOnlyDatabase(self.path, lock_timeout_seconds=self._lock_timeout_seconds), self.state_files)
        except SchemaTooNew:
            raise
        except CheckpointStoreError as error:  # damage is what a recovery is for: it examines the file itself
            log.debug("%s is to be recovered: %s", self.path, error)

    # -- restore

    def check_backup(self, backup: Path) -> CheckedBackup:
        """Check that a backup may take the place of this store. A backup of an older schema is checked in a copy.

        Raises:
            StoreTargetError: ``backup`` is no store file, is empty, or is this store.
            StoreDamaged: ``backup`` is damaged.
            SchemaTooNew: a newer version of this library wrote ``backup``.
        """
        if not is_there(backup) or backup == self.path:
            raise StoreTargetError(backup, "there is no such file" if backup != self.path else "it is the store itself")
        reading = ReadOnlyDatabase(backup, lock_timeout_seconds=TIMEOUT_SECONDS)
        version = inspect(reading)
        if version == EMPTY:
            raise StoreTargetError(backup, "it is empty")
        if version == SCHEMA_VERSION:
            problems = integrity.check(reading)
            if problems:
                raise StoreDamaged(backup, f"{problems[0]}", remedy=_REMEDY)
        else:
            with copy_of_store(backup, self.path, self._lock_timeout_seconds, remedy=_REMEDY):
                pass  # the checks of a store need the current schema
        return CheckedBackup(backup, version)

    def restore(self, backup: CheckedBackup) -> Restored:
        """Put a backup in the place of this store. Durable when this returns.

        Raises:
            StoreTargetError: this store is another program's file. Nothing was changed.
            StoreInUse: somebody had the store open for the whole time-out. Nothing was changed.
        """
        destination.refuse_removed_name(self.path)
        destination.refuse_to_take(self.path, self.state_files)
        reading = ReadOnlyDatabase(backup.path, lock_timeout_seconds=TIMEOUT_SECONDS)
        with exclusively(self.path, self._lock_timeout_seconds):
            compared = left_behind(reading, self.path, self._lock_timeout_seconds)
            moved = put_backup(reading, self.path, self.state_files[0])
        names = ", ".join(file.name for file in moved)
        log.warning("%s: restored from %s%s", self.path, backup.path, f"; moved aside: {names}" if moved else "")
        return Restored(moved, compared)

    # -- migrate

    def upgrade(self) -> RecoveryReport | None:
        """Bring the store to the newest schema. If it is damaged, recover it first, and return the report.

        Raises:
            MigrationFailed: the file is as it was.
            StoreDamaged: the store is damaged, and its copies do not have all that is lost.
            StoreInUse: somebody had the store open for the whole time-out. Nothing was changed.
        """
        opener = self._opener()
        opener.open().close()
        return opener.report

    def move_to(self, schema_version: str, *, up: bool) -> None:
        """Bring the store to another schema than the newest: a newer one (``up``), or an older one.

        Raises:
            MigrationFailed: the file is as it was.
            StoreInUse: somebody had the store open for the whole time-out. Nothing was changed.
        """
        self._opener().move_to(schema_version, up=up)
