"""The files that this process has open for writing."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, ClassVar, Protocol
from weakref import WeakSet

from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from pathlib import Path


Place = tuple[int, int, str]


class Reader(Protocol):
    """Keeps a connection without locks between two reads."""

    def disconnect(self) -> None:
        """Close the connection that is kept."""


class Openings:
    """The files that this process has open for writing.

    A file that no one has open is read without locks (see :class:`ReadOnlyDatabase`), and closing such a connection
    would drop the locks of any other connection to the file in this process. So the two kinds never overlap.
    """

    lock = threading.RLock()
    readers: ClassVar[WeakSet[Reader]] = WeakSet()
    """The readers that may keep a connection without locks between two reads."""
    _open: dict[Place, int] = {}  # noqa: RUF012 - the process's, not an instance's

    @classmethod
    def enter(cls, path: Path) -> Place:
        """Note that the file is open for writing. Waits for a read without locks, and closes all kept connections.

        Returns the place of the file, for :meth:`leave`.
        """
        with cls.lock:
            for reader in list(cls.readers):
                reader.disconnect()
            place = _place_of(path)
            cls._open[place] = cls._open.get(place, 0) + 1
            return place

    @classmethod
    def leave(cls, place: Place) -> None:
        """Note that one opening of the file was closed."""
        with cls.lock:
            left = cls._open.pop(place, 1) - 1
            if left:
                cls._open[place] = left

    @classmethod
    def is_open(cls, path: Path) -> bool:
        """Whether this process has the file open for writing, whichever name of the folder was used."""
        return bool(cls._open) and _place_of(path) in cls._open


def _place_of(path: Path) -> Place:
    """Return the place of a file: its folder by device and inode (a folder may have two names), and its own name."""
    try:
        folder = os.stat(path.parent)
    except OSError:
        return 0, 0, str(path)
    return folder.st_dev, folder.st_ino, path.name


class _AtFork(ForkAware):
    """Holds the lock over a fork, so that no read without locks is under way."""

    def __init__(self) -> None:
        self._taken: list[bool] = []

    def before_fork(self) -> None:
        take(Openings.lock, self._taken, -1)

    def after_fork(self) -> None:
        taken, self._taken = self._taken, []
        if taken:
            Openings.lock.release()

    def forget_in_child(self) -> None:
        Openings.lock = threading.RLock()
        self._taken = []


_at_fork = _AtFork()
watch(_at_fork)
