"""The lock file that a runner holds while it lives: the kernel frees the lock whatever ends the process."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.storage.files.identity import gone
from checkpoint_store.storage.files.names import RUNNER_MARK
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.file_lock import filelock_types
from checkpoint_store.system.files import GUARDS, PRIVATE, match_owner, open_regular, storage_error, storage_errors
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.paths import is_folder, is_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from filelock import FileLock


_LOCK_OPTIONS: Final[dict[str, Any]] = {
    "mode": PRIVATE,
    "fallback_to_soft": False,
    "preserve_lock_file": True,
    "thread_local": False,
}
_SLOT_COUNT: Final = 512
_SLOT_BYTES: Final = 8
_TOO_MANY: Final = 2**63
_NUMBER_BITS: Final = 20
_NUMBER_MAX: Final = 2**_NUMBER_BITS - 1
_held: Final[dict[str, RunnerLock]] = {}
"""The runner locks that this process holds, by path."""


class RunnerLock(ForkAware):
    """A locked file beside the store, for as long as a runner lives: the kernel frees it whatever ends the process.

    The file lists the attempts whose work began, in slots of eight bytes. The slots are written without a
    transaction. After a kill of the runner, the slots say which of its claims are in doubt.
    """

    def __init__(self, store: Path) -> None:
        if not is_folder(store.parent):  # filelock would create it
            raise storage_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), store)
        self.path, self._lock = self._create(store)
        self._name = str(self.path)
        self._begun: set[tuple[int, int]] = set()
        self._slot = 0
        self._store = store
        self._file = -1
        try:
            match_owner(self.path, store)
            self._file = os.open(self.path, os.O_WRONLY | GUARDS)
            os.pwrite(self._file, bytes(_SLOT_COUNT * _SLOT_BYTES), 0)  # so that no room is needed later
        except OSError as error:
            self.end()
            raise storage_error(error, self.path) from error
        _held[str(self.path)] = self
        watch(self)

    def _create(self, store: Path) -> tuple[Path, FileLock]:
        file_lock_type, timeout_type = filelock_types()
        while True:
            path = store.with_name(f"{store.name}{RUNNER_MARK}{os.urandom(6).hex()}")
            lock = file_lock_type(path, **_LOCK_OPTIONS)
            try:
                lock.acquire(blocking=False)
            except timeout_type:  # a process that reaps locked it between its creation and its locking, and removes it
                continue
            except OSError as error:
                raise storage_error(error, path) from error
            return path, lock

    def note_begun(self, attempts: Sequence[tuple[int, int]]) -> bool:
        """Note in one write that the work of attempts begins. An attempt is (chunk index, number).

        When this returns, the note survives the end of the process. Returns False, and notes nothing, if the file is
        gone: then other processes take the runner for dead.
        """
        if not os.access(self._name, os.F_OK) and not self._is_there():  # the first call is the quicker one
            return False
        if not self._begun:
            if self._slot == _SLOT_COUNT - 1:
                self._put(bytes(_SLOT_BYTES), self._slot * _SLOT_BYTES)
            self._slot = 0  # the attempts in the other slots are done
        self._begun.update(attempts)
        if self._slot + len(attempts) >= _SLOT_COUNT:
            self._tidy()
        else:
            self._put(_slots(attempts), self._slot * _SLOT_BYTES)
            self._slot += len(attempts)
        return True

    def _is_there(self) -> bool:
        """Whether the lock file exists."""
        try:
            os.lstat(self._name)
        except OSError:
            if is_there(self._store):
                return False
            if is_there(self._store.parent):
                raise gone(self._store) from None
            missing = FileNotFoundError(errno.ENOENT, "the store and its folder are gone")
            raise storage_error(missing, self._store) from None
        return True

    def _put(self, content: bytes, at: int) -> None:
        try:
            os.pwrite(self._file, content, at)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _tidy(self) -> None:
        """Rewrite the slots without the attempts that are done; if too many are left, note that any may have begun.

        Other threads call :meth:`done` meanwhile, so the attempts are copied at one moment: by one call of C.
        """
        begun = list(self._begun)
        if len(begun) > _SLOT_COUNT // 2:
            self._slot = _SLOT_COUNT - 1
            self._put(_TOO_MANY.to_bytes(_SLOT_BYTES, "little"), self._slot * _SLOT_BYTES)
            return
        self._put(_slots(begun).ljust(_SLOT_COUNT * _SLOT_BYTES, b"\0"), 0)
        self._slot = len(begun)

    def done(self, index: int, number: int) -> None:
        """Note that the work of an attempt is over."""
        self._begun.discard((index, number))

    def note_unbegun(self, index: int, number: int) -> None:
        """Take an attempt whose work did not begin out of the file. Durable as :meth:`note_begun` is."""
        self.done(index, number)
        self._tidy()

    def end(self) -> None:
        """Remove the file. A missing file, like a file that can be locked, says that the runner is gone."""
        with suppress(OSError):
            self.path.unlink()
        self._lock.release()
        self._forget()

    def leave(self) -> None:
        """Release the lock, and leave the file: whoever reaps the runner reads there which attempts had begun."""
        try:
            with suppress(CheckpointStoreError):  # on a full disk, the file lists more attempts as begun
                self._tidy()
        finally:
            self._lock.release()
            self._forget()

    def forget_in_child(self) -> None:
        """After a fork, in the child: forget the lock, which the parent goes on holding."""
        self._forget()  # filelock closes its own descriptor

    def _forget(self) -> None:
        _held.pop(str(self.path), None)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class BegunAttempts(NamedTuple):
    """The attempts that a dead runner had begun, as its lock file lists them."""

    begun: frozenset[tuple[int, int]] | None
    """The attempts (chunk index, number) that it may have begun. None: any of its attempts may have begun."""


def reap(path: Path) -> BegunAttempts | None:
    """Do as :func:`probe`, and remove the file of a dead runner. No process may take the lock in between.

    Call this only once the end of the runner is durable: without the file, nobody knows which attempts had begun.
    """
    if str(path) in _held:
        return None
    if not is_there(path):
        return BegunAttempts(None)
    file_lock_type, timeout_type = filelock_types()
    lock = file_lock_type(path, **_LOCK_OPTIONS)
    try:
        lock.acquire(blocking=False)
    except timeout_type:
        return None
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        begun = begun_by(path)
        with storage_errors(path):
            path.unlink(missing_ok=True)
    finally:
        lock.release()
    return begun


def begun_by(path: Path) -> BegunAttempts:
    """Return the attempts in the lock file of a runner, dead or alive. Nothing is locked or written."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            return _begun_attempts(file.read())
    except FileNotFoundError:
        return BegunAttempts(None)
    except OSError as error:
        raise storage_error(error, path) from error


def probe(path: Path) -> BegunAttempts | None:
    """Return the attempts in the lock file of a dead runner; None if the runner lives. Nothing is removed or written.

    The probe holds a shared lock for an instant. A process that tries for the lock in that instant takes the runner to
    be alive, and looks again later.
    """
    if str(path) in _held:
        return None
    try:
        with open(path, "rb", opener=open_regular) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            try:
                return _begun_attempts(file.read())
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked just now has the file open, too
    except FileNotFoundError:
        return BegunAttempts(None)
    except BlockingIOError:
        return None
    except OSError as error:
        raise storage_error(error, path) from error


def _begun_attempts(content: bytes) -> BegunAttempts:
    slots = [int.from_bytes(content[at : at + _SLOT_BYTES], "little") for at in range(0, len(content), _SLOT_BYTES)]
    known = len(content) == _SLOT_COUNT * _SLOT_BYTES and _TOO_MANY not in slots
    return BegunAttempts(frozenset(map(_attempt_in, filter(None, slots))) if known else None)


def _slot_of(index: int, number: int) -> int:
    """Return the slot of an attempt: a number other than 0. Nobody tries a chunk a million times."""
    return (index + 1) << _NUMBER_BITS | min(number, _NUMBER_MAX)


def _slots(attempts: Iterable[tuple[int, int]]) -> bytes:
    return b"".join([_slot_of(*attempt).to_bytes(_SLOT_BYTES, "little") for attempt in attempts])


def _attempt_in(slot: int) -> tuple[int, int]:
    return (slot >> _NUMBER_BITS) - 1, slot & _NUMBER_MAX


def runner_lock_paths(store: Path) -> list[Path]:
    """Return the runner locks beside a store, those of dead runners included, sorted. Only regular files count."""
    return [
        path for path in Siblings(store).runner_locks() if is_there(path) and path.is_file() and not path.is_symlink()
    ]


def runner_lock_path(store: Path, name: str) -> Path:
    """Return the path of the runner lock with this recorded name: beside the store, whatever a damaged name says."""
    return store.parent / os.fsdecode(os.path.basename(name).encode())  # Path.name is no name for ".."


def recorded_name(lock_file: Path) -> str:
    """Return the name of a runner lock as UTF-8 text: under another locale, Python has other text for its bytes."""
    return os.fsencode(lock_file.name).decode()
