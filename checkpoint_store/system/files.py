"""Files that appear whole, belong to their owner alone, and never follow a stranger's symlink."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageFullError, StorageUnavailableError
from checkpoint_store.system.descriptors import shortage
from checkpoint_store.system.guarded_open import GUARDS, NEW
from checkpoint_store.system.log import log
from checkpoint_store.system.ownership import give

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PRIVATE: Final = 0o600
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TEMPORARY: Final = ".tmp-"
_RANDOM_BYTES: Final = 6
_TEMPORARY_MARK: Final = re.compile(rf"{re.escape(_TEMPORARY)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}(-wal|-shm|-journal)?$")
_NAME_BYTES_MAX: Final = 255
"""The longest name of a file on most file systems."""
_SIBLING_BYTES_MAX: Final = 8
"""Room for what a database library adds to the name of a temporary file that is a database."""
_SYNC_EVERY_BYTES: Final = 4 * 1024 * 1024
"""A large file is synced in pieces: whoever syncs a small one meanwhile waits for a piece, and not for all of it."""


def temporary_path(path: Path) -> Path:
    """Return the path of a temporary file beside ``path``, of a name that no one else has."""
    return path.with_name(f"{_beginning(path.name)}{_TEMPORARY}{os.urandom(_RANDOM_BYTES).hex()}")


def place_of(path: Path) -> Path:
    """Return the file that a temporary file is to become, the name that people know; any other path as it is."""
    name = path.name
    while mark := _TEMPORARY_MARK.search(name):
        name = name[: mark.start()]
    return path.with_name(name) if name else path


def _beginning(name: str) -> str:
    """Return the name, or one of its own that leaves room for the endings of a temporary file."""
    room = _NAME_BYTES_MAX - len(_TEMPORARY) - 2 * _RANDOM_BYTES - _SIBLING_BYTES_MAX
    if len(os.fsencode(name)) <= room:
        return name
    digest = sha256(os.fsencode(name)).hexdigest()[: 2 * _RANDOM_BYTES]
    while len(os.fsencode(name)) > room - len(digest):
        name = name[:-1]
    return f"{name}{digest}"


def create_private(path: Path, *, like: Path | None = None) -> None:
    """Create an empty file of mode 0600, durable in its folder; root gives it to the owner of ``like``.

    Raises:
        FileExistsError: something (even a dangling symlink) is there already.
    """
    descriptor = os.open(path, NEW, PRIVATE)
    try:
        try:
            give(descriptor, like)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def make_folder(folder: Path) -> None:
    """Create a folder with the folders above it that are missing; durable when this returns.

    Raises:
        StorageUnavailableError: it cannot be created.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
    except OSError as error:
        raise storage_error(error, folder) from error


def replace_file(
    path: Path,
    pieces: Iterable[str],
    *,
    backup: Path | None = None,
    like: Path | None = None,
    keeps_mode: bool = False,
) -> int:
    """Write text to ``path`` so that a reader sees the old or the new file, whole, whatever happens.

    A symbolic link at ``path`` is replaced, not followed. Durable when this returns. Returns the size in bytes.

    Args:
        path: the file.
        pieces: its text, encoded as UTF-8.
        backup: what the file before it becomes, unless that is the same, byte for byte. A file that may not be read is
            replaced without that.
        like: root gives the new file to the owner of this one.
        keeps_mode: give the file the mode (and, as root, the owner) of the file before it, if there is one. Otherwise
            the mode is 0600.

    Raises:
        StorageFullError: no room; ``path`` and ``backup`` are as they were.
        StorageUnavailableError: the folder cannot be written for another reason.
    """
    temporary = temporary_path(path)
    try:
        try:
            size = _write_new(temporary, pieces, like, path if keeps_mode else None)
            if backup is not None and not _same_bytes(path, temporary):
                keep_previous(path, backup)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    return size


def _write_new(path: Path, pieces: Iterable[str], like: Path | None, previous: Path | None) -> int:
    descriptor = os.open(path, NEW, PRIVATE)
    # Larger pieces pass the buffer by. The built-in open() is gone while the interpreter ends.
    with io.BufferedWriter(io.FileIO(descriptor, "wb"), 1 << 16) as file:
        unsynced = 0
        for piece in pieces:
            unsynced += file.write(piece.encode())
            if unsynced >= _SYNC_EVERY_BYTES:
                file.flush()
                os.fsync(descriptor)
                unsynced = 0
        if previous is None or not _take_after(descriptor, previous):
            give(descriptor, like)
        file.flush()
        os.fsync(descriptor)
        return file.tell()


def _take_after(descriptor: int, previous: Path) -> bool:
    """Give a new file the mode of the file that it replaces, and its owner, if we are root; False if there is none."""
    try:
        found = os.stat(previous, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    if os.name == "posix" and not os.geteuid():
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
    return True


def _same_bytes(path: Path, other: Path) -> bool:
    """Return whether two regular files are the same, byte for byte. Of different sizes, neither is read."""
    try:
        found = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_size != other.stat().st_size:
            return False
        with io.FileIO(path, "rb") as one, io.FileIO(other, "rb") as two:
            while True:
                piece = one.read(1 << 20)
                if piece != two.read(1 << 20):
                    return False
                if not piece:
                    return True
    except OSError:
        pass
    return False


def keep_previous(path: Path, backup: Path) -> None:
    """Let ``backup`` be what ``path`` is now, without a moment in which ``path`` is missing."""
    link = temporary_path(backup)
    try:
        try:
            if not _link(path, link):
                _copy(path, link)
        except FileNotFoundError:
            return
        except PermissionError:
            log.warning("%s may not be read: it is replaced, and no copy of it is kept", path)
            return
        _make_private(link)  # the first one may have been written by something else
        try:
            os.replace(link, backup)
        except OSError as error:  # a folder, for one, was put there
            raise storage_error(error, backup) from error
        with suppress(OSError):  # renaming one name of a file to another name of the same file does nothing
            link.unlink()
    except BaseException:
        with suppress(OSError):
            link.unlink()
        raise


def _link(path: Path, link: Path) -> bool:
    """Give a file a second name, unless it has one already, or the file system has no hard links."""
    try:
        if os.stat(path, follow_symlinks=False).st_nlink > 1:
            return False  # what is done to it would be done to somebody else's file
        os.link(path, link, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise
        return False
    return True


def _make_private(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | GUARDS)
        try:
            os.fchmod(descriptor, PRIVATE)
        finally:
            os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, NEW, PRIVATE)
    with io.FileIO(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())


def leftovers(path: Path) -> list[Path]:
    """Return what killed writers of ``path`` left behind, and what a writer is at work on now."""
    return list(path.parent.glob(f"{_escape(_beginning(path.name))}{_TEMPORARY}{'[0-9a-f]' * 2 * _RANDOM_BYTES}"))


def sweep(path: Path) -> None:
    """Remove what killed writers of ``path`` left behind. Call it under the lock that the writers hold."""
    try:
        for leftover in leftovers(path):
            remove_leftover(leftover)
    except OSError as error:
        log.warning("what killed writers of %s left behind is not looked for: %s", path, error)


def remove_leftover(path: Path) -> None:
    """Remove a file that a killed process left behind. A file that cannot be removed stays for the next time."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s was left behind, and cannot be removed: %s", path, error)
    else:
        log.info("%s was left behind: removed", path)


def _escape(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int | None:
    """Return how much room is left for us on the file system of ``path``, or None where that is unknown."""
    for folder in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def storage_error(error: OSError, path: Path) -> StorageFullError | StorageUnavailableError:
    """Return the library's error for an operating system's. In place of a temporary file it names what that is for."""
    path = place_of(path)
    reason = shortage(error.errno) or error.strerror or str(error)
    if error.errno in FULL:
        return StorageFullError(path, reason, free_bytes(path))
    return StorageUnavailableError(path, reason)
