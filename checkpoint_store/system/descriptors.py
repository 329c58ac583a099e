"""The descriptors of this process: their limits, errors that name a lack of them, and files that it has locked."""

from __future__ import annotations

import errno
import fcntl
import os
import resource  # not late: once the descriptors have run out, Python cannot read a module
import struct
import sys
from contextlib import ContextDecorator, suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageUnavailableError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


def file_bytes_max() -> int | None:
    """Return how large a file may become that this process writes; None if no limit is set."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def has_locked(path: Path) -> bool:
    """Return whether this process holds a POSIX lock on the file at ``path``; False if that is unknown (no /proc).

    If the process closes any descriptor of the file, it loses the lock: a lock of its own SQLite connection, too.
    """
    with suppress(OSError):
        status = os.stat(path)
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # a descriptor may be gone the next moment
                if os.path.samestat(os.stat(f"/proc/self/fd/{name}"), status):
                    with open(f"/proc/self/fdinfo/{name}", "rb") as info:  # of the descriptor that took the lock alone
                        if b" POSIX " in info.read():
                            return True
    return False


class OpenFile:
    """Reads a file through a descriptor that this process has open already, such as the one of SQLite.

    To open the file anew, and to close it, would drop the locks of SQLite.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        """The descriptor of the last read."""

    def read(self, status: os.stat_result, size_bytes: int, offset: int) -> bytes | None:
        """Return the bytes at ``offset`` of the file with this status; None if this process cannot read it so."""
        with suppress(OSError):
            for descriptor in (self._descriptor, *map(int, os.listdir("/dev/fd"))):
                with suppress(OSError):  # a descriptor may be gone the next moment
                    if os.path.samestat(os.fstat(descriptor), status):
                        raw = os.pread(descriptor, size_bytes, offset)
                        if os.path.samestat(os.fstat(descriptor), status):  # it was of this file all the time
                            self._descriptor = descriptor
                            return raw
        return None


def lock_for_all(path: Path, first: int, count: int) -> list[int]:
    """Keep every process, this one too, from locking these bytes of a file alone, until the descriptor is closed.

    Returns the descriptor; an empty list if the system has no such locks (it is not Linux), or refused the lock.
    """
    if sys.platform != "linux":
        return []
    taken: list[int] = []
    try:
        taken.extend(map(os.open, (path,), (os.O_RDONLY | os.O_CLOEXEC,)))
        # A lock of the open file description: a POSIX lock would not keep out the process that holds it.
        fcntl.fcntl(taken[0], fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_RDLCK, os.SEEK_SET, first, count, 0))
    except OSError:
        while taken:
            os.close(taken.pop())
    return taken


_SPARE: Final = 4
"""Descriptors that SQLite opens for one store: the file, its WAL or journal, the index of the WAL, the folder."""


def shortage(number: int | None) -> str | None:
    """Return a message if this error number means that descriptors have run out; None if it means anything else."""
    if number == errno.ENFILE:
        return f"{os.strerror(number)} (all processes of this machine together; close programs that hold many)"
    if number != errno.EMFILE:
        return None
    many = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f"{os.strerror(number)}: this process has no file descriptor left ({many} at most). Close files and "
        "connections that are no longer needed, or raise the limit (ulimit -n)"
    )


def shortage_now(wanted: int = _SPARE) -> str | None:
    """Return a message if this many more files cannot be opened now; None if they can."""
    taken: list[int] = []
    try:
        taken.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(wanted))
    except OSError as error:
        return shortage(error.errno)
    finally:
        for descriptor in taken:
            with suppress(OSError):
                os.close(descriptor)
    return None


class importing(ContextDecorator):  # noqa: N801 - used as a function is
    """Import modules late, in its body or in the function that it decorates.

    Python needs a file descriptor to read a module.

    Raises:
        StorageUnavailableError: no descriptor is left to read the module with. A later try imports it.
    """

    def __enter__(self) -> None:
        """Do nothing: the body imports."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            reason = shortage(error.errno)
        elif isinstance(error, ImportError) and os.strerror(errno.EMFILE) in str(error):  # of a shared library
            reason = shortage(errno.EMFILE)
        else:
            return
        if reason is not None:
            name = getattr(error, "filename", None) or getattr(error, "path", None) or "a module of Python"
            raise StorageUnavailableError(name, reason) from error
