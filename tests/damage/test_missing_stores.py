"""A missing store, or a store behind its copies: what any copy knows is taken in."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import snapshot

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    StateManager,
    StorageUnavailableError,
    StoreDamaged,
    StoreRecovered,
)
from checkpoint_store.maintenance import doctor, migration_status, recover_store, restore_store

if TYPE_CHECKING:
    from pathlib import Path
from .recovery_tools import TOTAL, _make, _open_recovered, _result, _ruin, _spoil_result

# -- a store that is not there


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["deleted", "zero bytes"])
@pytest.mark.parametrize("copy", ["state file", "backup", ".bak"])
def test_a_store_that_vanished_comes_back_from_what_knows_of_it(tmp_path: Path, how: str, copy: str) -> None:
    """A deleted or empty store file beside a copy that knows more is damage, not a new store."""
    job_id = _make(tmp_path, backup=copy == "backup", state_file=copy != "backup")
    if copy == ".bak":
        (tmp_path / "talks.json").rename(tmp_path / "talks.bak")
    (tmp_path / "talks.db").unlink() if how == "deleted" else os.truncate(tmp_path / "talks.db", 0)
    with _open_recovered(tmp_path / "talks.db") as store:
        assert len(list(store.job(job_id).results(missing="skip"))) == TOTAL


@pytest.mark.slow
def test_an_empty_file_beside_its_log_is_rebuilt_from_the_log(tmp_path: Path) -> None:
    """Opening keeps the WAL of an empty store file, which SQLite would remove: the WAL has what was committed last."""
    with CheckpointStore(tmp_path / "first.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        for index in range(7):
            job.complete(index, _result(index))
        subprocess.run(["cp", "first.db-wal", "talks.db-wal"], cwd=tmp_path, check=True)
    (tmp_path / "talks.db").touch()
    with _open_recovered(tmp_path / "talks.db", state_file=None) as store:
        assert len(list(store.job(job.job_id).results(missing="skip"))) == 7


@pytest.mark.slow
def test_a_store_that_is_emptied_while_it_is_open_keeps_what_its_log_has(tmp_path: Path) -> None:
    """A WAL keeps what was committed since its last checkpoint, at a new connection and at the last close."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.srt", total_chunks=TOTAL).complete_many((index, _result(index)) for index in range(4))
    store = CheckpointStore(path, state_file=None)
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    for index in range(4, 9):
        job.complete(index, _result(index))
    with CheckpointStore(path, read_only=True) as reading:
        os.truncate(path, 0)
        with pytest.raises(StoreDamaged, match="its WAL is there"):
            list(reading.job("talk.srt").items())
    with pytest.raises(StorageUnavailableError, match="another program overwrote or emptied the file"):
        store.close()
    with pytest.raises(StoreDamaged, match="4 of 9 completed chunks"):
        CheckpointStore(path, state_file=None)
    recover_store(path, accept_loss=True)
    with CheckpointStore(path, state_file=None) as store:
        assert dict(store.job(job.job_id).items()) == {index: _result(index) for index in range(4, 9)}


@pytest.mark.slow
def test_reading_an_empty_file_keeps_its_log(tmp_path: Path) -> None:
    """No call that reads, and no recovery, lets SQLite remove the WAL of an empty store file: it alone has the results."""
    with CheckpointStore(tmp_path / "first.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        job.complete_many((index, _result(index)) for index in range(7))
        shutil.copyfile(tmp_path / "first.db-wal", tmp_path / "talks.db-wal")
    (tmp_path / "talks.db").touch()
    before = snapshot(tmp_path)
    for read in (lambda path: CheckpointStore(path, read_only=True), migration_status):
        with pytest.raises(StoreDamaged, match="its WAL is there"):
            read(tmp_path / "talks.db")
    assert "its WAL is there" in str(doctor(tmp_path / "talks.db"))
    assert snapshot(tmp_path) == before
    recover_store(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        assert len(list(store.job(job.job_id).results(missing="skip"))) == 7


def test_a_log_that_is_broken_in_the_middle_costs_nothing_behind_it(tmp_path: Path) -> None:
    """SQLite stops at the first broken frame; what was committed behind it is found, and brought back."""
    with CheckpointStore(tmp_path / "first.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=40)
        for index in range(40):
            job.complete(index, _result(index))
        subprocess.run(["cp", "first.db", "talks.db"], cwd=tmp_path, check=True)
        subprocess.run(["cp", "first.db-wal", "talks.db-wal"], cwd=tmp_path, check=True)
    log = bytearray((tmp_path / "talks.db-wal").read_bytes())
    log[len(log) // 2] ^= 4
    (tmp_path / "talks.db-wal").write_bytes(log)
    with _open_recovered(tmp_path / "talks.db", state_file=None) as store:
        assert dict(store.job(job.job_id).items()) == {index: _result(index) for index in range(40)}


@pytest.mark.slow
def test_a_log_that_a_long_reader_let_grow_is_read_to_its_end(tmp_path: Path) -> None:
    """Every result comes back from a WAL without its store file, however long a reader let the WAL grow."""
    texts = {index: f"{index} " + "x" * 1_000_000 for index in range(70)}
    with (
        CheckpointStore(tmp_path / "first.db", state_file=None, durability="process") as store,
        closing(sqlite3.connect(tmp_path / "first.db", isolation_level=None)) as reader,
    ):
        job = store.open_job("talk.srt", total_chunks=len(texts))
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        job.complete_many(texts.items())
        shutil.copyfile(tmp_path / "first.db-wal", tmp_path / "talks.db-wal")
    with _open_recovered(tmp_path / "talks.db", state_file=None) as store:
        assert dict(store.job(job.job_id).items()) == texts


@pytest.mark.slow
def test_a_log_of_another_time_is_not_taken_in(tmp_path: Path) -> None:
    """A WAL that would take chunks back is moved aside with the file, before SQLite copies it into the file."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        job.complete(0, _result(0))
        subprocess.run(["cp", "talks.db-wal", "old.log"], cwd=tmp_path, check=True)
        job.complete_many((index, _result(index)) for index in range(1, 9))
    shutil.copyfile(tmp_path / "old.log", tmp_path / "talks.db-wal")
    with _open_recovered(tmp_path / "talks.db", state_file=None) as store:
        assert dict(store.job(job.job_id).items()) == {index: _result(index) for index in range(9)}
    assert list(tmp_path.glob("talks.db.corrupt-*-wal"))


def test_a_state_file_that_is_ahead_is_taken_in(tmp_path: Path) -> None:
    """A store that went back in time takes what its state file knows and it does not."""
    job_id = _make(tmp_path, done=4)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "old.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete_many((index, _result(index)) for index in range(4, 9))
    (tmp_path / "old.db").replace(tmp_path / "talks.db")
    with _open_recovered(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == {index: _result(index) for index in range(9)}


@pytest.mark.slow
def test_a_torn_state_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Where a torn state file is all there is, its whole lines come back once the loss of the rest is accepted."""
    job_id = _make(tmp_path, done=9, backup=False)
    (tmp_path / "talks.db").unlink()
    (tmp_path / "talks.bak").unlink(missing_ok=True)
    text = (tmp_path / "talks.json").read_bytes()
    (tmp_path / "talks.json").write_bytes(text[: text.index(b"text of chunk 6") + 50])
    before = snapshot(tmp_path)
    with pytest.raises(CheckpointStoreError):
        CheckpointStore(tmp_path / "talks.db")
    assert snapshot(tmp_path) == before
    with pytest.raises(StoreDamaged, match="3 of 9 completed chunks"):
        recover_store(tmp_path / "talks.db")
    assert snapshot(tmp_path) == before
    report = recover_store(tmp_path / "talks.db", accept_loss=True)
    assert (report.lost_chunks, report.jobs[0].recovered_chunks, report.jobs[0].lost) == (
        3,
        6,
        "its config and metadata are lost",
    )
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == {index: _result(index) for index in range(6)}
    assert list(tmp_path.glob("talks.json.corrupt-*"))


@pytest.mark.slow
def test_a_manager_follows_the_same_rule(tmp_path: Path) -> None:
    """``StateManager.load()`` recovers by itself, with the warning, or stops with the error."""
    job_id = _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    with StateManager(tmp_path / "talks.json") as manager:
        with pytest.warns(StoreRecovered):
            state = manager.load()
        assert state is not None
        assert (state.job_id, len(state.completed_chunks)) == (job_id, TOTAL)
    for path in tmp_path.glob("*.backup-*"):
        path.unlink()
    (tmp_path / "talks.json").unlink()
    (tmp_path / "talks.bak").unlink(missing_ok=True)
    _spoil_result(tmp_path / "talks.db", 1)
    with StateManager(tmp_path / "talks.json") as manager, pytest.raises(StoreDamaged):
        manager.load()


def test_reading_only_never_recovers(tmp_path: Path) -> None:
    """A damaged store that is opened with ``read_only=True`` is an error, and the folder is as it was."""
    _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged), CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        store.jobs()
    assert snapshot(tmp_path) == before


# -- paths that are created


def test_a_text_that_is_no_utf_8_is_damage(tmp_path: Path) -> None:
    """A bit flip that leaves no UTF-8, in a result that no copy has, raises like other damage; no text is shown."""
    job_id = _make(tmp_path, backup=False, state_file=False)
    content = (tmp_path / "talks.db").read_bytes()
    (tmp_path / "talks.db").write_bytes(content.replace(b"text of chunk 5", b"text of \xff\xfe\xfdnk 5", 1))
    with CheckpointStore(tmp_path / "talks.db") as store, pytest.raises(StoreDamaged) as caught:
        store.job(job_id).result(5)
    assert "chunk 5" not in str(caught.value)


@pytest.mark.slow
def test_a_state_file_that_is_ahead_and_contradicts_is_damage(tmp_path: Path) -> None:
    """Where the state file knows more chunks and another result, neither is taken: the error names the way out."""
    job_id = _make(tmp_path, done=4, backup=False)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "old.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete(2, {"newer": True}, replace=True)
        store.job(job_id).complete(4, _result(4))
    (tmp_path / "old.db").replace(tmp_path / "talks.db")
    for path in tmp_path.glob("*.backup-*"):
        path.unlink()
    with pytest.raises(StoreDamaged, match="recover_store"):
        CheckpointStore(tmp_path / "talks.db")
    with pytest.raises(StoreDamaged, match="accept_loss=True"):
        recover_store(tmp_path / "talks.db")
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [chunk.index for chunk in store.job(job_id).pending()][:1] == [2]
        assert store.job(job_id).result(4) == _result(4)


@pytest.mark.slow
def test_a_store_copied_back_over_a_redo_comes_back_whole(tmp_path: Path) -> None:
    """A state file says of a chunk what a backup says: nothing is lost, though the older store has another result."""
    job_id = _make(tmp_path, done=TOTAL, backup=False)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "old.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).redo([2])
        list(store.job(job_id).map(lambda _: {"newer": True}))
    (tmp_path / "old.db").replace(tmp_path / "talks.db")
    with pytest.raises(StoreDamaged, match="contradicts it in chunk 2"):
        CheckpointStore(tmp_path / "talks.db")
    recover_store(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert (store.job(job_id).result(2), store.job(job_id).result(3)) == ({"newer": True}, _result(3))


@pytest.mark.slow
def test_a_manager_finds_a_store_of_which_only_a_backup_is_left(tmp_path: Path) -> None:
    """``load()`` with nothing there but an automatic backup is a recovery, and not an empty answer."""
    job_id = _make(tmp_path, state_file=False)
    (tmp_path / "talks.db").unlink()
    with StateManager(tmp_path / "talks.json") as manager:
        with pytest.warns(StoreRecovered):
            state = manager.load()
        assert state is not None
        assert state.job_id == job_id


def test_a_store_behind_its_backup_takes_in_the_backup(tmp_path: Path) -> None:
    """A store that lost its WAL knows less than its own automatic backup, and gets that back."""
    job_id = _make(tmp_path, done=4)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "old.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete_many((index, _result(index)) for index in range(4, TOTAL))
        store.job(job_id).finish()
    (tmp_path / "old.db").replace(tmp_path / "talks.db")
    (tmp_path / "talks.json").unlink()
    (tmp_path / "talks.bak").unlink()
    with _open_recovered(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == {index: _result(index) for index in range(TOTAL)}


def test_restoring_an_older_backup_is_not_undone(tmp_path: Path) -> None:
    """After a restore the newer automatic backups and the state file do not bring back what was given up."""
    job_id = _make(tmp_path, done=4)
    with CheckpointStore(tmp_path / "talks.db") as store:
        copy = store.backup(tmp_path / "copy.db")
        store.job(job_id).complete_many((index, _result(index)) for index in range(4, TOTAL))
        store.job(job_id).finish()
    with pytest.warns(UserWarning, match="that the replaced store had completed"):
        restore_store(copy, tmp_path / "talks.db")
    for _ in range(2):
        with CheckpointStore(tmp_path / "talks.db") as store:
            assert sorted(index for index, _ in store.job(job_id).items()) == [0, 1, 2, 3]


def test_a_store_without_jobs_beside_a_state_file_that_has_one_is_announced(tmp_path: Path) -> None:
    """A store that lost every job with its WAL takes in its state file, with a warning."""
    job_id = _make(tmp_path, done=5, backup=False)
    (tmp_path / "talks.db").unlink()
    CheckpointStore(tmp_path / "talks.db", state_file=None).close()
    with pytest.warns(StoreRecovered, match="taken in"):
        store = CheckpointStore(tmp_path / "talks.db")
    with store:
        assert len(list(store.job(job_id).results(missing="skip"))) == 5


def test_a_store_whose_log_has_no_whole_transaction_is_read_at_once(tmp_path: Path) -> None:
    """A reader neither waits nor writes if a power cut left only the first bytes of a WAL."""
    job_id = _make(tmp_path, done=5)
    (tmp_path / "talks.db-wal").write_bytes(bytes.fromhex("377f0682") + bytes(40))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with CheckpointStore(tmp_path / "talks.db", read_only=True, lock_timeout_seconds=0.5) as store:
        assert len(list(store.job(job_id).results(missing="skip"))) == 5
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_deletion_that_was_killed_is_ended_by_the_next_open(tmp_path: Path) -> None:
    """Once a job is deleted in the store, no backup and no state file brings it back; they are removed."""
    job_id = _make(tmp_path)
    with closing(sqlite3.connect(tmp_path / "talks.db")) as driver, driver:
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute("INSERT INTO deleted_jobs VALUES (?, '2026-01-01T00:00:00.000Z')", (job_id,))
        driver.execute("DELETE FROM chunk_results")
        driver.execute("DELETE FROM jobs")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.jobs() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talks.db", "talks.lock", "talks.open"]


def test_a_recovery_does_not_bring_back_what_was_deleted(tmp_path: Path) -> None:
    """The damaged store says that the job was deleted, so an older backup does not bring it back."""
    job_id = _make(tmp_path, done=5)
    kept = tmp_path / "kept"
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("other.srt", total_chunks=1).complete(0, "other")
        store.backup(kept)
        store.delete_job(job_id)
    kept.rename(tmp_path / "talks.db.backup-1.0-0001")
    with closing(sqlite3.connect(tmp_path / "talks.db")) as driver, driver:
        driver.execute("UPDATE jobs SET completed_count = 0")
    with pytest.warns(StoreRecovered):
        store = CheckpointStore(tmp_path / "talks.db")
    with store:
        assert [job.file_name for job in store.jobs()] == ["other.srt"]
        assert list(store.jobs()[0].results(missing="skip")) == ["other"]


@pytest.mark.slow
def test_a_store_that_lost_a_replacement_which_its_state_file_has_is_damaged(tmp_path: Path) -> None:
    """A store with as many chunks as its state file, but an older result, hands out no result."""
    job_id = _make(tmp_path, done=5, backup=False)
    before = (tmp_path / "talks.db").read_bytes()
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete(2, {"text": "replaced"}, replace=True)
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    (tmp_path / "talks.db").write_bytes(before)
    with pytest.raises(StoreDamaged, match="written later"):
        CheckpointStore(tmp_path / "talks.db")
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert sorted(index for index, _ in store.job(job_id).items()) == [0, 1, 3, 4]
