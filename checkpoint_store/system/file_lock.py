"""Locks that the kernel frees when their holder dies. No clocks, no process ids, nothing to clean up."""

from __future__ import annotations

import errno
import os
import threading
import time
from functools import cache
from logging import NOTSET, WARNING, getLogger
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from checkpoint_store.errors import StoreBusy
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.files import PRIVATE, match_owner, storage_error
from checkpoint_store.system.forks import ForkAware, come_first, is_held_here, watch
from checkpoint_store.system.paths import is_folder
from checkpoint_store.system.processes import LockHolders, lock_holders

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock, Timeout

_LOCK_POLL_INTERVAL_SECONDS: Final = 0.02
"""If a hundred waiting processes look more often than this, the holder of the lock gets no time on a processor."""


class _Mutex:
    """A thread lock that can be referred to weakly."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


class _Mutexes(ForkAware):
    """The thread locks of this process, one for each lock file, by path. A thread takes it before the lock file."""

    def __init__(self) -> None:
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: the threads that hold the parent's locks do not exist here."""
        self._guard = threading.RLock()  # a signal handler may come in between
        self._by_path: WeakValueDictionary[str, _Mutex] = WeakValueDictionary()

    def of(self, path: Path) -> _Mutex:
        """Return the thread lock of this path. It is forgotten once nobody refers to it."""
        with self._guard:
            return self._by_path.setdefault(str(path), _Mutex())


_mutexes: Final = _Mutexes()


def take(lock: threading.Lock | threading.RLock, taken: list[bool], timeout_seconds: float = 0.0) -> None:
    """Take a lock and append True to ``taken``, or do neither if the lock does not come free in time (-1: no limit).

    An interrupt between the two steps would leave the lock taken for ever. So both steps are one call of C, and Python
    handles signals after it. Call this function inside of the ``try`` whose ``finally`` looks at ``taken``. A plain
    ``with lock`` is as safe.
    """
    taken.extend(filter(None, map(lock.acquire, (timeout_seconds != 0,), (timeout_seconds or -1,))))


def refuse_inner_call(lock: threading.RLock, path: Path) -> None:
    """Refuse (:class:`StoreBusy`) a call that this thread makes in the middle of a transaction, which has the lock.

    The call comes from a signal handler, a finalizer, or a function of the caller that the transaction calls. Without
    this check it would wait for the end of the transaction for ever.
    """
    if is_held_here(lock):
        raise StoreBusy(path, 0.0, "a call of this very thread, which this call interrupted,")


@cache
def filelock_types() -> tuple[type[FileLock], type[Timeout]]:
    """Return the lock class of the package filelock, and its error. Both stay usable while the interpreter ends."""
    with importing():
        from filelock import FileLock, Timeout  # a tenth of the time that opening a store takes

    come_first()  # during a fork, no thread gets a lock of filelock
    # filelock logs four lines for each result at level DEBUG. A program that set a level for filelock keeps that level.
    theirs = getLogger("filelock")
    if theirs.level == NOTSET:
        theirs.setLevel(WARNING)
    return FileLock, Timeout


class file_lock:  # noqa: N801 - used as a function is, in a with statement
    """Hold the lock file at ``path`` (created 0600, never removed) against other threads and processes.

    The lock excludes only other holders of this lock. It does not protect the database: SQLite's transactions do that.

    This is a class and not a generator: an interrupted generator would hold the lock as long as the traceback lives.

    Args:
        path: the lock file.
        timeout_seconds: how long to wait for another holder.
        like: root gives the lock file to the owner of this file.
        outcome: what :class:`StoreBusy` says of what was written, if another holder kept the lock for so long.
    """

    def __init__(
        self, path: Path, timeout_seconds: float, *, like: Path | None = None, outcome: str | None = None
    ) -> None:
        self._path, self._timeout_seconds, self._like = path, timeout_seconds, like
        self._outcome = outcome
        self._taken: list[bool] = []
        self._lock: FileLock | None = None

    def __enter__(self) -> None:
        if not is_folder(self._path.parent):  # filelock would create it
            raise storage_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), self._path)
        self._mutex = _mutexes.of(self._path)
        try:
            self._acquire()
        except BaseException:
            self._release()
            raise

    def __exit__(self, *_: object) -> None:
        self._release()

    def __del__(self) -> None:
        if hasattr(self, "_lock"):  # no interrupt came before it was made
            self._release()  # where an interrupt came in the place of __exit__

    def _acquire(self) -> None:
        file_lock_type, timeout_type = filelock_types()
        started = time.monotonic()
        take(self._mutex.lock, self._taken, max(self._timeout_seconds, 0))
        if not self._taken:
            raise StoreBusy(self._path, self._timeout_seconds, "another thread", outcome=self._outcome)
        left = max(0.0, self._timeout_seconds - (time.monotonic() - started))
        # Soft locks (a file's mere existence) would outlive a killed holder; two could hold a removed one.
        self._lock = file_lock_type(
            self._path, timeout=left, mode=PRIVATE, fallback_to_soft=False, preserve_lock_file=True
        )
        try:
            self._lock.acquire(poll_interval=_LOCK_POLL_INTERVAL_SECONDS)
        except timeout_type:
            # Finding the holder takes milliseconds, and a caller that does not wait tries often.
            who = lock_holders([self._path]) if self._timeout_seconds > 0 else LockHolders("another process")
            raise StoreBusy(
                self._path,
                self._timeout_seconds,
                who.holder,
                holders=who.pids,
                advice=who.advice,
                outcome=self._outcome,
            ) from None
        except OSError as error:
            raise storage_error(error, self._path) from error
        match_owner(self._path, self._like)

    def _release(self) -> None:
        try:
            if self._lock is not None:
                self._lock.release()
        finally:
            taken, self._taken = self._taken, []  # with no call before the release: interrupts come at calls
            if taken:
                self._mutex.lock.release()
