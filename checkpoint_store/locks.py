"""Locks that the kernel frees when their holder dies. No clocks, no process ids, nothing to clean up."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from checkpoint_store.errors import StoreBusy
from checkpoint_store.files import PRIVATE, storage_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


if hasattr(__import__("os"), "register_at_fork"):
    __import__("os").register_at_fork(after_in_child=_forget_in_child)
