"""Copying the WAL into the store file.

SQLite before 3.51.3 can corrupt the file when a checkpoint runs beside a commit of another connection
(sqlite.org/wal.html#walresetbug). So no connection checkpoints by itself; here the copying is done while nobody, in any
process, can commit.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.connection.errors import is_busy, translate
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import is_held_here
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.errors import CheckpointStoreError
    from checkpoint_store.storage.connection.store_file import ReaderConnection

CHECKPOINT_BYTES: Final = 1024 * 1024
"""After about this many bytes of new WAL the writer copies the WAL into the file.

Until the first copying each commit makes the WAL longer, and then its ``fdatasync`` waits for the journal of the file
system: 380 µs a completion instead of 210. With 4 MiB these are the first 650 completions of a run, with 1 MiB the
first 200; the mean of 2,000 completions is 240 µs instead of 260, and the longest one 3 ms instead of 7.
"""
_TRANSACTION_BYTES: Final = 4 * 1024
"""The bytes that a transaction adds to the WAL beside its text."""


class Checkpoint:
    """Counts the bytes of the WAL that are to be copied, and copies the WAL. Used with the writer's lock held."""

    def __init__(self, path: Path, reader: ReaderConnection) -> None:
        self._path = path
        self._reader = reader
        self.wal_bytes = 0
        """About how much was written to the WAL since its last checkpoint."""
        self.failure: CheckpointStoreError | None = None
        """Why SQLite could not copy the WAL the last time, such as a full disk; None if it could, or had to wait."""

    def count_wal(self) -> None:
        """Begin with the size of the existing WAL: a killed process leaves its WAL to the next process."""
        self.wal_bytes = 0
        with suppress(OSError):
            self.wal_bytes = StoreFiles(self._path).wal.stat().st_size

    def grew(self, size_bytes: int, writer: sqlite3.Connection | None) -> None:
        """Count a committed transaction with this many bytes of text; :meth:`run` a checkpoint if one is due."""
        self.wal_bytes += size_bytes + _TRANSACTION_BYTES
        if self.wal_bytes >= CHECKPOINT_BYTES and writer is not None:
            self.run(writer)

    def run(self, writer: sqlite3.Connection) -> bool:
        """Copy the WAL into the file. Returns whether all of it was copied; an active reader only postpones that.

        ``writer`` holds SQLite's write lock, and writes nothing, while the reader connection copies.
        """
        taken: list[bool] = []
        self.failure = None
        if is_held_here(self._reader.lock):
            return False
        try:
            take(self._reader.lock, taken)
            if not taken:
                return False
            reader = self._reader.ready()
            try:
                writer.execute("BEGIN IMMEDIATE")
                busy, pages, copied = reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                writer.rollback()
        except Exception as error:  # out of descriptors, or of memory
            log.debug("the WAL of %s is copied later: %s", self._path, error)
            if isinstance(error, sqlite3.Error) and not is_busy(error):
                self.failure = translate(error, self._path, 0.0)
            return False  # committed pages are safe in the WAL
        finally:
            if taken:
                self._reader.lock.release()
        self.wal_bytes = 0
        return bool(not busy and pages == copied)
