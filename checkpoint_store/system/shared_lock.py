"""A lock file that any number of processes hold together, or one process alone. The kernel frees it with its holder.

The lock belongs to the open file description (``flock``), not to the process: closing any other descriptor of the file
drops nothing, and two holders in one process are two holders. POSIX record locks would be dropped by both.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreTargetError
from checkpoint_store.system.files import PRIVATE, storage_error
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.guarded_open import GUARDS
from checkpoint_store.system.ownership import give

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from pathlib import Path

POLL_SECONDS: Final = 0.02
_NOT_OURS: Final = "it lies where the lock of a store belongs, and is not a regular file of ours; remove it"


class SharedLock(ForkAware):
    """One holder of the lock file at ``path``. Safe to share between threads; a forked child holds nothing.

    Where the platform has no ``flock`` (Windows), every call succeeds and nothing is excluded: there, the system itself
    refuses to rename a file that is open.

    Args:
        path: the lock file. It is never removed: whoever removes a lock file lets a second holder in.
        create: make the file where it is missing; otherwise a missing file locks nothing, which is no error.
        like: root gives a file that it makes to the owner of this file.
    """

    def __init__(self, path: Path, *, create: bool, like: Path | None = None) -> None:
        self.path = path
        self._create = create
        self._like = like
        self._mutex = threading.Lock()
        self._files: list[int] = []
        """At most one descriptor, while the lock is held."""
        watch(self)

    def forget_in_child(self) -> None:
        """Close the child's copy: unlocking it would drop the parent's lock, keeping it would outlive the parent."""
        self._mutex = threading.Lock()
        self._close()

    def share(self, timeout_seconds: float) -> bool:
        """Hold the lock together with others. Return False where one holder kept it alone for so long."""
        deadline = time.monotonic() + timeout_seconds
        while not self._take(alone=False):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def take_alone(self) -> bool:
        """Hold the lock alone, or return False at once where anybody else holds it."""
        return self._take(alone=True)

    def release(self) -> None:
        """Let go. Releasing twice is fine."""
        with self._mutex:
            self._close()

    def __del__(self) -> None:
        self._close()

    def _take(self, *, alone: bool) -> bool:
        with self._mutex:
            if sys.platform == "win32" or self._is_held():
                return True
            self._close()
            try:
                while True:
                    if self._opened_and_locked(alone=alone):
                        break
                    self._close()
            except BlockingIOError:
                self._close()
                return False
            except OSError as error:
                self._close()
                if self._create:
                    raise storage_error(error, self.path) from error
                # It is missing, or who may only read the store may not read its lock, or the mount has no locks.
            except BaseException:
                self._close()
                raise
            return True

    def _is_held(self) -> bool:
        """Whether the lock is held, on the file that is there now: a mount that went and came back has another one."""
        if not self._files:
            return False
        try:
            there = os.lstat(self.path)
        except OSError:  # it is away: what is held is all that there is
            return True
        try:
            return os.path.samestat(os.fstat(self._files[0]), there)
        except OSError:  # of a mount that is dead
            return False

    def _opened_and_locked(self, *, alone: bool) -> bool:
        """Open the file and lock it. Return False where another file took its place meanwhile."""
        self._open()
        (file,) = self._files
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise StoreTargetError(self.path, _NOT_OURS)
        self._mend(file, found)
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            there = os.stat(self.path, follow_symlinks=False)
            return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
        return False

    def _open(self) -> None:
        ways = [os.O_RDWR | os.O_CREAT] if self._create else [os.O_RDWR, os.O_RDONLY]
        for way in ways:
            try:
                # One call of C, so that no interrupt comes between the opening and its being known.
                self._files.extend(map(os.open, (self.path,), (way | GUARDS,), (PRIVATE,)))
            except OSError as error:
                if isinstance(error, FileNotFoundError) or way == ways[-1]:
                    raise
            else:
                return

    def _mend(self, file: int, found: os.stat_result) -> None:
        """Make the file private, and not root's where the store is another user's. What is not ours stays as it is."""
        if not self._create:
            return
        with suppress(OSError):
            if found.st_mode & 0o077:
                os.fchmod(file, PRIVATE)
        give(file, self._like)

    def _close(self) -> None:
        while self._files:
            with suppress(OSError):
                os.close(self._files.pop())
