"""A backup put in the place of a store."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.storage import backup as backups
from checkpoint_store.storage.file_names import StoreFiles
from checkpoint_store.storage.recovery import recover
from checkpoint_store.storage.siblings import Siblings
from checkpoint_store.system.files import storage_errors, temporary_path

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase


def put_backup(reading: ReadOnlyDatabase, path: Path) -> tuple[Path, ...]:
    """Put the backup that ``reading`` reads in the place of the store at ``path``, which no process has open.

    Durable when this returns. Returns the files that were moved aside. If the process is killed after it moved the old
    file, the next open finishes the restore.

    Raises:
        StorageFullError: the disk has no room for a copy of the backup. Nothing was changed.
    """
    partial = temporary_path(path)
    backups.back_up(reading, partial, like=Siblings(path).keeper())
    try:
        with storage_errors(path):
            backups.end_runners(partial)
            os.replace(partial, StoreFiles(path).recovered)  # from here on, an open finishes it
            newer = recover.move_backups_aside(path, "replaced", newer_than=reading.path)
            return (*recover.put_in_place(path, "replaced"), *newer)
    finally:
        with suppress(OSError):
            partial.unlink()
