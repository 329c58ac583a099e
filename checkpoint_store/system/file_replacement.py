"""Files that are written whole: the old file stays until the new one is durable, and may be kept as a backup."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.system.files import (
    FULL,
    GUARDS,
    PRIVATE,
    leftovers,
    match_owner,
    open_new,
    remove_leftover,
    storage_errors,
    sync_folder,
    temporary_path,
)
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNSYNCED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Sync a large file after this many bytes: another process that syncs a small file waits for these bytes only."""
_UNSENT_BYTES_MAX: Final = 1024 * 1024
"""Let the disk begin with the bytes of a large file after this many: a sync then finds most of them written."""
_BUFFER_BYTES: Final = 16 * 1024
"""A page of results (64 KiB) is larger than this buffer, so that it is written without being copied into the buffer."""

_COMPARED_BYTES: Final = 64 * 1024
"""Compare this many bytes of two files at once."""


def replace_file(
    path: str | os.PathLike[str],
    texts: Iterable[str],
    *,
    backup: str | os.PathLike[str] | None = None,
    like: Path | None = None,
    keeps_mode: bool = False,
) -> int:
    """Write text to ``path`` so that a reader sees the old or the new file, whole, whatever happens.

    A symbolic link at ``path`` is replaced, not followed. Durable when this returns. Returns the size in bytes.

    Args:
        path: the file.
        texts: the parts of its text in order, encoded as UTF-8.
        backup: the path that the replaced file is kept at, unless both files are the same, byte for byte. A file that
            may not be read is replaced without a backup.
        like: root gives the new file to the owner of this file.
        keeps_mode: give the file the mode (and, as root, the owner) of the file before it, if there is one. Otherwise
            the mode is 0600.

    Raises:
        StorageFullError: the disk is full; ``path`` and ``backup`` are as they were.
        StorageUnavailableError: the folder cannot be written for another reason.
        InvalidArgumentError: ``path``, ``backup`` or ``like`` is no path of a file, or ``texts`` has something else
            than text. Or a folder, a pipe or a device is at ``path``: as root, a rename would replace /dev/null, too.
    """
    path, kept = _file_path("path", path), None if backup is None else _file_path("backup", backup)
    owned = None if like is None else _file_path("like", like)
    _refuse_other_kinds(path)
    try:
        parts = iter(texts)
    except TypeError:
        raise InvalidArgumentError("texts", texts, "is no iterable of texts") from None
    temporary = temporary_path(path)
    if kept is None:  # a state file, which has a backup, is written often, and swept when its store is opened
        _sweep_dead(path)
    with storage_errors(path), _new_file(temporary) as descriptor, replacing(temporary, path):
        size = _write_new(descriptor, parts, owned, path if keeps_mode else None)
        if kept is not None and not _same_bytes(path, temporary):
            keep_previous(path, kept)
    return size


def _file_path(name: str, given: str | os.PathLike[str]) -> Path:
    with suppress(TypeError, UnicodeEncodeError):
        text: object = os.fspath(given)
        if isinstance(text, str) and Path(text).name and b"\0" not in os.fsencode(text):
            return Path(text)
    raise InvalidArgumentError(name, given, "is no path of a file")


def _refuse_other_kinds(path: Path) -> None:
    with suppress(OSError):  # nothing is there; or the writing says what is wrong
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise InvalidArgumentError("path", str(path), "is there and is no regular file; name another file")


@contextmanager
def replacing(temporary: Path, path: Path) -> Iterator[None]:
    """Rename the file ``temporary`` to ``path`` once the block has written it; durable when the context ends.

    If the block raises, or the renaming fails, ``temporary`` is removed, and ``path`` is as it was.
    """
    try:
        yield
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """Create a file, and lock it before it has a byte and until the block ends; see :func:`_sweep_dead`."""
    descriptor = open_new(path)
    try:
        with suppress(OSError):  # a mount without locks: nobody sweeps there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep_dead(path: Path) -> None:
    """Remove the temporary files of killed writers of ``path``; the file of a writer at work is locked, and stays."""
    with suppress(OSError):
        for leftover in leftovers(path):
            descriptor = os.open(leftover, os.O_RDONLY | GUARDS)
            try:
                with suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(descriptor).st_size:
                        remove_leftover(leftover)
            finally:
                os.close(descriptor)


def _write_new(descriptor: int, texts: Iterable[str], like: Path | None, previous: Path | None) -> int:
    # The built-in open() is gone while the interpreter ends.
    with io.BufferedWriter(io.FileIO(descriptor, "wb", closefd=False), _BUFFER_BYTES) as file:
        size = sent = synced = 0
        for text in texts:
            size += file.write(_encoded(text))
            if size - synced >= _UNSYNCED_BYTES_MAX:
                file.flush()
                os.fsync(descriptor)
                sent = synced = size
            elif size - sent >= _UNSENT_BYTES_MAX:
                file.flush()
                _begin_writing(descriptor, sent, size - sent)
                sent = size
        if previous is None or not _copy_mode(descriptor, previous):
            match_owner(descriptor, like)
        file.flush()
        os.fsync(descriptor)
        return size


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except (AttributeError, UnicodeEncodeError):
        raise InvalidArgumentError("texts", text, "is no text that UTF-8 can encode") from None


def _begin_writing(descriptor: int, start: int, size: int) -> None:
    """Ask the kernel to begin writing a part of a file to the disk, without waiting for the disk. A hint: no error.

    Linux writes the bytes that a program says it does not need, before it forgets them.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def _copy_mode(descriptor: int, previous: Path) -> bool:
    """Give a new file the mode of the file it replaces; as root, its owner, too. Return whether it replaces a file."""
    try:
        status = os.stat(previous, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode):
        return False
    if not os.geteuid():
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
    return True


def _same_bytes(path: Path, other: Path) -> bool:
    """Return whether two regular files are the same, byte for byte. Files of different sizes are not read."""
    try:
        status = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) or status.st_size != other.stat().st_size:
            return False
        with io.FileIO(path, "rb") as first, io.FileIO(other, "rb") as second:
            while True:
                block = first.read(_COMPARED_BYTES)
                if block != second.read(_COMPARED_BYTES):
                    return False
                if not block:
                    return True
    except OSError:
        pass
    return False


def keep_previous(path: Path, backup: Path) -> None:
    """Keep the file at ``path`` as ``backup``, without a moment in which ``path`` is missing."""
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
        _make_private(link)  # another program may have written the first file
        with storage_errors(backup):  # for example, somebody put a folder there
            os.replace(link, backup)
        with suppress(OSError):  # renaming one name of a file to another name of the same file does nothing
            link.unlink()
    except BaseException:
        with suppress(OSError):
            link.unlink()
        raise


def _link(path: Path, link: Path) -> bool:
    """Give a file a second name. Return False if it has one already, or the file system has no hard links."""
    try:
        if os.stat(path, follow_symlinks=False).st_nlink > 1:
            return False  # a change of this file would change somebody else's file
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
    descriptor = open_new(target)
    with io.FileIO(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())
