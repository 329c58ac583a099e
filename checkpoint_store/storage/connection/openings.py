"""Which files this process has open for writing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from pathlib import Path


class Openings:
    """Which files this process has open for writing.

    A file that no one has open is read without locks (see :class:`ReadOnlyDatabase`), and closing such a connection
    would drop the locks of any other on the same file in this process. So the two never overlap.
    """

    lock = threading.RLock()
    _open: dict[str, int] = {}  # noqa: RUF012 - the process's, not an instance's

    @classmethod
    def enter(cls, path: Path) -> None:
        """Say that the file is open for writing from now on. Waits for a read without locks to end."""
        with cls.lock:
            cls._open[str(path)] = cls._open.get(str(path), 0) + 1

    @classmethod
    def leave(cls, path: Path) -> None:
        """Say that one of those who had it open has closed it."""
        with cls.lock:
            cls._open[str(path)] = cls._open.get(str(path), 1) - 1

    @classmethod
    def is_open(cls, path: Path) -> bool:
        """Whether this process has the file open for writing."""
        return cls._open.get(str(path), 0) > 0


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
