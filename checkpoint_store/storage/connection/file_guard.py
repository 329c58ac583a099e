"""Notice that an open store file was moved, or that another program wrote into the file or into its WAL.

SQLite notices neither. If an older copy is written into an open store file (``cp``, ``scp``), SQLite goes on with the
WAL of the file as it was, and its last close would mix the two for good.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.storage.connection.open_lock import SHARED_BYTES, SHARED_FIRST
from checkpoint_store.storage.files.identity import (
    FileIdentity,
    gone,
    identity_of,
    overwritten,
    parted,
    wal_overwritten,
)
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.descriptors import OpenFile, lock_for_all
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import status_if_there

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.errors import StorageUnavailableError

_WAL_LOOK_INTERVAL_SECONDS: Final = 0.05
"""Between two looks at the WAL and its index: more questions to the file system would delay a quick commit."""
_READ_VERSION_AT: Final = 19
"""The byte of a store file that is 2 if the file has a WAL. The change counter, which SQLite never sets back, is in the
four bytes from 24 on (sqlite.org/fileformat2.html)."""
_WAL_HEADER_BYTES: Final = 32
_SALTS: Final = slice(16, 24)
_WAL_BEGINS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


class FileGuard:
    """Guards one open store file. Used with the lock of a connection to the file held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)
        files = StoreFiles(path)
        self._wal = str(files.wal)
        self._beside: Final = (self._wal, str(files.shm))
        self._looked_at_seconds = 0.0
        self._open_file, self._open_wal = OpenFile(), OpenFile()
        self._spoiled: Callable[[Path], StorageUnavailableError] | None = None
        """The error of each later call, once the WAL or its index was removed, or another program wrote into a file:
        connections of this process may share what is gone."""
        self._inode = self._written_at = self._counter = 0
        """The inode of the file and its time of modification (ns) at the last look, and its last change counter that is
        committed for certain."""
        self._salts, self._wal_bytes = b"", 0
        """The salts of the WAL at the last look, and its size; 0 if the salts were new then."""
        self._kept: list[int] = []
        """At most one descriptor, whose lock keeps SQLite from copying the WAL."""

    def identity(self) -> FileIdentity | None:
        """Return the identity of the file that is at the store's path now; None if the path has no file."""
        return identity_of(self._name)

    def beside(self) -> tuple[FileIdentity | None, ...]:
        """Return the identities of the WAL and of its index, as they are now."""
        self._looked_at_seconds = time.monotonic()
        return tuple(map(identity_of, self._beside))

    def spoiled(self) -> StorageUnavailableError | None:
        """Look at the file. Return the error of each call from now on if it was spoiled now or earlier; else None.

        If the file was overwritten, SQLite does not copy the WAL into it when the connections are closed.
        """
        if self._spoiled is None:
            with suppress(OSError):
                self._look_at_file(os.stat(self._name))
        return None if self._spoiled is None else self._spoiled(self._path)

    def refuse_if_overwritten(self) -> None:
        """Raise if the store file was overwritten, or its WAL: a copy of what is read would replace a better one."""
        error = self.spoiled()
        if error is not None and self._spoiled is not parted:
            raise error

    def refuse_if_moved(self, identity: FileIdentity | None, beside: tuple[FileIdentity | None, ...]) -> None:
        """Raise if the store file was removed, replaced or overwritten, or its WAL or the index of the WAL.

        What is written to a removed WAL is lost at a kill, and no other process sees what is in a removed index. The
        two are looked at from time to time only.
        """
        status = status_if_there(self._name)
        if status is None or (status.st_dev, status.st_ino) != identity:
            raise gone(self._path)
        if status.st_mtime_ns != self._written_at:
            self._look_at_file(status)
        if self._spoiled is None and time.monotonic() - self._looked_at_seconds >= _WAL_LOOK_INTERVAL_SECONDS:
            if any(was not in (None, now) for was, now in zip(beside, self.beside(), strict=True)):
                self._spoiled = parted
            else:
                self._look_at_wal()
        if self._spoiled is not None:
            raise self._spoiled(self._path)

    def release(self) -> None:
        """Release what keeps the WAL, once all connections of this store are closed."""
        while self._kept:
            os.close(self._kept.pop())

    def _look_at_file(self, status: os.stat_result) -> None:
        """Note that the file was overwritten if its change counter went back.

        A checkpoint of any process writes into the file, too, and never sets the counter back.
        """
        if status.st_mtime_ns == self._written_at and status.st_ino == self._inode:
            return
        committed = self._counter if status.st_ino == self._inode else 0  # first: another thread may note a later one
        raw = self._open_file.read(status, 9, _READ_VERSION_AT)
        if raw is None:
            return
        counter = int.from_bytes(raw[5:], "big")
        if counter >= committed:
            if raw[:1] != b"\2":  # with a rollback journal, the file may have a transaction that is rolled back later
                counter -= 1
            self._inode, self._written_at, self._counter = status.st_ino, status.st_mtime_ns, counter
            return
        self._spoil(overwritten)

    def _look_at_wal(self) -> None:
        """Note that the WAL lost its header, or was made shorter. Called after a write of this process only.

        SQLite makes a WAL shorter in the first transaction with new salts, which is over by the next write.
        """
        with suppress(OSError):
            status = os.stat(self._wal)  # first: SQLite changes the salts, and then the size
            header = self._open_wal.read(status, _WAL_HEADER_BYTES, 0)
            if header is None:
                return
            is_known = bool(header) and header[_SALTS] == self._salts
            if header[:4] not in (b"", *_WAL_BEGINS) or (is_known and status.st_size < self._wal_bytes):
                self._spoil(wal_overwritten)
            self._salts, self._wal_bytes = header[_SALTS], status.st_size if is_known else 0

    def _spoil(self, error: Callable[[Path], StorageUnavailableError]) -> None:
        """Let each later call raise an error.

        Keep SQLite from copying the WAL into the file at the last close, which it does where it gets the file alone.
        """
        self._spoiled = error
        log.warning("%s or its WAL was overwritten while it is open: the WAL is not copied into it", self._path)
        self._kept.extend(lock_for_all(self._path, SHARED_FIRST, SHARED_BYTES))
