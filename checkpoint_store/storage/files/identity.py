"""The identity of a store file: an error for a file that has a second name, is gone, or was emptied."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import StorageUnavailableError, StoreDamaged, StoreTargetError
from checkpoint_store.storage.files.names import StoreFiles, has_bytes
from checkpoint_store.system.paths import is_mount_point, is_there, status_if_there

if TYPE_CHECKING:
    import os
    from pathlib import Path


FileIdentity = tuple[int, int]
"""Device and inode of a file: they identify the file, whatever its name."""
_JOURNAL_BEGINS: Final = bytes.fromhex("d9d505f920a163d7")
_BESIDE: Final = "its WAL and its locks lie under one name only, so acknowledged chunks would be lost or paid for twice"


def identity_of(name: str | Path) -> FileIdentity | None:
    """Return the identity of the file that is at a path now; None if no file is there.

    Raises:
        StorageUnavailableError: the file system does not say.
    """
    status = status_if_there(name)
    return None if status is None else (status.st_dev, status.st_ino)


def refuse_second_name(path: Path, status: os.stat_result) -> None:
    """Raise :class:`StoreTargetError` if the file at ``path`` has a second name. The file is not opened."""
    copy = f"copy the file (cp {path.name} COPY.db, while no process uses it) and open the copy"
    if status.st_nlink > 1:
        find = f"find / -xdev -inum {status.st_ino}"
        raise StoreTargetError(
            path,
            f"the file has {status.st_nlink} names (hard links), and {_BESIDE}; remove the other name "
            f"({find} lists them), or {copy}",
        )
    if is_mount_point(path):
        raise StoreTargetError(
            path,
            f"it is mounted by itself (such as docker run -v ./{path.name}:…), and {_BESIDE}; mount the folder that "
            f"it lies in, or {copy}",
        )


_CLOSE: Final = "close the store everywhere, and open it again"
_COMES_BACK: Final = "what is missing comes back from its WAL and its copies (state file, backups)"


def gone(path: Path) -> StorageUnavailableError:
    """Return the error for a store file that was removed, or replaced by another file, while it is open."""
    return StorageUnavailableError(
        path,
        "the file is no longer there, or another one is in its place",
        "If it was moved, put it back: what was recorded is in it. If it was deleted or replaced, "
        f"{_CLOSE}: {_COMES_BACK}.",
    )


def overwritten(path: Path) -> StorageUnavailableError:
    """Return the error for an open store file that another program overwrote, or emptied."""
    return StorageUnavailableError(
        path,
        "another program overwrote or emptied the file while it is open",
        f"{_CLOSE.capitalize()}: {_COMES_BACK}. Close a store before you replace its file.",
    )


def parted(path: Path) -> StorageUnavailableError:
    """Return the error for an open store whose WAL, or its index, was removed: processes would not see each other."""
    return StorageUnavailableError(
        path,
        "the -wal or -shm beside it was removed, or replaced, while it is open",
        f"{_CLOSE.capitalize()}; let nobody remove these files while it is open.",
    )


def wal_overwritten(path: Path) -> StorageUnavailableError:
    """Return the error for an open store whose WAL another program overwrote, or emptied."""
    return StorageUnavailableError(
        path,
        "another program overwrote or emptied the -wal beside it while it is open",
        f"{_CLOSE.capitalize()}: {_COMES_BACK}. Let nobody write into its files while it is open.",
    )


def refuse_emptied(path: Path) -> None:
    """Raise :class:`StoreDamaged` for an empty file beside a WAL, or a journal of pages: SQLite would remove that, too.

    The results that are not yet in the file stand in the WAL alone.
    """
    if not has_bytes(path) and is_there(path) and (log := log_beside(path)) is not None:
        raise StoreDamaged(path, f"it is empty, but its {log} is there")


def log_beside(path: Path) -> str | None:
    """Return which log tells that a file had pages, WAL or journal; None if neither does."""
    files = StoreFiles(path)
    if has_bytes(files.wal):
        return "WAL"
    if has_bytes(files.journal):
        with suppress(OSError), files.journal.open("rb") as journal:
            begin = journal.read(20)  # at its end the number of pages before the transaction: 0 while a store is made
            if begin.startswith(_JOURNAL_BEGINS) and any(begin[16:]):
                return "journal"
    return None
