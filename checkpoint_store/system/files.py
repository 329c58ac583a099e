"""Files that appear whole, belong to their owner alone, and never follow a stranger's symlink."""

from __future__ import annotations

import errno
import io
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageFullError, StorageUnavailableError
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PRIVATE: Final = 0o600
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_BLOCK: Final = getattr(os, "O_NONBLOCK", 0)
_TEMPORARY: Final = ".tmp-"
_RANDOM_BYTES: Final = 6


def temporary_path(path: Path) -> Path:
    """Return the path of a temporary file beside ``path``, of a name that no one else has."""
    return path.with_name(f"{path.name}{_TEMPORARY}{os.urandom(_RANDOM_BYTES).hex()}")


def create_private(path: Path) -> None:
    """Create an empty file of mode 0600, durable in its folder.

    Raises:
        FileExistsError: something (even a dangling symlink) is there already.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, PRIVATE)
    os.close(descriptor)
    try:
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


def replace_file(path: Path, pieces: Iterable[str], *, backup: Path | None = None) -> int:
    """Write text to ``path`` so that a reader sees the old or the new file, whole, whatever happens.

    The file before it becomes ``backup``. Durable when this returns. Returns the size in bytes.

    Raises:
        StorageFullError: no room; ``path`` and ``backup`` are as they were.
        StorageUnavailableError: the folder cannot be written for another reason.
    """
    temporary = temporary_path(path)
    try:
        try:
            size = _write_new(temporary, pieces)
            if backup is not None:
                _keep_previous(path, backup)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    return size


def _write_new(path: Path, pieces: Iterable[str]) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, PRIVATE)
    # Larger pieces pass the buffer by. The built-in open() is gone while the interpreter ends.
    with io.BufferedWriter(io.FileIO(descriptor, "wb"), 1 << 16) as file:
        file.writelines(piece.encode() for piece in pieces)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _keep_previous(path: Path, backup: Path) -> None:
    """Let ``backup`` be what ``path`` is now, without a moment in which ``path`` is missing."""
    link = temporary_path(backup)
    try:
        try:
            os.link(path, link, follow_symlinks=False)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in FULL:
                raise
            _copy(path, link)  # a file system without hard links
        _make_private(link)  # the first one may have been written by something else
        os.replace(link, backup)
        with suppress(OSError):  # renaming one name of a file to another name of the same file does nothing
            link.unlink()
    except BaseException:
        with suppress(OSError):
            link.unlink()
        raise


def _make_private(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_BLOCK)
        try:
            os.fchmod(descriptor, PRIVATE)
        finally:
            os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, PRIVATE)
    with io.FileIO(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())


def leftovers(path: Path) -> list[Path]:
    """Return what killed writers of ``path`` left behind, and what a writer is at work on now."""
    return list(path.parent.glob(f"{_escape(path.name)}{_TEMPORARY}{'[0-9a-f]' * 2 * _RANDOM_BYTES}"))


def sweep(path: Path) -> None:
    """Remove what killed writers of ``path`` left behind. Call it under the lock that the writers hold."""
    for leftover in leftovers(path):
        remove_leftover(leftover)


def remove_leftover(path: Path) -> None:
    """Remove a file that a killed process left behind. A file that cannot be removed stays for the next time."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
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
    """Return the library's error for an operating system's."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return StorageFullError(path, reason, free_bytes(path))
    return StorageUnavailableError(path, reason)
