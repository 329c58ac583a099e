"""Who has a store open. A lock decides that, beside the store file; the kernel's lists only name processes.

Every open store shares ``NAME.open``. Work that takes the file away under its users (recovering, restoring, upgrading,
downgrading) holds it alone. A process of an older version of this library shares nothing: its SQLite connections and
its runners' locks tell of it.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StoreBusy, StoreInUse
from checkpoint_store.storage.connection.openings import Openings
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.file_names import StoreFiles
from checkpoint_store.storage.runner_lock import probe, runner_lock_paths
from checkpoint_store.storage.sibling_check import refuse_foreign
from checkpoint_store.system import processes
from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.guarded_open import GUARDS
from checkpoint_store.system.shared_lock import POLL_SECONDS, SharedLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHARED_FIRST: Final = 0x40000002
"""Where every connection to a file in log mode holds a shared lock (sqlite.org/fileformat2.html, 1.6)."""
_SHARED_BYTES: Final = 510


class Presence:
    """That this process has a store open, for as long as it has: nobody takes the file away meanwhile.

    Raises:
        StoreBusy: a process that recovers, restores or migrates the store held it alone for ``timeout_seconds``.
    """

    def __init__(self, path: Path, *, timeout_seconds: float, create: bool) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds
        self._lock = SharedLock(StoreFiles(path).open_lock, create=create, like=path)
        self._ended = False
        self.ensure()

    def ensure(self) -> None:
        """Share the lock; a forked child does so anew, before it connects."""
        if not self._ended and not self._lock.share(self._timeout_seconds):
            who = processes.lock_holders([StoreFiles(self._path).open_lock])
            holder = f"a recovery, a restoring or a migration ({who.holder})"
            raise StoreBusy(self._path, self._timeout_seconds, holder, holders=who.pids, advice=who.advice)

    def end(self) -> None:
        """The store is closed. Ending twice is fine."""
        self._ended = True
        self._lock.release()


@contextmanager
def alone(path: Path, *, create: bool = True) -> Iterator[bool]:
    """Keep everybody else out of the store at ``path`` if nobody has it open now; yields whether that is so.

    Nobody is waited for. With ``create=False`` a missing lock file is not made.
    """
    lock = SharedLock(StoreFiles(path).open_lock, create=create, like=path)
    try:
        yield lock.take_alone() and not _older_user(path)
    finally:
        lock.release()


def store_lock(path: Path, timeout_seconds: float) -> file_lock:
    """Return the lock on the lock file of the store at ``path``, to be held for work on the files beside it."""
    return file_lock(StoreFiles(path).lock, timeout_seconds, like=path)


@contextmanager
def exclusively(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Have the store at ``path`` for oneself, with its lock file held.

    The lock file is free while this waits: who is to end may need it for a last export.

    Raises:
        StoreInUse: somebody had it open for ``timeout_seconds``. Nothing was changed.
        StoreTargetError: it is another user's. Nothing was changed.
    """
    refuse_foreign(path)
    deadline = time.monotonic() + timeout_seconds
    while True:
        with store_lock(path, max(0.0, deadline - time.monotonic())), alone(path) as free:
            if free:
                yield
                return
        wait_or_refuse(path, deadline, timeout_seconds)


def wait_or_refuse(path: Path, deadline: float, timeout_seconds: float) -> None:
    """Wait a moment for whoever has the store open; raise :class:`StoreInUse` once the deadline has passed."""
    if time.monotonic() >= deadline:
        raise StoreInUse(path, timeout_seconds, who_has_open(path))
    time.sleep(POLL_SECONDS)


def _older_user(path: Path) -> bool:
    """Whether something that shares no lock has the store open. Called with the lock held alone."""
    if has_connection(path):
        return True
    # With a rollback journal, a connection that is idle holds no lock. That a process shows is reason enough to wait
    # for it; that none shows says nothing.
    if journal_mode_for(path) != "wal" and set(processes.who_has_open([path])) - {os.getpid()}:
        return True
    return os.name != "nt" and any(probe(lock) is None for lock in runner_lock_paths(path))


def has_connection(path: Path) -> bool:
    """Whether a SQLite connection, in whichever process, holds a lock on the file at ``path``.

    A connection in rollback mode that is idle holds none. This process must have no connection to the file: to close
    the descriptor that asks would drop its locks (sqlite.org/howtocorrupt.html, 2.2).
    """
    if sys.platform == "win32":
        return False
    import fcntl  # POSIX only

    with Openings.lock:
        if Openings.is_open(path):
            return True
        try:
            file = os.open(path, os.O_RDWR | GUARDS)
        except OSError:
            return False  # it is missing, or nothing will be written to it
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:  # a mount without such locks: SQLite has none there either
            return False
        finally:
            os.close(file)
    return False


def who_has_open(path: Path) -> list[int]:
    """Return the processes that have the store or a lock of it open, as far as this one may see (Linux).

    Those of other users and of other PID namespaces do not show. It decides nothing.
    """
    return processes.who_has_open([path, StoreFiles(path).open_lock, *runner_lock_paths(path)])
