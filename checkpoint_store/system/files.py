"""Create files whole and private; open no symlink of a stranger; give what root makes to the owner of its neighbour."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageFullError, StorageUnavailableError, size_text
from checkpoint_store.system.descriptors import file_bytes_max, shortage
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def match_owner(made: int | Path, like: Path | None) -> None:
    """Give a new file the owner of the file ``like``, if that file exists and the process is root.

    ``made`` is the descriptor of the new file, or its path; a symlink is not followed.
    """
    if like is None or os.geteuid() != 0:
        return
    try:
        wanted = os.stat(like)
    except OSError:
        return  # without that file, the new file is root's
    try:
        here = os.fstat(made) if isinstance(made, int) else os.lstat(made)
        if (here.st_uid, here.st_gid) == (wanted.st_uid, wanted.st_gid):
            return
        if isinstance(made, int):
            os.fchown(made, wanted.st_uid, wanted.st_gid)
        else:
            os.lchown(made, wanted.st_uid, wanted.st_gid)
    except FileNotFoundError:  # the file was removed meanwhile
        return
    except OSError as error:
        log.warning("a file beside %s stays root's: %s", like, error)


GUARDS: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags of :func:`os.open`: follow no symlink, do not wait at a pipe, close the descriptor in a started program."""
NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY
"""Flags of :func:`os.open`: create a file for writing; fail if the name exists, even as a dangling symlink."""
PRIVATE: Final = 0o600
"""The mode of every file of a store: its owner may read and write it, and nobody else."""


def open_new(path: str | Path) -> int:
    """Create a file for writing, and return its descriptor. The file is private, whatever the umask is.

    A umask can take rights from the owner, too: then nothing could open the file again. After an error, the file is
    removed.
    """
    file = os.open(path, NEW, PRIVATE)
    try:
        if os.fstat(file).st_mode & PRIVATE != PRIVATE:
            os.fchmod(file, PRIVATE)
    except BaseException:
        os.close(file)
        with suppress(OSError):
            os.unlink(path)
        raise
    return file


def open_regular(path: str | Path, flags: int) -> int:
    """Open a regular file with these flags and the guards; OSError if anything else has the name, such as a symlink."""
    file = os.open(path, flags | GUARDS)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
    except BaseException:
        os.close(file)
        raise
    return file


FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNSUPPORTED: Final = frozenset(
    {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
)
"""The errors of a file system that can sync files, but no folders (vboxsf, some CIFS and FUSE).

SQLite and PostgreSQL, too, ignore these errors.
"""
_TEMPORARY: Final = ".tmp-"
_RANDOM_BYTES: Final = 6
_TEMPORARY_MARK: Final = re.compile(rf"{re.escape(_TEMPORARY)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}(-[a-z]+)?$")
_NAME_BYTES_MAX: Final = 255
"""The longest name of a file on most file systems."""
_SIBLING_BYTES_MAX: Final = 8
"""Room for what a database library adds to the name of a temporary file that is a database."""
NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What a file system without file locks answers. Whatever else it may lack is done without."""
NO_LOCKS_REASON: Final = "its file system has no file locks; keep the store on a local disk"
_FOLDER_GONE: Final = (
    "The folder is not there. If it was moved, what was recorded is in it: put it back and call again, and the same "
    "object goes on. If it was removed, what was recorded in it is gone."
)


def temporary_path(path: Path) -> Path:
    """Return the path of a temporary file beside ``path``, of a name that no one else has."""
    return path.with_name(f"{_beginning(path.name)}{_TEMPORARY}{os.urandom(_RANDOM_BYTES).hex()}")


def final_path(path: Path) -> Path:
    """Return the path that a temporary file gets once it is whole; any other path as it is."""
    name = path.name
    while mark := _TEMPORARY_MARK.search(name):
        name = name[: mark.start()]
    return path.with_name(name) if name else path


def _beginning(name: str) -> str:
    """Return the name, shortened with a digest if the ending of a temporary file would make it too long."""
    bytes_max = _NAME_BYTES_MAX - len(_TEMPORARY) - 2 * _RANDOM_BYTES - _SIBLING_BYTES_MAX
    if len(os.fsencode(name)) <= bytes_max:
        return name
    digest = sha256(os.fsencode(name)).hexdigest()[: 2 * _RANDOM_BYTES]
    while len(os.fsencode(name)) > bytes_max - len(digest):
        name = name[:-1]
    return f"{name}{digest}"


def create_private(path: Path, *, like: Path | None = None) -> None:
    """Create an empty file of mode 0600, durable in its folder; root gives it to the owner of ``like``."""
    descriptor = open_new(path)
    try:
        try:
            match_owner(descriptor, like)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def make_folder(folder: Path) -> None:
    """Create a folder with the folders above it that are missing; durable when this returns."""
    with storage_errors(folder):
        if folder.is_dir():
            return
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        open_to_owner(folder)
        sync_folder(folder.parent)


def open_to_owner(folder: Path) -> None:
    """Let its owner use a folder that was just made: a umask can take rights from the owner, too."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(mode | stat.S_IRWXU)


def leftovers(path: Path) -> list[Path]:
    """Return the temporary files of ``path``: of killed writers, and of a writer that is at work now."""
    return list(path.parent.glob(f"{_escape(_beginning(path.name))}{_TEMPORARY}{'[0-9a-f]' * 2 * _RANDOM_BYTES}"))


def sweep(path: Path) -> None:
    """Remove the temporary files of killed writers of ``path``. Call it under the lock that the writers hold."""
    try:
        for leftover in leftovers(path):
            remove_leftover(leftover)
    except OSError as error:
        log.warning("the temporary files of killed writers of %s were not removed: %s", path, error)


def remove_leftover(path: Path) -> None:
    """Remove a file that a killed process left behind. A file that cannot be removed stays for the next time."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s was left behind, and cannot be removed: %s", path, error)
    else:
        log.info("%s was left behind: removed", path)


def remove_file(path: Path) -> None:
    """Remove a file; a file that is gone already is fine."""
    with storage_errors(path):
        path.unlink(missing_ok=True)


def _escape(name: str) -> str:
    """Return what ``glob.escape`` returns: that module is gone when a store is closed while the interpreter ends."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        log.debug("the file system of %s cannot sync a folder: %s", folder, error.strerror)
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int | None:
    """Return the bytes that this user may still write on the file system of ``path``, or None if that is unknown."""
    for folder in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise the library's error in place of an operating system's; see :func:`storage_error`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def full_error(path: Path, reason: str, *, is_too_large: bool) -> StorageFullError:
    """Return the error that nothing more can be written; it names what has run out where that is not the bytes.

    ``is_too_large``: whether the file has reached the largest size that this process may write.
    """
    limit = file_bytes_max()
    if is_too_large and limit is not None:
        reason += f": this process may write {size_text(limit)} into a file; raise that limit (ulimit -f)"
    elif has_no_inode(path):
        reason += ": its file system has no inode for another file; delete files there"
    return StorageFullError(path, reason, free_bytes(path))


def has_no_inode(path: Path) -> bool:
    """Return whether the file system of a file cannot hold another file, however many bytes are free."""
    with suppress(OSError):
        counts = os.statvfs(path.parent)
        return bool(counts.f_files) and not counts.f_favail  # some file systems count no inodes: 0 of 0
    return False


def storage_error(error: OSError, path: Path) -> StorageFullError | StorageUnavailableError:
    """Return the library's error for an OSError. It names the final path of a temporary file."""
    path = final_path(path)
    reason = shortage(error.errno) or error.strerror or str(error)
    if error.errno in NO_LOCKS:
        reason = NO_LOCKS_REASON
    if error.errno in FULL:
        return full_error(path, reason, is_too_large=error.errno == errno.EFBIG)
    is_without_folder = error.errno == errno.ENOENT and not os.path.lexists(path.parent)
    return StorageUnavailableError(path, reason, _FOLDER_GONE if is_without_folder else None)
