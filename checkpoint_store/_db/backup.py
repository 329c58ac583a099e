"""Copies of a store that is in use, made by SQLite and verified before they count."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from checkpoint_store._db import failures
from checkpoint_store._db.engine import driver_of
from checkpoint_store.errors import StoreDamaged
from checkpoint_store.files import create_private, storage_error, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store._db.engine import AnyDatabase


def back_up(database: AnyDatabase, target: Path) -> None:
    """Copy the store as it is now to ``target`` (mode 0600), whole, verified and durable, or not at all."""
    partial = target.with_name(f"{target.name}.tmp-{secrets.token_hex(6)}")
    try:
        create_private(partial)  # first: SQLite would create it by the umask
        try:
            database.read(lambda connection: _copy(connection, partial))
            _verify(partial)
            os.replace(partial, target)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise storage_error(error, target) from error


def _copy(connection: Connection, target: Path) -> None:
    with closing(_open(target)) as copy:
        try:
            copy.execute("PRAGMA synchronous = EXTRA")
            driver_of(connection).backup(copy)
            # A copy at rest is one file: without this it would say "there is a log" to whoever opens it.
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.Error as error:
            raise failures.translate(error, target, 0) from error


def _verify(target: Path) -> None:
    with closing(_open(target)) as copy:
        try:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise failures.translate(error, target, 0) from error
    if found != "ok":
        raise StoreDamaged(target, f"the copy does not verify: {found}")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
