"""Open a file that another user may have put there: no symlink is followed, and no pipe is waited for."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

GUARDS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags of :func:`os.open`: follow no symlink, do not wait at a pipe, close the descriptor in a started program."""
NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY
"""Flags of :func:`os.open`: create a file for writing; fail if the name exists, even as a dangling symlink."""


def open_regular(path: str | Path, flags: int) -> int:
    """Open a regular file with these flags and the guards, and return its descriptor.

    Raises:
        OSError: it cannot be opened, or a symlink (ELOOP) or anything but a regular file (EINVAL) has its name.
    """
    file = os.open(path, flags | GUARDS)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))
