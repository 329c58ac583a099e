"""Ask whether a file exists; a file system that does not answer is an error, and not a missing file."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from checkpoint_store.system.files import storage_error

if TYPE_CHECKING:
    from pathlib import Path

_NOTHING_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def is_there(path: Path) -> bool:
    """Return whether a file or a folder is at ``path``.

    Raises:
        StorageUnavailableError: the file system does not say: the disk is gone, the mount is dead, or this user may not
            enter the folder.
    """
    return _status(path) is not None


def is_folder(path: Path) -> bool:
    """Return whether a folder is at ``path``.

    Raises:
        StorageUnavailableError: the file system does not say; see :func:`is_there`.
    """
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise storage_error(error, path) from error


def is_on_read_only_system(path: Path) -> bool:
    """Return whether the file system of a file or folder is mounted read-only, so that no permission helps."""
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def unavailable_reason(path: Path) -> str | None:
    """Return why the file system does not answer about ``path``; None if it answers, even that nothing is there."""
    try:
        os.stat(path)
        if hasattr(os, "statvfs"):
            os.statvfs(path.parent)  # for a second, a mount whose server died answers os.stat from its cache
    except OSError as error:
        return None if error.errno in _NOTHING_THERE else error.strerror or str(error)
    return None
