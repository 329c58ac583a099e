"""A lock file that many holders share, or that one holder has alone. The kernel frees the lock when its holder dies.

The lock is a ``flock``: it belongs to the open file description, and not to the process. If the process closes another
descriptor of the file, the lock stays. Two holders in one process exclude each other as two processes do. POSIX record
locks have neither property.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreTargetError
from checkpoint_store.system.files import GUARDS, PRIVATE, match_owner, storage_error
from checkpoint_store.system.forks import ForkAware, watch

if TYPE_CHECKING:
    from pathlib import Path

POLL_SECONDS: Final = 0.02
_NOT_OURS: Final = "its name is that of a lock file, and it is not a regular file of ours; remove it"


class SharedLock(ForkAware):
    """A holder of the lock file at ``path``. Safe to share between threads; a forked child holds nothing.

    Args:
        path: the lock file. It is never removed: whoever removes a lock file lets a second holder in.
        create: create the lock file if it is missing. Otherwise a missing file locks nothing, which is no error.
        like: root gives the lock file to the owner of this file.
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
        """After a fork, close the child's descriptor. Unlocking it would drop the lock of the parent."""
        self._mutex = threading.Lock()
        self._close()

    def share(self, timeout_seconds: float) -> bool:
        """Hold the lock together with others. Return False if one holder kept it alone for ``timeout_seconds``."""
        deadline = time.monotonic() + timeout_seconds
        while not self.take(alone=False):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        """Release the lock. Releasing it twice is fine."""
        with self._mutex:
            self._unlock()

    def __del__(self) -> None:
        if hasattr(self, "_files"):  # no interrupt came before it was made
            self._unlock()

    def take(self, *, alone: bool) -> bool:
        """Hold the lock, or return False at once if another holder keeps it."""
        with self._mutex:
            if self._is_held():
                return True
            self._unlock()
            try:
                while True:
                    if self._opened_and_locked(alone=alone):
                        break
                    self._unlock()
            except BlockingIOError:
                self._unlock()
                return False
            except OSError as error:
                self._unlock()
                if self._create:
                    raise storage_error(error, self.path) from error
                # The lock file is missing, or may not be read, or the mount has no locks.
            except BaseException:
                self._unlock()
                raise
            return True

    def _is_held(self) -> bool:
        """Whether the lock is held on the file that is at the path now: a mount that came back has another file."""
        if not self._files:
            return False
        try:
            at_path = os.lstat(self.path)
        except OSError:  # no file is at the path: the held lock is the only one
            return True
        try:
            return os.path.samestat(os.fstat(self._files[0]), at_path)
        except OSError:  # the mount of the held file is dead
            return False

    def _opened_and_locked(self, *, alone: bool) -> bool:
        """Open the file and lock it. Return False if another file took its place meanwhile."""
        self._open()
        (file,) = self._files
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise StoreTargetError(self.path, _NOT_OURS)
        self._make_private(file, status)
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            at_path = os.stat(self.path, follow_symlinks=False)
            return (at_path.st_dev, at_path.st_ino) == (status.st_dev, status.st_ino)
        return False

    def _open(self) -> None:
        flag_choices = [os.O_RDWR | os.O_CREAT] if self._create else [os.O_RDWR, os.O_RDONLY]
        for flags in flag_choices:
            try:
                # One call of C: no interrupt comes between opening the descriptor and keeping it.
                self._files.extend(map(os.open, (self.path,), (flags | GUARDS,), (PRIVATE,)))
            except OSError as error:
                if isinstance(error, FileNotFoundError) or flags == flag_choices[-1]:
                    raise
            else:
                return

    def _make_private(self, file: int, status: os.stat_result) -> None:
        """Make the file private, and give it to the owner of ``like``. A file of another user stays as it is."""
        if not self._create:
            return
        with suppress(OSError):
            if stat.S_IMODE(status.st_mode) != PRIVATE:  # a umask can take rights from the owner, too
                os.fchmod(file, PRIVATE)
        match_owner(file, self._like)

    def _unlock(self) -> None:
        """Release the lock and close the file.

        To close it is not enough: a process that another thread forked while the file was opened has it open, too.
        """
        for file in self._files:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
        self._close()

    def _close(self) -> None:
        while self._files:
            with suppress(OSError):
                os.close(self._files.pop())
