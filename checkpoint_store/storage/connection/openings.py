"""The files that this process has open for writing."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from weakref import WeakSet

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.paths import status_of

if TYPE_CHECKING:
    from pathlib import Path


FileKey = tuple[int, int, str]
"""Device and inode of the folder of a file (a folder may have two names), and the name of the file."""


class _Opened(NamedTuple):
    """A file that is open for writing, and how often."""

    path: Path
    times: int


class Reader(Protocol):
    """Keeps a connection without locks between two reads."""

    def disconnect(self) -> None:
        """Close the connection that is kept."""


class Store(Protocol):
    """A store file that is open for writing, with connections that may be closed for now, as after a fork."""

    path: Path

    def connect_if_idle(self) -> None:
        """Connect to the file, unless a thread is doing so."""


class _Openings(ForkAware):
    """The files that this process has open for writing.

    A file that no one has open is read without locks (see :class:`ReadOnlyDatabase`), and closing such a connection
    would drop the locks of any other connection to the file in this process. So the two kinds never overlap.
    """

    def __init__(self) -> None:
        self._opened: dict[FileKey, _Opened] = {}
        self.readers: WeakSet[Reader] = WeakSet()
        """The readers that may keep a connection without locks between two reads."""
        self._stores: WeakSet[Store] = WeakSet()
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: begin with a free lock."""
        self.lock = threading.RLock()
        """Held during each read without locks, and while a file is opened."""
        self._taken: list[bool] = []

    def before_fork(self) -> None:
        """Hold the lock over the fork, so that no read without locks is under way."""
        take(self.lock, self._taken, -1)

    def after_fork(self) -> None:
        """Release the lock in the parent."""
        taken, self._taken = self._taken, []
        if taken:
            self.lock.release()

    def enter(self, path: Path, store: Store | None = None) -> FileKey:
        """Note that a store has the file open for writing. Wait for a read without locks; close kept connections.

        Returns the key of the file, for :meth:`leave`.
        """
        with self.lock:
            for reader in list(self.readers):
                reader.disconnect()
            key = _key_of(path)
            before = self._opened.get(key)
            self._opened[key] = _Opened(path, 1 if before is None else before.times + 1)
            if store is not None:
                self._stores.add(store)
            return key

    def leave(self, key: FileKey) -> None:
        """Note that a store object closed the file."""
        with self.lock:
            opened = self._opened.pop(key, None)
            if opened is not None and opened.times > 1:
                self._opened[key] = opened._replace(times=opened.times - 1)

    def connect_again(self, path: Path) -> None:
        """Let the stores of this file connect. A fork closes all connections, and the last one removes the WAL's index.

        Without an index nobody can read who creates none. An error is left to the next call of the store. Called with
        the lock held.
        """
        for store in list(self._stores):
            with suppress(CheckpointStoreError, OSError):
                if _is_same(os.stat(path), store.path):
                    store.connect_if_idle()

    def is_open(self, path: Path) -> bool:
        """Whether this process has the file, or the index of its WAL, open for writing, whichever name is used.

        To open the file under another name (a symlink, a hard link) and to close it drops the locks of SQLite, too.
        """
        return bool(self._opened) and (_key_of(path) in self._opened or self._has_file(path))

    def _has_file(self, path: Path) -> bool:
        status = status_of(path)
        opened = [each.path for each in list(self._opened.values())]  # another thread may open a store meanwhile
        files = (file for path in opened for file in (path, StoreFiles(path).shm))
        return status is not None and any(_is_same(status, file) for file in files)


def _is_same(status: os.stat_result, path: Path) -> bool:
    other = status_of(path)
    return other is not None and os.path.samestat(status, other)


def _key_of(path: Path) -> FileKey:
    folder = status_of(path.parent)
    return (0, 0, str(path)) if folder is None else (folder.st_dev, folder.st_ino, path.name)


openings: Final = _Openings()
