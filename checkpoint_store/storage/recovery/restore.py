"""Put a backup in the place of a store."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.storage import backup as backups
from checkpoint_store.storage.checks.sqlite_siblings import known
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files.names import StoreFiles, has_bytes, state_backup
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.recovery import recover
from checkpoint_store.storage.target import EMPTY, inspect
from checkpoint_store.system.files import storage_errors, sync_folder, temporary_path
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path


_RESULTS: Final = "SELECT chunk_index, digest, completed_at FROM completed_chunks WHERE job_id = ?"


class LeftBehind(NamedTuple):
    """What a replaced store has and the backup does not have."""

    lacking: int = 0
    """The number of completed chunks that the backup lacks."""
    redone: int = 0
    """The number of completed chunks whose result is another one than in the backup, and newer."""


def left_behind(reading: ReadOnlyDatabase, path: Path, timeout_seconds: float) -> LeftBehind:
    """Compare the completed chunks of the store at ``path`` with those of the backup that ``reading`` reads.

    Writes nothing. 0 without a store at ``path``, or as far as it cannot be read: a damaged store is replaced, too.
    """
    compared = LeftBehind()
    if not has_bytes(path):
        return compared
    replaced = ReadOnlyDatabase(path, lock_timeout_seconds=timeout_seconds)
    try:
        if inspect(replaced) != EMPTY:
            before, after = replaced.read(_completed_counts), reading.read(_completed_counts)
            lacking = {job_id: max(0, count - after.get(job_id, 0)) for job_id, count in before.items()}
            compared = LeftBehind(sum(lacking.values()))
            redone = replaced.read(lambda had: reading.read(lambda has: _count_redone(had, has, before.keys() & after)))
            compared = compared._replace(redone=redone)
    except CheckpointStoreError as error:
        log.debug("%s is to be replaced, and not all of its chunks are compared with the backup: %s", path, error)
    return compared


def _completed_counts(connection: sqlite3.Connection) -> dict[str, int]:
    counts, _ = known(connection)
    return counts


def _count_redone(had: sqlite3.Connection, has: sqlite3.Connection, job_ids: Iterable[str]) -> int:
    count = 0
    for job_id in job_ids:
        kept = {index: (digest, moment) for index, digest, moment in has.execute(_RESULTS, (job_id,))}
        for index, digest, moment in had.execute(_RESULTS, (job_id,)):
            kept_digest, kept_moment = kept.get(index, (digest, moment))
            count += digest != kept_digest and str(moment) > str(kept_moment)
    return count


def put_backup(reading: ReadOnlyDatabase, path: Path, state_file: Path) -> tuple[Path, ...]:
    """Put the backup that ``reading`` reads in the place of the store at ``path``, which no process has open.

    The state file of the replaced store becomes the ``.bak`` first: an open would take in what the backup lacks.

    Durable when this returns. Returns the files that were moved aside. If the process is killed after it moved the old
    file, the next open finishes the restore.

    Raises:
        StorageFullError: the disk has no room for a copy of the backup. Nothing was changed.
        StorageUnavailableError: the state file cannot be renamed. Nothing was changed.
    """
    partial = temporary_path(path)
    backups.back_up(reading, partial, like=Siblings(path).keeper())
    try:
        with storage_errors(path):
            backups.end_runners(partial)
            os.replace(partial, StoreFiles(path).recovered)
            sync_folder(path.parent)  # a power cut must not keep the moves of the old files alone
            with _set_aside(state_file):
                moved = recover.move_aside(path, "replaced")  # from here on, an open finishes the restore
            moved += recover.move_backups_aside(path, "replaced", newer_than=reading.path)
            recover.put_in_place(path)
            return moved
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def _set_aside(state_file: Path) -> Iterator[None]:
    """Rename a state file to its ``.bak``, if it is there. If the block fails, the state file gets its name back."""
    backup = state_backup(state_file)
    with storage_errors(state_file):
        is_renamed = is_there(state_file)
        if is_renamed:
            os.replace(state_file, backup)
            sync_folder(state_file.parent)
    try:
        yield
    except BaseException:
        if is_renamed:
            os.replace(backup, state_file)
        raise
