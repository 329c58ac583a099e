"""The check of the destination of a copy: it must be no file of the store, and no file of another program."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import SchemaTooNew, StorageUnavailableError, StoreDamaged, StoreTargetError
from checkpoint_store.model.store_file import APPLICATION_ID
from checkpoint_store.storage.checks import sqlite_siblings
from checkpoint_store.storage.connection.errors import UNREADABLE
from checkpoint_store.storage.connection.open_lock import alone, store_in_use
from checkpoint_store.storage.connection.openings import openings
from checkpoint_store.storage.connection.pragmas import UsedBy, connect_read_only
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.files.names import (
    REMOVED,
    SQLITE_ENDINGS,
    StoreFiles,
    belongs_to_store,
    has_bytes,
    possible_stores,
    state_copies,
)
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.target import inspect, refuse_no_folder
from checkpoint_store.system.descriptors import has_locked
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_folder, is_same_file, is_there, refusing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store.storage.connection.read_only import AnyDatabase

_STORE_NAME_BYTES_MAX: Final = 255 - max(map(len, SQLITE_ENDINGS))
_SQLITE_BEGINS: Final = b"SQLite format 3\0"
_STORE_MARK: Final = APPLICATION_ID.to_bytes(4, "big")
_STORE_MARK_AT: Final = 68
"""Where the application id stands in a database (sqlite.org/fileformat2.html, 1.3)."""
_USE: Final = "for a backup"
_REMEDY: Final = "name another file, or pass replace=True"


def refuse_own(target: Path, store: Path, states: Sequence[Path]) -> None:
    """Raise :class:`StoreTargetError` if a copy of the store would replace the store or a file that belongs to it."""
    if belongs_to_store(target, store, states) or _is_same(target, store):
        raise StoreTargetError(target, f"it is the store {store} or belongs to it; give it a name of its own", _USE)
    refuse_removed_name(target, _USE)
    if len(os.fsencode(target.name)) > _STORE_NAME_BYTES_MAX:
        reason = f"its name leaves no room for the files beside it; {_STORE_NAME_BYTES_MAX} bytes are the most"
        raise StoreTargetError(target, reason, _USE)
    with refusing(target, _USE):
        refuse_no_folder(target, _USE)
    if is_folder(target):
        raise StoreTargetError(target, "it is a folder; name another file", _USE)


def refuse_removed_name(path: Path, use: str = "as a store") -> None:
    """Raise :class:`StoreTargetError` if a new file would have a name that another store's file has, and be removed.

    A store that has such a name already is not refused, nor one that is to be made anew from its copies.
    """
    ending = REMOVED.search(path.name)
    if ending is None or is_there(path) or is_there(StoreFiles(path).recovered) or Siblings(path).backups():
        return
    owner = path.name[: ending.start()]
    reason = f"files that end in {ending[0]} are removed when a database or a store {owner} is opened or closed"
    raise StoreTargetError(path, f"{reason}; use another name", use)


def refuse_open_here(path: Path, use: str) -> None:
    """Raise :class:`StoreTargetError` if this process has the file open as a store, under whichever name.

    To read it would drop SQLite's locks on it.
    """
    if openings.is_open(path):
        raise StoreTargetError(path, "it is a store that this process has open; name another file", use)


def refuse_in_use(path: Path, store: Path, use: str) -> None:
    """Raise :class:`StoreTargetError` if a copy would replace a file of another store that a process has open."""
    other = store_in_use(path, but=store) if os.path.lexists(path) else None
    if other is not None:
        what = "is" if other.name == path.name else f"belongs to {other}, which is"
        raise StoreTargetError(path, f"it {what} a store that a process has open; name another file", use)


def refuse_others(path: Path, store: Path, use: str) -> None:
    """Raise :class:`StoreTargetError` if a state would replace another store, or what belongs to one, open or not.

    A state may take the place of the state of a store that nobody has open.
    """
    refuse_in_use(path, store, use)
    owner = other_owner(path, store)
    if owner is not None and path.name not in {copy.name for copy in state_copies(StoreFiles(owner).state_file)}:
        raise StoreTargetError(path, f"it is the store {owner} or belongs to it; name another file", use)


def other_owner(path: Path, but: Path) -> Path | None:
    """Return the store, ``but`` this one, that has ``path`` among its files, and is open or has its file; or None."""
    in_use = store_in_use(path, but=but)
    if in_use is not None:
        return in_use
    return next((store for store in possible_stores(path) if not _is_same(store, but) and _is_store(store)), None)


def refuse_namesake(path: Path) -> None:
    """Raise :class:`StoreTargetError` if a store beside a path has the siblings that a new store there would have.

    ``talk`` and ``talk.db`` would write one state file, and hold one lock. If both are there, one may be a copy that
    nobody opens: a warning in the log says how to part them.
    """
    files = StoreFiles(path)
    if files.namesake is None or not _is_store(files.namesake):
        return
    shared = ", ".join(file.name for file in (*state_copies(files.state_file), files.lock, files.open_lock))
    what = f"the store {files.namesake.name} is in the same folder, and both would have {shared}"
    if not is_there(path):
        other = files.namesake.name
        rename = f"; or, if {other} is a copy of a lost {path.name}, rename {other} to {path.name}, and open it"
        has_wal = is_there(StoreFiles(files.namesake).wal)  # to rename the store alone would lose what is in its WAL
        raise StoreTargetError(path, f"{what}; give it another name{'' if has_wal else rename}")
    copy = f"store.backup('OTHER_FOLDER/{path.name}')"
    log.warning("%s: %s; copy one of them into another folder with %s, and remove it here", path, what, copy)


def _is_store(path: Path) -> bool:
    """Whether the mark in a file says that it is a store. A file that this process has locked is read by SQLite."""
    with openings.lock, suppress(OSError, *UNREADABLE):
        if openings.is_open(path):
            return True
        if has_locked(path):
            with closing(connect_read_only(path, used_by=UsedBy.OTHERS)) as connection:
                return bool(connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,))
        if path.is_file():  # a pipe would be waited for
            with path.open("rb") as file:
                begin = file.read(_STORE_MARK_AT + len(_STORE_MARK))
            return begin.startswith(_SQLITE_BEGINS) and begin.endswith(_STORE_MARK)
    return False


def _is_same(target: Path, store: Path) -> bool:
    return is_same_file(target, store)


def refuse_to_replace(database: AnyDatabase, target: Path, *, replace: bool) -> None:
    """Raise :class:`StoreTargetError` if a copy of the store would replace a file that is no earlier copy of it.

    In an earlier copy, every completed chunk is in the store, too, or was deleted there. With ``replace`` any regular
    file may be replaced that no process has open as a store.
    """
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_file():
        raise StoreTargetError(target, "it is there and is no regular file; name another file", _USE)
    refuse_in_use(target, database.path, _USE)
    with alone(target, create=False) as free:
        if not free:
            raise StoreTargetError(target, "it is a store that a process has open; name another file", _USE)
        if replace or not target.stat().st_size:
            return
        with openings.lock:
            counts_there = _counts_of(target)
    if counts_there is None:
        raise StoreTargetError(target, f"it is there and is no backup of a store that can be read; {_REMEDY}", _USE)
    counts, deleted = database.read(sqlite_siblings.known)
    if sqlite_siblings.lacks(counts, deleted, counts_there):
        raise StoreTargetError(target, f"it holds completed chunks that {database.path} has not; {_REMEDY}", _USE)


def _counts_of(target: Path) -> dict[str, int] | None:
    """Return the completed chunks of each job in a file that no one has open; None if it is no closed store."""
    files = StoreFiles(target)
    if has_bytes(files.wal) or has_bytes(files.journal):
        return None
    try:
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                return None
            counts, _ = sqlite_siblings.known(connection)
            return counts
    except UNREADABLE:
        return None


def refuse_to_take(path: Path, states: Sequence[Path]) -> None:
    """Raise :class:`StoreTargetError` if restoring or recovering a store would move the file of another program.

    A damaged file passes if a file beside it says that it was a store.
    """
    if not is_there(path):
        return
    try:
        inspect(ReadOnlyDatabase(path, lock_timeout_seconds=0.0), states)
    except (StoreDamaged, SchemaTooNew, StorageUnavailableError):
        return
    except StoreTargetError as error:
        raise StoreTargetError(path, f"{error.reason}; if it was a store, move it away first") from error
