"""From a target to an open, current store: checked first, created or upgraded under the lock, else left alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from checkpoint_store._db import failures
from checkpoint_store._db.engine import AnyDatabase, Database, ReadOnlyDatabase, driver_of
from checkpoint_store._db.schema import APPLICATION_ID
from checkpoint_store.errors import (
    SchemaTooNew,
    SchemaTooOld,
    StorageUnavailableError,
    StoreDamaged,
    StoreTargetError,
)
from checkpoint_store.files import create_private, storage_error
from checkpoint_store.locks import file_lock
from checkpoint_store.state import RELEASED_VERSIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from checkpoint_store._db.connect import Durability

_EMPTY = ""


def resolve(target: str | os.PathLike[str]) -> Path:
    """Return the absolute path that a target names, or raise :class:`StoreTargetError`. Touches nothing."""
    name = os.fsdecode(target)
    if not name:
        raise StoreTargetError(name, "give the path of a file, such as .processing_state.db")
    if name.startswith("sqlite://"):
        name = name.removeprefix("sqlite://").removeprefix("/")
    if "://" in name or name.startswith(("file:", ":memory:")) or "\0" in name:
        raise StoreTargetError(name, "give the path of a local file (or sqlite:///PATH); nothing else can be a store")
    path = Path(name).absolute()
    try:
        path = _follow(path)
        if not path.parent.is_dir():
            raise StoreTargetError(path, f"the folder {path.parent} does not exist; create it first")
        _check_kind(path)
    except OSError as error:
        raise StoreTargetError(path, error.strerror or str(error)) from error
    return path


def _follow(path: Path) -> Path:
    """Follow a symlink of our own to an existing file of our own; nothing is ever created through one."""
    if not path.is_symlink():
        return path
    if not path.exists():
        raise StoreTargetError(path, "it is a symlink to a file that does not exist; give the file itself")
    real = path.resolve()
    owner = os.getuid() if hasattr(os, "getuid") else 0
    if owner not in (0, real.stat().st_uid) or path.lstat().st_uid not in (owner, 0):
        raise StoreTargetError(path, f"it is a symlink to {real}, which belongs to another user; give the file itself")
    return real


def _check_kind(path: Path) -> None:
    if path.suffix in (".json", ".lock", ".bak"):
        raise StoreTargetError(path, f"the suffix {path.suffix} is for the files beside a store; use .db")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise StoreTargetError(path, "it is a folder; give the path of a file in it")
    if not stat.S_ISREG(mode):
        raise StoreTargetError(path, "it is not a regular file")


def lock_path(path: Path) -> Path:
    """Return the lock file that belongs to the store (or state file) at ``path``."""
    return path.with_suffix(".lock")


def open_database(
    path: Path, *, durability: Durability, lock_timeout_seconds: float, migrate: bool, read_only: bool
) -> AnyDatabase:
    """Open the store at ``path``, creating or upgrading it first where that is needed and allowed."""
    if read_only:
        reading = ReadOnlyDatabase(path, lock_timeout_seconds=lock_timeout_seconds)
        version = inspect(reading)
        if version == _EMPTY:
            raise StoreTargetError(path, "it is empty, and read_only=True creates nothing")
        check_version(path, version)
        return reading
    version = _inspect_target(path, lock_timeout_seconds)
    if version != SCHEMA_VERSION:
        if version != _EMPTY and not migrate:
            check_version(path, version)
        _make_current(path, durability, lock_timeout_seconds)
    database = Database(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
    try:
        check_version(path, inspect(database))
    except BaseException:
        database.close()
        raise
    return database


def _inspect_target(path: Path, lock_timeout_seconds: float) -> str:
    """Return the schema version at a target that will be written, having touched nothing."""
    if not path.exists():
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise StoreTargetError(path, f"no permission to create files in {path.parent}")
        return _EMPTY
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreTargetError(path, "no permission to read and write it; open it with read_only=True to read")
    try:
        return inspect(ReadOnlyDatabase(path, lock_timeout_seconds=lock_timeout_seconds))
    except StorageUnavailableError:
        # A log without its index (files copied from elsewhere, or a first open just now): only a writer can read it.
        return SCHEMA_VERSION


def inspect(database: AnyDatabase) -> str:
    """Return the schema version of a store, or ``""`` for an empty file.

    Raises:
        StoreTargetError: it is another program's file.
        SchemaTooNew: it was written by a newer version of this library.
    """
    try:
        version = database.read(_read_version)
    except StoreDamaged as error:
        raise StoreTargetError(database.path, f"it is no SQLite database that can be read ({error.reason})") from error
    if version is None:
        raise StoreTargetError(database.path, "it is a SQLite database of another program")
    if version != _EMPTY and version not in RELEASED_VERSIONS:
        raise SchemaTooNew(database.path, version, SCHEMA_VERSION)
    return version


def _read_version(connection: Connection) -> str | None:
    driver = driver_of(connection)
    try:
        row = driver.execute(
            "SELECT application_id, version_num FROM pragma_application_id, alembic_version"
        ).fetchone()
    except sqlite3.OperationalError as error:
        if failures.code_of(error) != sqlite3.SQLITE_ERROR:
            raise
        row = None
    if row is not None:
        return str(row[1]) if row[0] == APPLICATION_ID else None
    # Alembic's own table, left empty by a downgrade to nothing, is no stranger's.
    strangers = "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE '%alembic_version%'"
    return None if connection.execute(text(strangers)).scalar_one() else _EMPTY


def check_version(path: Path, version: str) -> None:
    """Raise :class:`SchemaTooOld` unless ``version`` is the one that this code works with."""
    if version != SCHEMA_VERSION:
        raise SchemaTooOld(path, version or "none", SCHEMA_VERSION)


def _make_current(path: Path, durability: Durability, lock_timeout_seconds: float) -> None:
    from checkpoint_store._db import migrate  # noqa: PLC0415 - imports Alembic; a current store never comes here

    with file_lock(lock_path(path), lock_timeout_seconds):
        created = _create(path)
        database = Database(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
        try:
            if inspect(database) != SCHEMA_VERSION:  # else another process was faster
                migrate.upgrade(database, SCHEMA_VERSION)
        except BaseException:
            database.close()
            if created:
                _remove(path)
            raise
        database.close()


def _create(path: Path) -> bool:
    try:
        create_private(path)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(error, path) from error
    return True


def _remove(path: Path) -> None:
    """Take back a file that was created a moment ago under the lock and never became a store."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        with suppress(OSError):
            os.unlink(f"{path}{suffix}")


def migration_status(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return the schema version of the file at ``path`` and the revisions above it. Writes nothing."""
    version = inspect(ReadOnlyDatabase(path, lock_timeout_seconds=10.0))
    if version == _EMPTY:
        return None, RELEASED_VERSIONS
    return version, RELEASED_VERSIONS[RELEASED_VERSIONS.index(version) + 1 :]
