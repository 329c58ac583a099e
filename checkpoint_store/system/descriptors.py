"""Errors that name a lack of file descriptors as the reason why a file, or a module of Python, could not be opened."""

from __future__ import annotations

import errno
import os
from contextlib import ContextDecorator, suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageUnavailableError
from checkpoint_store.system.process_limits import descriptors_max

if TYPE_CHECKING:
    from types import TracebackType

_SPARE: Final = 4
"""Descriptors that SQLite opens for one store: the file, its WAL or journal, the index of the WAL, the folder."""


def shortage(number: int | None) -> str | None:
    """Return a message if this error number means that descriptors have run out; None if it means anything else."""
    if number == errno.ENFILE:
        return f"{os.strerror(number)} (all processes of this machine together; close programs that hold many)"
    if number != errno.EMFILE:
        return None
    limit = descriptors_max()
    many = "as many as it may have" if limit is None else f"{limit} at most"
    return (
        f"{os.strerror(number)}: this process has no file descriptor left ({many}). Close files and connections that "
        "are no longer needed, or raise the limit (ulimit -n)"
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
