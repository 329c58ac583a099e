"""Put a backup in the place of a store."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.storage import backup as backups
from checkpoint_store.storage.checks.sqlite_siblings import known
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.recovery import recover
from checkpoint_store.storage.target import EMPTY, inspect
from checkpoint_store.system.files import storage_errors, sync_folder, temporary_path
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def count_chunks_left_behind(reading: ReadOnlyDatabase, path: Path, timeout_seconds: float) -> int:
    """Return how many completed chunks the store at ``path`` has that the backup lacks, by the counts of its jobs.

    Writes nothing. 0 if there is no store at ``path``, or if it cannot be read: a damaged store is replaced, too.
    """
    if not has_bytes(path):
        return 0
    replaced = ReadOnlyDatabase(path, lock_timeout_seconds=timeout_seconds)
    try:
        if inspect(replaced) == EMPTY:
            return 0
        before, after = replaced.read(_completed_counts), reading.read(_completed_counts)
    except CheckpointStoreError as error:
        log.debug("%s is to be replaced, and its completed chunks are not counted: %s", path, error)
        return 0
    return sum(max(0, count - after.get(job_id, 0)) for job_id, count in before.items())


def _completed_counts(connection: sqlite3.Connection) -> dict[str, int]:
    counts, _ = known(connection)
    return counts


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
            os.replace(partial, StoreFiles(path).recovered)  # from here on, an open finishes the restore
            sync_folder(path.parent)  # a power cut must not keep the moves of the old files alone
            newer = recover.move_backups_aside(path, "replaced", newer_than=reading.path)
            return (*recover.put_in_place(path, "replaced"), *newer)
    finally:
        with suppress(OSError):
            partial.unlink()
