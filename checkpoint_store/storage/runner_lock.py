"""The lock file that a runner holds while it lives: the kernel frees it whatever ends the process."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.system.files import PRIVATE, storage_error

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import FileLock


_RUNNER: Final = ".runner-"
_SIGN_OPTIONS: Final[dict[str, Any]] = {
    "mode": PRIVATE,
    "fallback_to_soft": False,
    "preserve_lock_file": True,
    "thread_local": False,
}
_SLOTS: Final = 512
_SLOT_BYTES: Final = 8
_TOO_MANY: Final = 2**63
_NUMBER_BITS: Final = 20
_MOST_NUMBER: Final = 2**_NUMBER_BITS - 1
_signs: Final[dict[str, SignOfLife]] = {}
"""The signs of life that this process shows."""


class SignOfLife:
    """A locked file beside the store, for as long as a runner lives: the kernel frees it whatever ends the process.

    In it stand the attempts whose work began, in slots of eight bytes: written without a transaction, they tell of a
    killed runner which of its claims are in doubt.
    """

    def __init__(self, store: Path) -> None:
        if not store.parent.is_dir():  # filelock would create it
            raise storage_error(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), store)
        self.path, self._lock = self._shown(store)
        self._begun: set[tuple[int, int]] = set()
        self._slot = 0
        self._file = -1
        try:
            self._file = os.open(self.path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
            os.pwrite(self._file, bytes(_SLOTS * _SLOT_BYTES), 0)  # so that no room is needed later
        except OSError as error:
            self.end()
            raise storage_error(error, self.path) from error
        _signs[str(self.path)] = self

    def _shown(self, store: Path) -> tuple[Path, FileLock]:
        from filelock import FileLock, Timeout  # noqa: PLC0415 - see file_lock()

        while True:
            path = store.with_name(f"{store.name}{_RUNNER}{os.urandom(6).hex()}")
            lock = FileLock(path, **_SIGN_OPTIONS)
            try:
                lock.acquire(blocking=False)
            except Timeout:  # someone who sweeps had it between its creation and its locking, and removes it
                continue
            except OSError as error:
                raise storage_error(error, path) from error
            return path, lock

    def began(self, index: int, number: int) -> None:
        """Work on a chunk begins: the attempt of this number."""
        if not self._begun:
            if self._slot == _SLOTS - 1:
                self._write(0)
            self._slot = 0  # what is left in the others is settled
        self._begun.add((index, number))
        if self._slot == _SLOTS - 1:
            self._tidy()
        else:
            self._write(_slot_of(index, number))

    def _write(self, value: int) -> None:
        self._put(value.to_bytes(_SLOT_BYTES, "little"), self._slot * _SLOT_BYTES)
        self._slot += 1

    def _put(self, content: bytes, at: int) -> None:
        try:
            os.pwrite(self._file, content, at)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _tidy(self) -> None:
        """The slots are full, mostly of what is settled: begin them anew, or give up where all of it is in hand."""
        if len(self._begun) > _SLOTS // 2:
            self._put(_TOO_MANY.to_bytes(_SLOT_BYTES, "little"), self._slot * _SLOT_BYTES)
            return
        content = b"".join(_slot_of(*attempt).to_bytes(_SLOT_BYTES, "little") for attempt in self._begun)
        self._put(content.ljust(_SLOTS * _SLOT_BYTES, b"\0"), 0)
        self._slot = len(self._begun)

    def settled(self, index: int, number: int) -> None:
        """The work of an attempt is over."""
        self._begun.discard((index, number))

    def end(self) -> None:
        """Remove the file; whoever finds it gone knows as much as one who can lock it."""
        with suppress(OSError):
            self.path.unlink()
        self._lock.release()
        self.let_go()

    def let_go(self) -> None:
        """Have nothing to do with it any more; after a fork, in the child, the parent goes on showing it."""
        _signs.pop(str(self.path), None)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class LastWords(NamedTuple):
    """What a dead runner left."""

    begun: frozenset[tuple[int, int]] | None
    """The attempts (chunk, number) that it may have begun; None: nobody knows, and it may be any."""


def last_words(path: Path) -> LastWords | None:
    """Return which chunks a dead runner had begun, and remove its sign of life; None where it lives."""
    if str(path) in _signs:
        return None
    if not path.exists():
        return LastWords(None)
    from filelock import FileLock, Timeout  # noqa: PLC0415 - see file_lock()

    lock = FileLock(path, **_SIGN_OPTIONS)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except OSError as error:
        raise storage_error(error, path) from error
    try:
        content = path.read_bytes()
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        lock.release()
    return _words(content)


def overheard(path: Path) -> LastWords | None:
    """Return the same by looking alone: nothing is removed, nor written.

    The look is a shared lock for an instant; whoever tries for the sign in that very instant takes its runner to be
    there, and looks again.
    """
    if str(path) in _signs:
        return None
    if sys.platform == "win32":  # who holds it cannot be told without writing
        return None if path.exists() else LastWords(None)
    import fcntl  # noqa: PLC0415 - POSIX only

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return _words(file.read())
    except FileNotFoundError:
        return LastWords(None)
    except BlockingIOError:
        return None
    except OSError as error:
        raise storage_error(error, path) from error


def _words(content: bytes) -> LastWords:
    numbers = [int.from_bytes(content[at : at + _SLOT_BYTES], "little") for at in range(0, len(content), _SLOT_BYTES)]
    known = len(content) == _SLOTS * _SLOT_BYTES and _TOO_MANY not in numbers
    return LastWords(frozenset(map(_attempt_in, filter(None, numbers))) if known else None)


def _slot_of(index: int, number: int) -> int:
    """An attempt as a number other than 0. Nobody tries a chunk a million times."""
    return (index + 1) << _NUMBER_BITS | min(number, _MOST_NUMBER)


def _attempt_in(slot: int) -> tuple[int, int]:
    return (slot >> _NUMBER_BITS) - 1, slot & _MOST_NUMBER


def signs_of_life(store: Path) -> list[Path]:
    """Return the signs of life beside a store, also of runners that are gone; what is no file of ours is none."""
    named_so = [path for path in store.parent.iterdir() if path.name.startswith(f"{store.name}{_RUNNER}")]
    return sorted(path for path in named_so if path.is_file() and not path.is_symlink())


def sign_at(store: Path, name: str) -> Path:
    """Return where the sign of life with this name is: beside the store, whatever a damaged name says."""
    return store.parent / os.path.basename(name)  # noqa: PTH119 - Path.name is no name for ".."
