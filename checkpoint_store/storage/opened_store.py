"""Open a store file, and return its verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.storage.opening import Opener
from checkpoint_store.storage.storage import Reading, Storage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.recovery.recover import RecoveryReport


class OpenedFile(NamedTuple):
    """A store file that was opened for reading and writing."""

    storage: Storage
    recovery: RecoveryReport | None
    """The report of the recovery that the opening made; None without a recovery."""


def open_for_reading(path: Path, state_files: Sequence[Path], *, lock_timeout_seconds: float) -> Reading:
    """Open a store file without creating, changing or locking anything.

    Raises:
        StoreTargetError: there is no store, or another program's file.
        SchemaTooOld: a migration is needed first.
        SchemaTooNew: a newer version of this library wrote the file.
        StoreDamaged: the file is damaged.
    """
    opener = Opener(path, state_files, durability="power-loss", lock_timeout_seconds=lock_timeout_seconds)
    return Reading(opener.open_read_only(), state_files)


def open_for_writing(
    path: Path,
    state_files: Sequence[Path],
    *,
    durability: Durability,
    lock_timeout_seconds: float,
    migrate: bool,
    is_owner_checked: bool = False,
    has_backup_hook: bool = False,
) -> OpenedFile:
    """Open a store file for reading and writing. Create, upgrade or recover it first if necessary.

    Args:
        path: the store file.
        state_files: its state file and the ``.bak`` of the state file; a recovery reads them.
        durability: see :class:`CheckpointStore`.
        lock_timeout_seconds: how long to wait for other processes.
        migrate: upgrade a store of an older schema; False: refuse it.
        is_owner_checked: the caller has just called :func:`refuse_foreign`.
        has_backup_hook: something is called with each automatic backup.

    Raises:
        SchemaTooOld: ``migrate`` is False, and the store has an older schema. Nothing was changed.
        SchemaTooNew: a newer version of this library wrote the file. Nothing was changed.
        StoreDamaged: the store is damaged, and its copies do not have all that is lost. Nothing was changed.
    """
    opener = Opener(path, state_files, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
    database = opener.open(migrate=migrate, is_owner_checked=is_owner_checked)
    return OpenedFile(Storage(database, opener.state_files, has_backup_hook=has_backup_hook), opener.report)
