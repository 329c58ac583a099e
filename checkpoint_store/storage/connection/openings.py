"""Which files this process has open for writing."""

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
        """Close it."""


class Openings:
    """Which files this process has open for writing.

    A file that no one has open is read without locks (see :class:`ReadOnlyDatabase`), and closing such a connection
    would drop the locks of any other on the same file in this process. So the two never overlap.
    """

    lock = threading.RLock()
    readers: ClassVar[WeakSet[Reader]] = WeakSet()
    """Those who may keep a connection without locks between two reads."""
    _open: dict[Place, int] = {}  # noqa: RUF012 - the process's, not an instance's

    @classmethod
    def enter(cls, path: Path) -> Place:
        """Say that the file is open for writing from now on. Waits for a read without locks to end, and ends all kept.

        Returns what :meth:`leave` wants.
        """
        with cls.lock:
            for reader in list(cls.readers):
                reader.disconnect()
            place = _place_of(path)
            cls._open[place] = cls._open.get(place, 0) + 1
            return place

    @classmethod
    def leave(cls, place: Place) -> None:
        """Say that one of those who had it open has closed it."""
        with cls.lock:
            left = cls._open.pop(place, 1) - 1
            if left:
                cls._open[place] = left

    @classmethod
    def is_open(cls, path: Path) -> bool:
        """Whether this process has the file open for writing, by whichever name of its folder."""
        return bool(cls._open) and _place_of(path) in cls._open


def _place_of(path: Path) -> Place:
    """Return where a file is: its folder, which may have several names, and its own name, of which it has one."""
    try:
        folder = os.stat(path.parent)
    except OSError:
        return 0, 0, str(path)
    return folder.st_dev, folder.st_ino, path.name


class _AtFork(ForkAware):
    """No read without locks is under way while a process forks."""

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
