"""The commands of ``alembic`` at a prompt, under the same lock and guards as the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, StoreTargetError
from checkpoint_store.storage import target as targets
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.open_lock import exclusively
from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
from checkpoint_store.storage.upgrade import migrate
from checkpoint_store.storage.upgrade.sqlalchemy_connection import sqlalchemy_connection
from checkpoint_store.system.files import create_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from sqlite3 import Connection as SqliteConnection

    from sqlalchemy import Connection

_WRITES: Final = frozenset({"upgrade", "downgrade", "stamp"})
_TIMEOUT_SECONDS: Final = 10.0


def run_command(target: str, command: str, revision: str, run: Callable[[Connection], object]) -> None:
    """Run an Alembic command on the store at ``target``; only upgrade, downgrade and stamp write.

    ``revision``: the revision as it was typed, such as ``head``, for the error.
    """
    try:
        path = targets.resolve(target)
        if command in _WRITES:
            _write(path, command, revision, run)
        else:
            _read(path, run)
    except CheckpointStoreError as error:
        raise SystemExit(f"alembic: {error}") from error


def _read(path: Path, run: Callable[[Connection], object]) -> None:
    if not path.exists():
        raise StoreTargetError(path, "there is no such file; create it with: alembic upgrade head")

    def work(connection: SqliteConnection) -> None:
        with sqlalchemy_connection(connection) as its:
            run(its)

    ReadOnlyDatabase(path, lock_timeout_seconds=_TIMEOUT_SECONDS).read(work)


def _run_guarded(path: Path, revision: str, run: Callable[[Connection], object]) -> Path | None:
    targets.inspect(ReadOnlyDatabase(path, lock_timeout_seconds=_TIMEOUT_SECONDS))
    database = Database(path, durability="power-loss", lock_timeout_seconds=_TIMEOUT_SECONDS)
    try:
        return migrate.run(database, revision, run)
    finally:
        database.close()  # the last connection: it copies the WAL and removes it


def _write(path: Path, command: str, revision: str, run: Callable[[Connection], object]) -> None:
    with exclusively(path, _TIMEOUT_SECONDS):
        created = not path.exists()
        if created:
            if command != "upgrade":
                raise StoreTargetError(path, "there is no such file; create it with: alembic upgrade head")
            create_private(path)
        try:
            backup = _run_guarded(path, revision, run)
        except BaseException:
            if created:  # it never became a store
                path.unlink(missing_ok=True)
            raise
    if backup is not None:
        print(f"a copy of the store as it was: {backup}")  # noqa: T201 - the output of a command
