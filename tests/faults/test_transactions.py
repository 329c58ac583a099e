"""What one connection is set to, and what becomes of it after an error: each in one small step."""

from __future__ import annotations

import sqlite3
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET

from checkpoint_store import CheckpointStoreError, StorageUnavailableError
from checkpoint_store.storage.connection import pragmas

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore

_CHUNK = "INSERT INTO deleted_jobs VALUES (?, '')"


def _pragmas(connection: sqlite3.Connection, *names: str) -> list[Any]:
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


@pytest.mark.slow_variants
@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_every_connection_is_set_alike(open_store: Opener, monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    """Only the journal mode lives in the file: each connection syncs, never checkpoints by itself and maps nothing."""
    monkeypatch.setattr(pragmas, "file_system", lambda _path: "ext4" if journal == "wal" else "nfs")
    store = open_store()
    job = store.open_job("talk.srt", total_chunks=3)
    job.complete(0, "x")
    job.result(0)
    database: Any = store._context.storage.database
    names = "synchronous journal_mode wal_autocheckpoint mmap_size foreign_keys secure_delete trusted_schema".split()
    names += ["cell_size_check", "journal_size_limit", "temp_store"]
    synchronous = 2 if journal == "wal" else 3
    job.export()
    for connection in (database.writer.connection, database.reader.connection, database._long_reader.connection):
        found = _pragmas(connection, *names)
        trusted = int(sqlite3.sqlite_version_info < (3, 41))
        assert found == [synchronous, journal, 0, 0, 1, 1, trusted, 1, pragmas.WAL_BYTES_MAX, 2]


def test_on_macos_a_sync_waits_for_the_disk_itself(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS an ordinary sync leaves the bytes in the memory of the disk, which a power cut clears."""
    monkeypatch.setattr(pragmas, "sys", SimpleNamespace(platform="darwin"))
    store = open_store()
    job = store.open_job("talk.srt", total_chunks=1)
    job.complete(0, "x")
    job.result(0)
    database: Any = store._context.storage.database
    for connection in (database.writer.connection, database.reader.connection):  # one commits, the other copies the WAL
        assert _pragmas(connection, "fullfsync", "checkpoint_fullfsync") == [1, 1]


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["ext4", "nfs4", "cifs", "9p", "virtiofs", "fuse"])
def test_on_a_network_file_system_there_is_no_log(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Where no memory can be shared, the store keeps a rollback journal instead of a WAL, and ``info()`` says so."""
    monkeypatch.setattr(pragmas, "file_system", lambda _path: kind)
    store = open_store()
    store.open_job("talk.srt", total_chunks=1).complete(0, "x")
    database: Any = store._context.storage.database
    expected = "wal" if kind == "ext4" else "truncate"
    assert _pragmas(database.writer.connection, "journal_mode") == [expected]
    assert store.info()["journal_mode"] == expected


def test_a_connection_that_had_an_io_error_is_not_used_again(store: CheckpointStore) -> None:
    """A failed sync leaves nothing certain: the next call opens the file anew, and a retry is safe."""
    database: Any = store._context.storage.database
    used: list[sqlite3.Connection] = []

    def fails(connection: sqlite3.Connection) -> None:
        used.append(connection)
        connection.execute(_CHUNK, ("half",))
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC  # type: ignore[misc]
        raise error

    with pytest.raises(StorageUnavailableError, match="disk I/O error"):
        database.write(fails)
    assert database.writer.connection is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used[0].execute("SELECT 1")
    database.write(lambda connection: connection.execute(_CHUNK, ("whole",)))
    assert database.read_row("SELECT group_concat(job_id) FROM deleted_jobs", ()) == ("whole",)


def test_what_follows_a_rollback_by_sqlite_is_not_stored(store: CheckpointStore) -> None:
    """After some errors SQLite has rolled back by itself; a statement behind that would be a transaction of its own."""
    database: Any = store._context.storage.database

    def goes_on(connection: sqlite3.Connection) -> None:
        connection.execute(_CHUNK, ("first",))
        connection.rollback()  # as SQLITE_FULL does

    with pytest.raises(StorageUnavailableError, match="rolled back by the database"):
        database.write(goes_on)
    assert database.read_row("SELECT count(*) FROM deleted_jobs", ()) == (0,)
    database.write(lambda connection: connection.execute(_CHUNK, ("later",)))
    assert database.read_row("SELECT group_concat(job_id) FROM deleted_jobs", ()) == ("later",)


def test_a_log_that_a_reader_let_grow_is_cut_back(open_store: Opener, tmp_path: Path, monkeypatch: Any) -> None:
    """Once the reader is gone, a checkpoint leaves a WAL no larger than its limit."""
    monkeypatch.setattr(pragmas, "WAL_BYTES_MAX", 100_000)
    store = open_store(state_file=None)
    job = store.open_job("talk.srt", total_chunks=100)
    reader = sqlite3.connect(f"{(tmp_path / 'talks.db').as_uri()}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM jobs").fetchall()
    for index in range(60):
        job.complete(index, "x" * 60_000)
    assert (tmp_path / "talks.db-wal").stat().st_size > 3_000_000
    reader.close()
    database: Any = store._context.storage.database
    with database.writer.lock:
        assert database.writer.checkpoint.run(database.writer.connection)
    job.complete(60, "the first commit behind it begins the log anew")
    assert (tmp_path / "talks.db-wal").stat().st_size <= 200_000


def test_a_retry_of_a_stored_completion_is_safe(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that failed may be stored all the same: the same call again is no error, and stands once."""
    job = store.open_job("talk.srt", total_chunks=2)
    database: Any = store._context.storage.database
    fast_insert = database.writer.fast_insert

    def stored_and_failed(*arguments: Any) -> bool:
        assert fast_insert(*arguments) is not None
        raise StorageUnavailableError(store.path, "disk I/O error")

    monkeypatch.setattr(database.writer, "fast_insert", stored_and_failed)
    with pytest.raises(CheckpointStoreError):
        job.complete(0, {"cost": 1})
    monkeypatch.undo()
    job.complete(0, {"cost": 1})
    assert (list(job.items()), store.check()) == ([(0, {"cost": 1})], [])


def test_no_value_shows_in_an_error_or_its_cause(store: CheckpointStore) -> None:
    """A traceback is logged and mailed about: the statement may be in it, what it was to store is not."""
    database: Any = store._context.storage.database
    with pytest.raises(CheckpointStoreError) as caught:
        database.write(
            lambda connection: connection.execute(_CHUNK, (SECRET,)) and connection.execute(_CHUNK, (SECRET,))
        )
    shown = "".join(traceback.format_exception(caught.value))
    assert "UNIQUE constraint failed: deleted_jobs.job_id" in shown
    assert SECRET not in shown


def test_no_value_shows_in_an_error_of_a_migration(store: CheckpointStore) -> None:
    """A migration moves results, and SQLAlchemy, which runs its statements, shows values in its errors by default."""
    from checkpoint_store.storage.upgrade.sqlalchemy_connection import sqlalchemy_connection

    def move(connection: sqlite3.Connection) -> None:
        with sqlalchemy_connection(connection) as its:
            for _ in range(2):
                its.exec_driver_sql(_CHUNK, (SECRET,))

    database: Any = store._context.storage.database
    with pytest.raises(CheckpointStoreError) as caught:
        database.write(move)
    shown = "".join(traceback.format_exception(caught.value))
    assert "sqlalchemy.exc.IntegrityError" in shown
    assert SECRET not in shown
