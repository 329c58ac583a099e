"""A file that was replaced by a newer one is written again, out of sight, and takes the place of that one.

Two files of one content cost no more than what is new. A reader sees the one or the other, whole: nothing is written to
a file while it has its name, or while somebody who opened it before has it open.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.system.files import keep_previous, sync_folder, temporary_path
from checkpoint_store.system.guarded_open import open_regular

if sys.platform == "linux":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK_BYTES: Final = 512

CAN_TELL_READERS: Final = sys.platform == "linux"
"""Whether this platform tells if anybody else has a file open."""


class Identity(NamedTuple):
    """Which file it is, and whether it is as it was: what changes with each writing, and with no renaming."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int


def identity(path: Path) -> Identity | None:
    """Return which file this is; None where there is none, or none that is a regular file of one name."""
    with suppress(OSError):
        return _identity(os.lstat(path))
    return None


def _identity(found: os.stat_result) -> Identity | None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return None
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _is_unread(descriptor: int) -> bool:
    """Whether nobody else, in any process, has this file open or mapped; False where nobody can tell.

    The kernel grants a write lease on such a file only. It is given back at once. Whoever opens the file meanwhile
    waits, and we get a signal that does nothing by default (the usual one of a lease would end the process).
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True


class Rewriting:
    """A file that is written over from its beginning, or from any place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = os.fstat(descriptor).st_size
        self._overwritten: list[tuple[int, bytes]] = []
        """Where something was written over, and what stood there."""
        self.at_bytes = 0
        """Where the next text goes."""
        self.written_bytes = 0

    def write(self, text: str) -> None:
        """Write text."""
        self._put(text.encode())

    def write_changed(self, text: str) -> None:
        """Write text; what stands there already is left alone, in blocks."""
        data, start = text.encode(), self.at_bytes
        there = os.pread(self._descriptor, len(data), start)
        for at in range(0, len(data), _BLOCK_BYTES):
            block = data[at : at + _BLOCK_BYTES]
            self.at_bytes = start + at
            if block != there[at : at + _BLOCK_BYTES]:
                self._put(block)
        self.at_bytes = start + len(data)

    def _put(self, data: bytes) -> None:
        self.written_bytes += len(data)
        if self.at_bytes < self._size_bytes:
            there = os.pread(self._descriptor, len(data), self.at_bytes)
            self._overwritten.append((self.at_bytes, there))
        self.at_bytes = self._put_at(self.at_bytes, data)

    def _put_at(self, at_bytes: int, data: bytes) -> int:
        while data:
            count = os.pwrite(self._descriptor, data, at_bytes)
            at_bytes, data = at_bytes + count, data[count:]
        return at_bytes

    def end(self) -> None:
        """End the file here. Durable when this returns."""
        os.ftruncate(self._descriptor, self.at_bytes)
        os.fsync(self._descriptor)

    def undo(self) -> None:
        """Let the file be as it was; that takes no room. Durable when this returns."""
        os.ftruncate(self._descriptor, self._size_bytes)
        for at_bytes, there in reversed(self._overwritten):
            self._put_at(at_bytes, there[: self._size_bytes - at_bytes])
        os.fsync(self._descriptor)


class SecondLife(NamedTuple):
    """A file that has no name that anybody knows, while it is written."""

    rewriting: Rewriting
    written: list[Identity]
    """Which file took the place; set at the end."""


@contextmanager
def second_life(previous: Path, known: Identity, path: Path) -> Iterator[SecondLife | None]:
    """Let the file at ``previous`` be written, and then take the place of ``path``, which becomes ``previous``.

    None where that is not the file that is known, or somebody has it open. Durable at the end. Where the block raises,
    both files are as they were. A kill leaves ``path`` as it was, and no ``previous``.
    """
    descriptor = open_regular(previous, os.O_RDWR)
    try:
        if _identity(os.fstat(descriptor)) != known or not _is_unread(descriptor):
            yield None
            return
        hidden = temporary_path(path)
        try:
            previous.rename(hidden)
            sync_folder(path.parent)  # after a power cut, no file that has a name is half written
            life = SecondLife(Rewriting(descriptor), [])
            try:
                yield life
                life.rewriting.end()
            except BaseException:
                life.rewriting.undo()
                os.replace(hidden, previous)
                raise
            keep_previous(path, previous)
            os.replace(hidden, path)
        except BaseException:
            with suppress(OSError):
                hidden.unlink()
            raise
        sync_folder(path.parent)
        life.written.extend(filter(None, [_identity(os.fstat(descriptor))]))
    finally:
        os.close(descriptor)
