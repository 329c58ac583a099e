"""What the log "checkpoint_store" tells of storage while it runs, and that nothing else is told."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TESTS, program

from checkpoint_store import CheckpointStore, StorageFullError, StoreBusy, StoreRecovered, restore_store
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage import backup
from checkpoint_store.storage.connection import busy, pragmas
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system.file_lock import file_lock

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="checkpoint_store")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store file with a paused job."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete(0, "zero")
        job.pause()
    return tmp_path / "talks.db"


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """The lines of this package's log, at this level."""
    return [one.getMessage() for one in caplog.records if one.name == "checkpoint_store" and one.levelno == level]


def older_store(path: Path) -> Path:
    """Make a store file of schema 1.0."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((TESTS / "migration" / "dumps" / "1_0.sql").read_text("utf-8"))
    return path


def test_a_migration_is_one_line_of_ours_and_none_of_alembic(tmp_path: Path, children: Children) -> None:
    """A program that logs at INFO reads from which schema to which, and where the copy is."""
    store = older_store(tmp_path / "talks.db")
    store.chmod(0o600)
    said = children.run(program(__file__, "log_at_info"), store).splitlines()
    copy = store.with_name("talks.db.backup-1.0-0001")
    assert said == [f"checkpoint_store INFO {store} was migrated from schema 1.0 to {SCHEMA_VERSION}; a copy is {copy}"]
    assert copy.exists()


@pytest.mark.migrates
def test_a_new_store_logs_nothing(tmp_path: Path, children: Children) -> None:
    """Creating a store runs the migrations too, and is no news."""
    assert children.run(program(__file__, "log_at_info"), tmp_path / "talks.db") == ""


def test_a_program_without_logging_reads_nothing(tmp_path: Path, children: Children) -> None:
    """What is logged does not appear on the standard error of a program that asked for no log."""
    process = children.start(program(__file__, "log_nowhere"), tmp_path / "talks.db", tmp_path / "folder")
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0


def test_a_recovery_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line says what the report says."""
    path.unlink()
    with pytest.warns(StoreRecovered):
        store = CheckpointStore(path)
    store.close()
    assert lines(caplog, logging.WARNING) == [str(store.recovery)]


def test_an_import_from_the_state_file_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line names the job and its chunks, and says that the store did not have that job."""
    for gone in (path, *Siblings(path).backups()):
        gone.unlink()
    CheckpointStore(path, state_file=None).close()
    with pytest.warns(StoreRecovered):
        CheckpointStore(path).close()
    (line,) = lines(caplog, logging.WARNING)
    assert "with 1 completed chunk: " in line
    assert line.endswith("did not have that job")


def test_what_was_left_behind_is_logged_when_it_is_removed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Left-over files of killed processes do not vanish without a word."""
    leftover = path.with_name("talks.json.tmp-0123456789ab")
    leftover.touch()
    CheckpointStore(path).close()
    assert f"{leftover} was left behind: removed" in lines(caplog)
    assert not leftover.exists()


def test_a_state_file_that_cannot_be_written_is_logged_once(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunks count all the same; what cannot be written again and again is one line."""
    folder = tmp_path / "states"
    folder.mkdir()

    def unwritten() -> int:
        return sum("could not be written" in line for line in lines(caplog, logging.WARNING))

    with CheckpointStore(path, state_file=folder / "state.json") as store:
        job = store.jobs()[0]
        shutil.rmtree(folder)
        for index in (1, 2):
            job.complete(index, "more")
        assert unwritten() == 1
        folder.mkdir()
    assert sorted(index for index, _ in store_results(path)) == [0, 1, 2]


def store_results(path: Path) -> list[tuple[int, object]]:
    """The results of the newest job."""
    with CheckpointStore(path, state_file=None) as store:
        return list(store.jobs()[0].items())


def full(_database: object, target: Path) -> None:
    """Stand for a copy for which there is no room."""
    raise StorageFullError(target, "No space left on device", 0)


def test_a_failed_automatic_backup_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that fails whenever it is due is known to whoever reads the log; the job ends all the same."""
    for copy in path.parent.glob("*.backup-*"):
        copy.unlink()
    monkeypatch.setattr(backup, "back_up", full)
    with CheckpointStore(path) as store:
        store.jobs()[0].pause()
    (line,) = lines(caplog, logging.WARNING)
    assert line.startswith(f"no automatic backup of {path}: ")
    assert "No space left on device" in line


def test_an_automatic_backup_without_room_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that would take too much of the free space is skipped, and the log says so."""
    monkeypatch.setattr(backup, "free_bytes", lambda _: 1000)
    with CheckpointStore(path) as store:
        store.jobs()[0].pause()
    assert lines(caplog, logging.WARNING) == [
        f"no automatic backup of {path}: it would take more than 20% of the free space"
    ]


def test_an_automatic_backup_beside_another_writer_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another job of this process that holds the lock is no fault: the line is no warning, and blames no other process."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.jobs()[0]
        with file_lock(StoreFiles(path).lock, 0.0):
            job.pause()
    assert f"no automatic backup of {path}: another thread holds its lock" in lines(caplog)
    assert lines(caplog, logging.WARNING) == []


def test_a_restore_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A restore is a line of the log with the backup and the files that were moved aside."""
    with CheckpointStore(path) as store:
        copy = store.backup(path.with_name("copy"))
    caplog.clear()
    moved = restore_store(copy, path)
    (line,) = lines(caplog, logging.WARNING)
    assert line.startswith(f"{path}: restored from {copy}; moved aside: {moved[0].name}")


def test_a_long_wait_for_another_writer_is_one_line(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that seems to hang says in the log which file is locked, and for how long it waits at most."""
    monkeypatch.setattr(busy, "LOG_WAIT_AFTER_SECONDS", 0.01)
    with CheckpointStore(path, lock_timeout_seconds=0.1) as store, closing(sqlite3.connect(path)) as other:
        job = store.job("talk.srt")
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            job.complete(1, "one")
        other.execute("ROLLBACK")
    waits = [line for line in lines(caplog) if "is locked by another process" in line]
    assert waits == [f"{path} is locked by another process: waiting up to 0.1 s"]


def test_the_line_of_a_wait_does_not_end_the_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call goes on to wait after it has logged that, also where the other process keeps readers out, too."""
    monkeypatch.setattr(pragmas, "journal_mode_for", lambda _path: "TRUNCATE")  # as on a network file system
    monkeypatch.setattr(busy, "LOG_WAIT_AFTER_SECONDS", 0.0)
    log_wait, path = busy.log_wait, tmp_path / "talks.db"
    with CheckpointStore(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        job = store.open_job("talk.srt", total_chunks=1)

        def end_at_the_line(*values: Any) -> None:
            log_wait(*values)
            other.execute("ROLLBACK")

        monkeypatch.setattr(busy, "log_wait", end_at_the_line)
        other.execute("BEGIN EXCLUSIVE")
        job.complete(0, "zero")
        assert job.result(0) == "zero"
    assert [line for line in lines(caplog) if "is locked by" in line] != []


def test_the_locks_of_filelock_are_no_lines(tmp_path: Path, children: Children) -> None:
    """A program that logs at DEBUG reads of its own work: each result would be four lines about a lock file."""
    lines_of_locks = children.run(program(__file__, "log_locks"), tmp_path / "talks.db")
    assert lines_of_locks == "[]\n"
