"""The open lock: it decides whether a store is open. The lists of the kernel only name the processes.

Every open store shares the lock on ``NAME.open``. Recovery, restore, upgrade and downgrade replace the store file, and
hold the lock alone. A process of an older version of this library does not take the lock: its SQLite connections and
runner locks show it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import UNSEEN_PROCESS, StoreBusy, StoreInUse
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.files.names import StoreFiles, possible_stores
from checkpoint_store.storage.files.sibling_check import refuse_foreign
from checkpoint_store.storage.runner_lock import probe, runner_lock_paths
from checkpoint_store.system import processes
from checkpoint_store.system.descriptors import has_locked
from checkpoint_store.system.file_lock import file_lock
from checkpoint_store.system.files import GUARDS
from checkpoint_store.system.log import LOG_WAIT_AFTER_SECONDS, log_wait
from checkpoint_store.system.paths import is_same_file, is_there
from checkpoint_store.system.shared_lock import POLL_SECONDS, SharedLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARED_FIRST: Final = 0x40000002
"""The byte at which every connection to a file in WAL mode holds a shared lock (sqlite.org/fileformat2.html, 1.6)."""
SHARED_BYTES: Final = 510


class Presence:
    """The share of the open lock that an open store holds, so that no process replaces the file.

    Raises:
        StoreBusy: a process that recovers, restores or migrates the store held it alone for ``timeout_seconds``.
    """

    def __init__(self, path: Path, *, timeout_seconds: float, create: bool) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds
        self._lock = SharedLock(StoreFiles(path).open_lock, create=create, like=path)
        self._ended = False
        self.ensure()

    def ensure(self) -> None:
        """Share the lock; a forked child calls this again before it connects."""
        # Also with a time-out of 0: whoever only asks whether the store is open holds the lock alone for an instant.
        moment = max(POLL_SECONDS, min(LOG_WAIT_AFTER_SECONDS, self._timeout_seconds))
        if self._ended or self._lock.share(moment):
            return
        who = processes.lock_holders([StoreFiles(self._path).open_lock])
        holder = f"a recovery, a restoring or a migration ({who.holder.rstrip(',')})"
        if self._timeout_seconds > moment:
            log_wait(self._path, f"kept by {holder}", self._timeout_seconds)
        if not self._lock.share(self._timeout_seconds - moment):
            raise StoreBusy(self._path, self._timeout_seconds, holder, holders=who.pids, advice=who.advice)

    def end(self) -> None:
        """Release the lock when the store is closed. Calling this twice is fine."""
        self._ended = True
        self._lock.release()


@contextmanager
def alone(path: Path, *, create: bool = True) -> Iterator[bool]:
    """Hold the open lock of the store at ``path`` alone if nobody has the store open; yields whether it is held.

    This does not wait. With ``create=False`` a missing lock file is not created.
    """
    lock = SharedLock(StoreFiles(path).open_lock, create=create, like=path)
    try:
        yield lock.take(alone=True) and not _older_user(path)
    finally:
        lock.release()


def store_in_use(path: Path, *, but: Path) -> Path | None:
    """Return the store that has ``path`` among its files, and that is open in a process; None if no store has.

    No store file is opened for this: to close it would drop the locks of a connection of this process. ``but``: the
    store file of the caller, which is open. ``talk`` and ``talk.db`` have one lock: the caller's, if one is ``but``.
    """
    own = StoreFiles(but).open_lock
    for store in sorted(possible_stores(path), key=is_there, reverse=True):  # the one in use exists
        open_lock = StoreFiles(store).open_lock
        lock = SharedLock(open_lock, create=False)
        try:
            if not lock.take(alone=True) and not is_same_file(open_lock, own):
                return store
        finally:
            lock.release()
    return None


def store_lock(path: Path, timeout_seconds: float) -> file_lock:
    """Return the lock file of the store at ``path``, to be held for work on the files beside the store."""
    return file_lock(StoreFiles(path).lock, timeout_seconds, like=path)


@contextmanager
def exclusively(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock file and the open lock of the store at ``path`` alone.

    The lock file is free while this waits: a process that closes the store needs it for its last export.

    Raises:
        StoreInUse: somebody had the store open for ``timeout_seconds``. Nothing was changed.
        StoreTargetError: the store belongs to another user. Nothing was changed.
    """
    refuse_foreign(path)
    wait = Wait(path, timeout_seconds)
    while True:
        with store_lock(path, wait.left_seconds), alone(path) as free:
            if free:
                yield
                return
        wait.a_moment()


class Wait:
    """A wait for the processes that have the store at ``path`` open, from now on for ``timeout_seconds``.

    If it takes longer than a moment, a line in the log says for which processes.
    """

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds
        self._began = time.monotonic()
        self._is_logged = False

    @property
    def left_seconds(self) -> float:
        """The time that is left; 0 after the time-out."""
        return max(0.0, self._timeout_seconds - (time.monotonic() - self._began))

    def a_moment(self) -> None:
        """Wait for a moment; raise :class:`StoreInUse` after the time-out."""
        if not self.left_seconds:
            raise StoreInUse(self._path, self._timeout_seconds, who_has_open(self._path))
        self.log()
        time.sleep(POLL_SECONDS)

    def log(self) -> None:
        """Log for whom this waits, once, if it has waited longer than a moment."""
        if self._is_logged or time.monotonic() - self._began < LOG_WAIT_AFTER_SECONDS:
            return
        self._is_logged = True
        others = [pid for pid in who_has_open(self._path) if pid != os.getpid()]
        who = " and ".join(map(processes.described, others)).rstrip(",") or UNSEEN_PROCESS
        log_wait(self._path, f"open in {who}", self._timeout_seconds)


def _older_user(path: Path) -> bool:
    """Whether a program that does not take the open lock has the store open. Called with the lock held alone."""
    if has_connection(path):
        return True
    # With a rollback journal, an idle connection holds no lock. So wait for a process that /proc shows; if /proc shows
    # none, that proves nothing.
    if journal_mode_for(path) != "wal" and set(processes.who_has_open([path])) - {os.getpid()}:
        return True
    return any(probe(lock) is None for lock in runner_lock_paths(path))


def has_connection(path: Path) -> bool:
    """Whether a SQLite connection, in whichever process, holds a lock on the file at ``path``.

    An idle connection in rollback mode holds no lock. The file is not probed while this process has it locked: closing
    the descriptor of the probe would drop the locks of its connections, also of those that the program opened itself
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    with openings.lock:
        if openings.is_open(path) or has_locked(path):
            return True
        try:
            file = os.open(path, os.O_RDWR | GUARDS)
        except OSError:
            return False  # the file is missing, or may not be written
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, SHARED_BYTES, SHARED_FIRST)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:  # a mount without such locks: SQLite has none there either
            return False
        finally:
            os.close(file)
    return False


def who_has_open(path: Path) -> list[int]:
    """Return the processes that have the store or a lock of it open, as far as this one may see (Linux).

    Processes of other users and of other PID namespaces do not show. The list is only for messages.
    """
    return processes.who_has_open([path, StoreFiles(path).open_lock, *runner_lock_paths(path)])
