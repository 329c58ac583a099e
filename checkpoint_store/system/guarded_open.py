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
PRIVATE: Final = 0o600
"""The mode of every file of a store: its owner may read and write it, and nobody else."""


def open_new(path: str | Path) -> int:
    """Create a file for writing, and return its descriptor. The file is private, whatever the umask is.

    A umask can take rights from the owner, too: then nothing could open the file again.

    Raises:
        FileExistsError: the path exists already, even as a dangling symlink.
    """
    file = os.open(path, NEW, PRIVATE)
    try:
        if os.fstat(file).st_mode & PRIVATE != PRIVATE:
            os.fchmod(file, PRIVATE)
    except BaseException:
        os.close(file)
        raise
    return file


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
