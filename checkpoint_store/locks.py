"""Locks that the kernel frees when their holder dies. No clocks, no process ids, nothing to clean up."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from checkpoint_store.errors import StoreBusy
from checkpoint_store.files import PRIVATE, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator


_LOCK_TABLE: Final = Path("/proc/locks")


class _Mutex:
    """A thread lock that can be referred to weakly."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


_mutexes: WeakValueDictionary[str, _Mutex] = WeakValueDictionary()
_guard = threading.Lock()


@contextmanager
def file_lock(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock file at ``path`` (created 0600, never removed) against other threads and processes.

    It protects what is done under it against other users of this same lock only: SQLite's transactions guard the
    database by themselves.

    Raises:
        StoreBusy: another holder kept it for ``timeout_seconds``.
    """
    if not path.parent.is_dir():  # filelock would create it
        raise storage_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
    from filelock import FileLock, Timeout  # noqa: PLC0415 - a tenth of the time that opening a store takes

    with _guard:
        mutex = _mutexes.setdefault(str(path), _Mutex())
    started = time.monotonic()
    if not mutex.lock.acquire(timeout=max(timeout_seconds, 0)):
        raise StoreBusy(path, timeout_seconds, "another thread")
    try:
        left = max(0.0, timeout_seconds - (time.monotonic() - started))
        # Soft locks (a file's mere existence) would outlive a killed holder; a removed lock file would let two in.
        lock = FileLock(path, timeout=left, mode=PRIVATE, fallback_to_soft=False, preserve_lock_file=True)
        try:
            lock.acquire(poll_interval=0.005)
        except Timeout:
            raise StoreBusy(path, timeout_seconds) from None
        except OSError as error:
            raise storage_error(error, path) from error
        try:
            yield
        finally:
            lock.release()
    finally:
        mutex.lock.release()


def _forget_in_child() -> None:
    global _guard  # noqa: PLW0603 - the parent's locks may be held by threads that do not exist here
    _guard = threading.Lock()
    _mutexes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def holders(path: Path) -> list[int]:
    """Return the ids of the processes that have the SQLite file at ``path`` open, where the kernel tells (Linux).

    SQLite holds a read lock on a file for as long as it has its log open. The file itself is not opened here.
    """
    try:
        status = path.stat()
        lines = _LOCK_TABLE.read_text("ascii").splitlines()
    except OSError:
        return []
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    fields = [line.split() for line in lines if "->" not in line]
    return sorted({int(field[4]) for field in fields if field[1] == "POSIX" and field[5] == place})
