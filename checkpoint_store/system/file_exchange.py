"""Write the previous version of a file again under a hidden name, and exchange it with the current version.

Only the text in which the new version differs from the previous one is written. A reader sees a whole version: nothing
is written to a file while it has its known name, or while a program that opened it under that name still has it open.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.system.file_replacement import keep_previous, replacing
from checkpoint_store.system.files import open_regular, sync_folder, temporary_path
from checkpoint_store.system.paths import status_of

if sys.platform == "linux":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK_BYTES: Final = 512

CAN_TELL_READERS: Final = sys.platform == "linux"
"""Whether this platform can tell that another program has a file open."""


class Identity(NamedTuple):
    """The identity of a file and of its content: each writing changes it."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int
    status_changed_ns: int
    """The time of the last writing or renaming. No program can set this time back, unlike ``changed_ns``."""

    def is_before(self, renamed: Identity | None) -> bool:
        """Whether ``renamed`` is the same file with the same content under another name."""
        return renamed is not None and self[:-1] == renamed[:-1]


def identity(path: Path) -> Identity | None:
    """Return the identity of the file at ``path``; None unless it is a regular file that has a single name."""
    status = status_of(path, follow_symlinks=False)
    return None if status is None else _identity(status)


def _identity(status: os.stat_result) -> Identity | None:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return None
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_unread(descriptor: int) -> bool:
    """Whether no other descriptor, in any process, has this file open or mapped; False if that cannot be told.

    The kernel grants a write lease only if nobody else has the file open. We return the lease immediately. A process
    that opens the file meanwhile waits, and the kernel sends us SIGURG, which does nothing by default. Without F_SETSIG
    it would send SIGIO, which ends the process.
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
    """A file that is overwritten in place, and can be restored."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = os.fstat(descriptor).st_size
        self._overwritten: list[tuple[int, bytearray]] = []
        """The byte offset and the former bytes of each overwritten place, in the order of writing."""
        self.at_bytes = 0
        """The byte offset at which the next text is written."""
        self.written_bytes = 0
        """How many bytes were written so far."""

    def write(self, text: str) -> None:
        """Write text at :attr:`at_bytes`, and move :attr:`at_bytes` behind the text."""
        self._put(text.encode())

    def write_changed(self, text: str) -> None:
        """Write text at :attr:`at_bytes`, except the blocks of 512 bytes that the file has there already."""
        data, start = text.encode(), self.at_bytes
        stored = os.pread(self._descriptor, len(data), start)
        for at in range(0, len(data), _BLOCK_BYTES):
            block = data[at : at + _BLOCK_BYTES]
            self.at_bytes = start + at
            if block != stored[at : at + _BLOCK_BYTES]:
                self._put(block)
        self.at_bytes = start + len(data)

    def _put(self, data: bytes) -> None:
        self.written_bytes += len(data)
        if self.at_bytes < self._size_bytes:
            self._note_overwritten(os.pread(self._descriptor, len(data), self.at_bytes))
        self.at_bytes = self._put_at(self.at_bytes, data)

    def _note_overwritten(self, former: bytes) -> None:
        if self._overwritten:
            at_bytes, place = self._overwritten[-1]
            # One place for texts that follow each other: a tuple for each takes more memory than the text.
            if at_bytes + len(place) == self.at_bytes:
                place += former
                return
        self._overwritten.append((self.at_bytes, bytearray(former)))

    def _put_at(self, at_bytes: int, data: bytes | bytearray) -> int:
        while data:
            count = os.pwrite(self._descriptor, data, at_bytes)
            at_bytes, data = at_bytes + count, data[count:]
        return at_bytes

    def end(self) -> None:
        """Cut the file off at :attr:`at_bytes`. All that was written is durable when this returns."""
        os.ftruncate(self._descriptor, self.at_bytes)
        os.fsync(self._descriptor)

    def undo(self) -> None:
        """Restore the file as it was before the first writing. Needs no free space. Durable when this returns."""
        os.ftruncate(self._descriptor, self._size_bytes)
        for at_bytes, overwritten in reversed(self._overwritten):
            self._put_at(at_bytes, overwritten[: self._size_bytes - at_bytes])
        os.fsync(self._descriptor)


class Exchange(NamedTuple):
    """An exchange of two versions of a file that is under way."""

    rewriting: Rewriting
    """The previous version, under its hidden name."""
    written: list[Identity]
    """The identity of the new current version. Empty until the exchange is complete."""


@contextmanager
def exchange(previous: Path, known: Identity, path: Path) -> Iterator[Exchange | None]:
    """Open the file at ``previous`` for writing. At the end it becomes ``path``, and ``path`` becomes ``previous``.

    Yields None if ``previous`` is not the ``known`` version, or another program has it open. The exchange is durable
    when the context ends. If the block raises, or the disk is full, both files are restored. After a kill, ``path`` is
    whole, and ``previous`` may be missing.
    """
    descriptor = open_regular(previous, os.O_RDWR)
    try:
        if _identity(os.fstat(descriptor)) != known or not _is_unread(descriptor):
            yield None
            return
        hidden = temporary_path(path)
        with replacing(hidden, path):
            under_way = Exchange(Rewriting(descriptor), [])
            try:
                previous.rename(hidden)
                sync_folder(path.parent)  # after a power cut, no file that has a name is half written
                yield under_way
                under_way.rewriting.end()
                keep_previous(path, previous)
            except BaseException:
                under_way.rewriting.undo()
                with suppress(FileNotFoundError):  # it was not renamed
                    os.replace(hidden, previous)
                raise
        under_way.written.extend(filter(None, [_identity(os.fstat(descriptor))]))
    finally:
        os.close(descriptor)
