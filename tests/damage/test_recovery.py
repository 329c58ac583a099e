"""Recovery, promise by promise."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import threading
import warnings
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Children, files_with, program, snapshot

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    StateManager,
    StoreDamaged,
    StoreInUse,
    StoreRecovered,
)
from checkpoint_store._db import salvage
from checkpoint_store._db.driver import Openings
from checkpoint_store.care import doctor, recover_store, restore_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOTAL = 12


def _result(index: int) -> dict[str, Any]:
    return {"cleaned_text": f"text of chunk {index} " * 40, "cost": index / 8}


def _make(folder: Path, *, done: int = TOTAL, backup: bool = True, state_file: bool = True) -> str:
    """Make ``talks.db`` with one job, and return its id; the copies beside it are kept as asked for."""
    with CheckpointStore(folder / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL, model="m", config={"chunk_size": 2000})
        job.complete_many((index, _result(index)) for index in range(done))
        if done == TOTAL:
            job.finish()
        else:
            job.pause()
    if not backup:
        for path in folder.glob("*.backup-*"):
            path.unlink()
    if not state_file:
        (folder / "talks.json").unlink()
        (folder / "talks.bak").unlink(missing_ok=True)
    return job.job_id


def _ruin(path: Path) -> None:
    """Overwrite everything behind the first page: nothing of the tables reads."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))


def _spoil_result(path: Path, index: int) -> None:
    """Change one stored result, without its digests; SQLite finds nothing wrong with that."""
    with closing(sqlite3.connect(path)) as driver:
        driver.execute(
            "UPDATE chunk_results SET result = replace(result, 'text', 'tEXt') WHERE chunk_index = ?", [index]
        )
        driver.commit()


def _open_recovered(path: Path, **options: Any) -> CheckpointStore:
    with pytest.warns(StoreRecovered):
        return CheckpointStore(path, **options)


def test_what_any_copy_knows_comes_back_by_itself_with_a_report(tmp_path: Path) -> None:
    """A store that is ruined is made anew on opening, and says per job what came from where."""
    job_id = _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    with _open_recovered(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == {index: _result(index) for index in range(TOTAL)}
        assert store.recovery is not None
        (report,) = store.recovery.jobs
    assert (report.job_id, report.recovered_chunks, report.lost_chunks) == (job_id, TOTAL, 0)
    assert sum(count for _, count in report.sources) == TOTAL


def test_the_damaged_files_are_moved_aside_and_kept(tmp_path: Path) -> None:
    """Nothing is deleted: what was damaged stands beside the new store, byte for byte, 0600."""
    _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    damaged = (tmp_path / "talks.db").read_bytes()
    _open_recovered(tmp_path / "talks.db").close()
    (kept,) = tmp_path.glob("talks.db.corrupt-*")
    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_result_that_was_spoilt_is_taken_from_another_copy(tmp_path: Path) -> None:
    """A result whose digest does not match raises at its read, and recovery takes it from where the digest matches."""
    job_id = _make(tmp_path)
    _spoil_result(tmp_path / "talks.db", 5)
    with CheckpointStore(tmp_path / "talks.db") as store, pytest.raises(StoreDamaged, match="recover") as caught:
        store.job(job_id).result(5)
    assert (caught.value.job_id, caught.value.chunk_index) == (job_id, 5)
    assert recover_store(tmp_path / "talks.db").lost_chunks == 0
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job_id).result(5) == _result(5)


def test_the_digest_decides_and_not_the_state_file(tmp_path: Path) -> None:
    """A state file that was tampered with puts nothing in the place of what was stored."""
    job_id = _make(tmp_path)
    state = json.loads((tmp_path / "talks.json").read_text("utf-8"))
    state["processed_results"][3]["cleaned_text"] = "tampered"
    (tmp_path / "talks.json").write_text(json.dumps(state), "utf-8")
    for damage in (_ruin, lambda path: _spoil_result(path, 3)):
        damage(tmp_path / "talks.db")
        recover_store(tmp_path / "talks.db")
        with CheckpointStore(tmp_path / "talks.db") as store:
            assert store.job(job_id).result(3) == _result(3)


def test_a_tampered_state_file_alone_is_no_proof(tmp_path: Path) -> None:
    """Where the store knows the digest and no copy has a result that matches, recovery stops."""
    _make(tmp_path, done=6, backup=False)
    state = json.loads((tmp_path / "talks.json").read_text("utf-8"))
    state["processed_results"][3]["cleaned_text"] = "tampered"
    (tmp_path / "talks.json").write_text(json.dumps(state), "utf-8")
    (tmp_path / "talks.bak").unlink(missing_ok=True)
    _spoil_result(tmp_path / "talks.db", 3)
    with pytest.raises(StoreDamaged, match="1 of 6 completed chunks"):
        recover_store(tmp_path / "talks.db")


def test_chunks_without_a_surviving_digest_are_counted(tmp_path: Path) -> None:
    """Results that only a state file has come back, and the report says that nothing could verify them."""
    _make(tmp_path, done=6, backup=False)
    (tmp_path / "talks.db").unlink()
    with _open_recovered(tmp_path / "talks.db") as store:
        assert store.recovery is not None
        assert [job.unverified_chunks for job in store.recovery.jobs] == [6]
        assert "no digest of 6 of them survived" in str(store.recovery)


def test_a_result_that_was_replaced_since_does_not_come_back(tmp_path: Path) -> None:
    """The backup's older result is not taken where the store, or its state file, knows of a newer one."""
    job_id = _make(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete(4, {"newer": True}, replace=True)
        store.job(job_id).export()
    _ruin(tmp_path / "talks.db")
    with pytest.raises(StoreDamaged, match="1 of 12 completed chunks"):
        CheckpointStore(tmp_path / "talks.db")
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [chunk.index for chunk in store.job(job_id).pending()] == [4]


def test_a_replaced_result_whose_digest_reads_comes_from_the_state_file(tmp_path: Path) -> None:
    """Where the row of a completed chunk still reads, its digest says which of two results is the newer one."""
    job_id = _make(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.job(job_id).complete(4, {"newer": "text"}, replace=True)
        store.job(job_id).export()
    _spoil_result(tmp_path / "talks.db", 4)
    recover_store(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job_id).result(4) == {"newer": "text"}


def test_a_recovery_that_would_lose_something_stops_and_changes_nothing(tmp_path: Path) -> None:
    """It says what would be lost and names the command that accepts it; the folder is as it was."""
    _make(tmp_path, done=6, backup=False, state_file=False)
    _spoil_result(tmp_path / "talks.db", 2)
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="1 of 6 completed chunks") as caught:
        recover_store(tmp_path / "talks.db")
    assert f"checkpoint-store recover --accept-loss --store {tmp_path / 'talks.db'}" in str(caught.value)
    assert snapshot(tmp_path) == before


def test_an_accepted_loss_leaves_a_job_that_resumes(tmp_path: Path) -> None:
    """With ``accept_loss`` the lost chunks are pending again, and the job goes on under the same plan."""
    job_id = _make(tmp_path, backup=False, state_file=False)
    _spoil_result(tmp_path / "talks.db", 2)
    report = recover_store(tmp_path / "talks.db", accept_loss=True)
    assert report.lost_chunks == 1
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL, model="m", config={"chunk_size": 2000})
        assert (job.job_id, [chunk.index for chunk in job.pending()]) == (job_id, [2])
        job.complete(2, "again")
        job.finish()


def test_no_job_in_any_copy_is_a_loss_to_be_accepted(tmp_path: Path) -> None:
    """A store of which nothing at all reads is not replaced by an empty one without a word."""
    _make(tmp_path, backup=False, state_file=False)
    _ruin(tmp_path / "talks.db")
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="--accept-loss"):
        CheckpointStore(tmp_path / "talks.db")
    assert snapshot(tmp_path) == before
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.jobs() == []


HOLD = """
import sys
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
job, = store.jobs()
print("ready", flush=True)
sys.stdin.readline()
job.complete(7, "written meanwhile")
store.close()
"""


def test_a_store_that_another_process_has_open_is_left_alone(tmp_path: Path, children: Children) -> None:
    """Neither recovery nor restoring touches a file that another process works on; what that writes stays."""
    job_id = _make(tmp_path, done=6)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.backup(tmp_path / "copy.db")
    child = children.start(HOLD)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(StoreInUse, match=str(child.pid)):
        recover_store(tmp_path / "talks.db", accept_loss=True, lock_timeout_seconds=0.1)
    with pytest.raises(StoreInUse, match=str(child.pid)):
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db", lock_timeout_seconds=0.1)
    children.finish(child, "\n")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job_id).result(7) == "written meanwhile"
    assert not list(tmp_path.glob("talks.db.corrupt-*"))


FOREIGN = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1])
raw.execute("SELECT count(*) FROM jobs").fetchone()
print("reading", flush=True)
sys.stdin.readline()
"""


def test_a_store_that_is_opened_while_it_is_moved_is_put_back(
    tmp_path: Path, monkeypatch: Any, children: Children
) -> None:
    """A process without our lock that opens the file between the look and the move is seen, and all goes back."""
    from checkpoint_store._db import recover

    _make(tmp_path, done=6)
    before, move, children_started = (tmp_path / "talks.db").read_bytes(), recover.put_in_place, []

    def late(*arguments: Any) -> Any:
        child = children.start(FOREIGN, "talks.db")
        children_started.append(child)
        assert children.next_line(child) == "reading"
        return move(*arguments)

    monkeypatch.setattr(recover, "put_in_place", late)
    with pytest.raises(StoreInUse, match="has it open") as caught:
        recover_store(tmp_path / "talks.db")
    assert caught.value.holders == (children_started[0].pid,)
    children.finish(children_started[0], "\n")
    assert (tmp_path / "talks.db").read_bytes() == before
    assert not list(tmp_path.glob("talks.db.corrupt-*"))


# For N = 0, 1, 2 …: recovers in a fork of this warm process, which is killed in place of the Nth call that creates,
# renames, removes, opens or syncs something; then opens the store again and tells what is there.
KILLED = program(__file__, "killed_recovery")


@pytest.mark.parametrize("what", ["with a log", pytest.param("ruined", marks=pytest.mark.slow)])
def test_a_recovery_that_is_killed_at_any_step_loses_nothing(tmp_path: Path, children: Children, what: str) -> None:
    """Killed in place of any of its steps and opened again, the store has everything that any copy knew of."""
    model = tmp_path / "model"
    model.mkdir()
    job_id = _make(model, done=9)
    if what == "ruined":
        _ruin(model / "talks.db")
    else:  # two chunks stand in a log alone, and a page of the file is broken
        (model / "talks.db").rename(model / "was.db")
        with CheckpointStore(model / "was.db", state_file=None) as store:
            store.job(job_id).complete_many([(9, _result(9)), (10, _result(10))])
            subprocess.run(["cp", "was.db", "talks.db"], cwd=model, check=True)
            subprocess.run(["cp", "was.db-wal", "talks.db-wal"], cwd=model, check=True)
        for path in model.glob("was.db*"):
            path.unlink()
        with (model / "talks.db").open("r+b") as file:
            file.seek(2 * 8192)
            file.write(b"\xa5" * 8192)
    known = {index: _result(index) for index in range(9 if what == "ruined" else 11)}
    steps = [json.loads(line) for line in children.run(KILLED).splitlines()]
    for step, status, found, problems, strays in steps:
        assert status in (0, 9), step
        assert {int(index): result for index, result in found.items()} == known, step
        assert (problems, strays) == ([], []), step
    assert steps[-1][1] == 0
    assert len(steps) > 10


def test_a_recovery_that_was_ended_later_is_announced(tmp_path: Path) -> None:
    """The open that finds a recovery killed before its last step ends it, and says so."""
    job_id = _make(tmp_path)
    (tmp_path / "talks.db").rename(tmp_path / "talks.db.recovered")
    with pytest.warns(StoreRecovered, match="interrupted"):
        store = CheckpointStore(tmp_path / "talks.db", state_file=None)
    with store:
        assert len(list(store.job(job_id).results())) == TOTAL


def test_a_recovery_that_was_not_needed_after_all_leaves_nothing(tmp_path: Path) -> None:
    """What a killed recovery left beside a sound store is removed: it would bring back what is deleted later."""
    _make(tmp_path)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "talks.db.recovered")
    CheckpointStore(tmp_path / "talks.db").close()
    assert not (tmp_path / "talks.db.recovered").exists()


# -- a store that is not there


@pytest.mark.parametrize("how", ["deleted", "zero bytes"])
@pytest.mark.parametrize("copy", ["state file", "backup", ".bak"])
def test_a_store_that_vanished_comes_back_from_what_knows_of_it(tmp_path: Path, how: str, copy: str) -> None:
    """A deleted or empty store file beside a copy that knows more is damage, not a new store."""
    job_id = _make(tmp_path, backup=copy == "backup", state_file=copy != "backup")
    if copy == ".bak":
        (tmp_path / "talks.json").rename(tmp_path / "talks.bak")
    (tmp_path / "talks.db").unlink() if how == "deleted" else os.truncate(tmp_path / "talks.db", 0)
    with _open_recovered(tmp_path / "talks.db") as store:
        assert len(list(store.job(job_id).results())) == TOTAL


def test_an_empty_file_beside_its_log_is_rebuilt_from_the_log(tmp_path: Path) -> None:
    """SQLite would remove the log of an empty file; it holds everything that was not copied into the file yet."""
    with CheckpointStore(tmp_path / "first.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        for index in range(7):
            job.complete(index, _result(index))
        subprocess.run(["cp", "first.db-wal", "talks.db-wal"], cwd=tmp_path, check=True)
    (tmp_path / "talks.db").touch()
    with _open_recovered(tmp_path / "talks.db", state_file=None) as store:
        assert len(list(store.job(job.job_id).results())) == 7


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


def test_a_log_of_another_time_is_not_taken_in(tmp_path: Path) -> None:
    """A log that would take chunks back is moved aside with the file, before SQLite copies it in."""
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
    assert (report.lost_chunks, report.jobs[0].recovered_chunks, report.jobs[0].lost) == (3, 6, "its config is lost")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job_id).items()) == {index: _result(index) for index in range(6)}
    assert list(tmp_path.glob("talks.json.corrupt-*"))


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


# -- backups


def test_a_backup_is_made_while_the_store_is_at_work_and_restored_later(tmp_path: Path) -> None:
    """``backup()`` copies a store in use; ``restore_store`` moves what is there aside and puts the copy in its place."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        job.complete(0, _result(0))
        backup = store.backup(tmp_path / "copy.db")
        job.complete(1, _result(1))
        with pytest.raises(StoreInUse, match="has it open"):
            restore_store(backup, tmp_path / "talks.db", lock_timeout_seconds=0.1)
        assert job.result(1) == _result(1)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    moved = restore_store(backup, tmp_path / "talks.db")
    assert moved
    assert all(path.exists() and ".replaced-" in path.name for path in moved)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job.job_id).items()) == {0: _result(0)}


def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    """A backup with a spoilt result is refused, and the store is as it was."""
    _make(tmp_path)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "copy.db")
    _spoil_result(tmp_path / "copy.db", 3)
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="another backup"):
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db")
    assert snapshot(tmp_path) == before


def test_automatic_backups_are_few_and_private(tmp_path: Path) -> None:
    """However many jobs end, two automatic backups stay, the newest ones, 0600 under any umask."""
    before = os.umask(0)
    try:
        for _ in range(4):
            with CheckpointStore(tmp_path / "talks.db") as store:
                job = store.open_job("talk.srt", total_chunks=1, fresh=True)
                job.complete(0, "done")
                job.finish()
    finally:
        os.umask(before)
    names = sorted(path.name for path in tmp_path.glob("*.backup-*"))
    assert len(names) == 2
    assert names[-1].endswith("0004")
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        path.name: 0o600 for path in tmp_path.iterdir()
    }


def test_what_is_deleted_is_in_no_backup(tmp_path: Path) -> None:
    """``delete_job`` and ``clear`` leave no byte of a result in the store, its log, its backups or its state files."""
    word = "unmistakable-canary"
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        job.complete(0, {"cleaned_text": word})
        job.complete(1, {"cleaned_text": word})
        job.finish()
        assert any("backup" in name for name in files_with(tmp_path, word))
        store.delete_job(job.job_id)
        assert files_with(tmp_path, word) == []
    with StateManager(tmp_path / "other.json") as manager:
        with CheckpointStore(tmp_path / "other.db") as store:
            job = store.open_job("talk.srt", total_chunks=1)
            job.complete(0, word)
            job.finish()
        manager.clear()
        assert files_with(tmp_path, word) == []


# -- check-up


DAMAGES: dict[str, Callable[[sqlite3.Connection], object]] = {
    "a spoilt result": lambda driver: driver.execute("UPDATE chunk_results SET result = '[]' WHERE chunk_index = 1"),
    "a spoilt digest": lambda driver: driver.execute("UPDATE chunk_results SET digest = 'x' WHERE chunk_index = 1"),
    "a missing result": lambda driver: driver.execute("DELETE FROM chunk_results WHERE chunk_index = 1"),
    "a missing chunk": lambda driver: driver.execute("DELETE FROM completed_chunks WHERE chunk_index = 1"),
    "a wrong count": lambda driver: driver.execute("UPDATE jobs SET completed_count = 1"),
    "a chunk without a job": lambda driver: driver.execute("UPDATE completed_chunks SET job_id = 'x' WHERE chunk_index = 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", [*DAMAGES, "a broken page"])
def test_the_doctor_finds_it_and_writes_nothing(tmp_path: Path, what: str) -> None:
    """``doctor()`` and ``check()`` find each kind of damage, and no file, nor any file's time, changes."""
    _make(tmp_path)
    if what == "a broken page":
        _ruin(tmp_path / "talks.db")
    else:
        with closing(sqlite3.connect(tmp_path / "talks.db")) as driver:
            DAMAGES[what](driver)
            driver.commit()
    before = snapshot(tmp_path)
    assert [finding for finding in doctor(tmp_path / "talks.db") if finding.level == "problem"]
    with suppress(CheckpointStoreError), CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        assert store.check()
    assert snapshot(tmp_path) == before


def test_the_doctor_finds_nothing_wrong_with_a_sound_store(tmp_path: Path) -> None:
    """A sound store has no problem, and looking at it changes nothing."""
    _make(tmp_path)
    before = snapshot(tmp_path)
    findings = doctor(tmp_path / "talks.db")
    assert [finding for finding in findings if finding.level == "problem"] == []
    assert "digest of every result" in next(finding.says for finding in findings if finding.what == "contents")
    assert snapshot(tmp_path) == before


# -- paths that are created


@pytest.mark.parametrize("name", ["talks.db-wal", "talks.db.recovered", "talks.lock", "talks.bak"])
def test_no_symlink_is_followed_where_a_file_is_made(tmp_path: Path, name: str) -> None:
    """A symlink at a path that recovery or a run creates is replaced or refused; what it points at is not touched."""
    (tmp_path / "mine").mkdir()
    victim = tmp_path / "victim"
    victim.write_text("not ours")
    folder = tmp_path / "mine"
    _make(folder)
    _ruin(folder / "talks.db")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    with warnings.catch_warnings(), suppress(CheckpointStoreError):
        warnings.simplefilter("ignore", StoreRecovered)
        with CheckpointStore(folder / "talks.db") as store:
            store.jobs()
    assert victim.read_text() == "not ours"


def test_recovery_under_an_open_umask_is_private(tmp_path: Path) -> None:
    """Each file that recovery makes or moves is 0600 even where the umask is 0."""
    _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    before = os.umask(0)
    try:
        _open_recovered(tmp_path / "talks.db").close()
    finally:
        os.umask(before)
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()} == {
        path.name: "0o600" for path in tmp_path.iterdir()
    }


def test_a_backup_that_was_killed_is_swept_by_the_next(tmp_path: Path) -> None:
    """What an automatic backup leaves when it is killed has the size of a store; the next backup removes it."""
    _make(tmp_path, backup=False)
    stray = tmp_path / "talks.db.backup-1.0-0001.tmp-0123456789ab"
    stray.write_bytes(b"x" * 100_000)
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("other.srt", total_chunks=1).pause()
    assert list(tmp_path.glob("*.backup-*"))
    assert not stray.exists()


def test_a_text_that_is_no_utf_8_is_damage(tmp_path: Path) -> None:
    """A bit flip that leaves no UTF-8 raises like any other damage, without showing the text."""
    job_id = _make(tmp_path)
    content = (tmp_path / "talks.db").read_bytes()
    (tmp_path / "talks.db").write_bytes(content.replace(b"text of chunk 5", b"text of \xff\xfe\xfdnk 5", 1))
    with CheckpointStore(tmp_path / "talks.db") as store, pytest.raises(StoreDamaged) as caught:
        store.job(job_id).result(5)
    assert "chunk 5" not in str(caught.value)
    recover_store(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job_id).result(5) == _result(5)


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
    with pytest.raises(StoreDamaged, match="checkpoint-store recover"):
        CheckpointStore(tmp_path / "talks.db")
    with pytest.raises(StoreDamaged, match="accept-loss"):
        recover_store(tmp_path / "talks.db")
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert [chunk.index for chunk in store.job(job_id).pending()][:1] == [2]
        assert store.job(job_id).result(4) == _result(4)


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
    """A store whose log was lost knows less than its own automatic backup, and gets that back."""
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
    restore_store(copy, tmp_path / "talks.db")
    for _ in range(2):
        with CheckpointStore(tmp_path / "talks.db") as store:
            assert sorted(index for index, _ in store.job(job_id).items()) == [0, 1, 2, 3]


def test_a_store_without_jobs_beside_a_state_file_that_has_one_is_announced(tmp_path: Path) -> None:
    """A store that lost every job with its log takes in its state file with a warning, and not in silence."""
    job_id = _make(tmp_path, done=5, backup=False)
    (tmp_path / "talks.db").unlink()
    CheckpointStore(tmp_path / "talks.db", state_file=None).close()
    with pytest.warns(StoreRecovered, match="taken in"):
        store = CheckpointStore(tmp_path / "talks.db")
    with store:
        assert len(list(store.job(job_id).results())) == 5


def test_a_store_whose_log_has_no_whole_transaction_is_read_at_once(tmp_path: Path) -> None:
    """A reader neither waits nor writes beside what a power cut left of the first bytes of a log."""
    job_id = _make(tmp_path, done=5)
    (tmp_path / "talks.db-wal").write_bytes(bytes.fromhex("377f0682") + bytes(40))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with CheckpointStore(tmp_path / "talks.db", read_only=True, lock_timeout_seconds=0.5) as store:
        assert len(list(store.job(job_id).results())) == 5
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
    """The damaged store says that it was deleted, so an older backup does not count."""
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
        assert list(store.jobs()[0].results()) == ["other"]


def test_a_store_that_lost_a_replacement_which_its_state_file_has_is_damaged(tmp_path: Path) -> None:
    """As many chunks as before, but an older result: the state file was written later, so no result is handed out."""
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


# -- what is known of tries


def _make_tries(folder: Path, *, killed: Children | None = None) -> str:
    """Make a store of which chunk 1 failed for good, chunk 2 failed once, chunk 0 is done and chunk 3 was in hand."""
    source = """
import os, sys
from checkpoint_store import CheckpointStore
store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=12, model="m", config={"chunk_size": 2000})
job.complete(0, "done")
for _ in range(3):
    job.fail_chunk(1, "RuntimeError: never")
job.fail_chunk(2, "RuntimeError: once")
for chunk in job.pending():
    if chunk.index == 3:
        break
job.export()
store.backup("copy.db")
if sys.argv[1] == "kill":
    os.kill(os.getpid(), 9)
store.close()
"""
    children = Children(folder) if killed is None else killed
    children.run(source, "kill" if killed is not None else "close", code=-9 if killed is not None else 0)
    children.end_all()
    with CheckpointStore(folder / "copy.db", read_only=True) as store:
        return store.jobs()[0].job_id


def _known(path: Path) -> tuple[list[int], list[int], list[int]]:
    """Return which chunks are failed, in doubt and pending; nobody is left at work on them."""
    with CheckpointStore(path) as store:
        (job,) = store.jobs()
        failed, in_doubt = job.failed_chunks(), job.in_doubt_chunks()
        assert all(record.error == "RuntimeError: never" and record.attempt == 3 for record in failed)
        pending = [chunk.index for chunk in job.pending()]
        assert store.check() == []
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT * FROM running_now").fetchall() == []
        assert raw.execute("SELECT count(*) FROM runners WHERE ended_at IS NULL").fetchone() == (0,)
    return [record.chunk_index for record in failed], [record.chunk_index for record in in_doubt], pending


def test_a_recovery_keeps_what_failed_for_good(tmp_path: Path) -> None:
    """Made anew of its own rows, a store still passes over the chunk that failed three times, and counts the others."""
    _make_tries(tmp_path)
    report = recover_store(tmp_path / "talks.db")
    assert [job.tries for job in report.jobs] == [None]
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))
    with CheckpointStore(tmp_path / "talks.db") as store:
        (job,) = store.jobs()
        job.fail_chunk(2, "twice")
        job.fail_chunk(2, "three times")
        assert [record.chunk_index for record in job.failed_chunks()] == [1, 2]


def test_a_recovery_after_a_kill_puts_in_doubt_what_was_in_hand(tmp_path: Path, children: Children) -> None:
    """The killed runner's lock file says which chunk it had begun; nobody is taken to be at work."""
    _make_tries(tmp_path, killed=children)
    assert list(tmp_path.glob("talks.db.runner-*"))
    recover_store(tmp_path / "talks.db")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))
    assert not list(tmp_path.glob("talks.db.runner-*"))


def test_a_recovery_from_a_backup_says_that_tries_are_the_backups(tmp_path: Path, children: Children) -> None:
    """What a backup has in hand is in doubt, its runners have ended, and no later try is made up."""
    _make_tries(tmp_path, killed=children)
    for path in (*tmp_path.glob("talks.db*"), *tmp_path.glob("talks.[jb]*")):
        path.unlink()
    (tmp_path / "copy.db").rename(tmp_path / "talks.db.backup-1.2-0009")
    with pytest.warns(StoreRecovered, match=r"tries at its chunks are as the backup talks.db.backup-1.2-0009 has them"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


def test_a_recovery_from_a_state_file_says_that_no_try_is_known(tmp_path: Path) -> None:
    """A state file has results and no tries: a failed chunk is tried again, and the report says so."""
    _make_tries(tmp_path)
    for path in tmp_path.glob("talks.db*"):
        path.unlink()
    with pytest.warns(StoreRecovered, match="no copy knows of tries at its chunks"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([], [], list(range(1, TOTAL)))


def test_tries_that_do_not_read_stop_no_recovery(tmp_path: Path) -> None:
    """A spoilt attempt, and a runner that is gone, cost the result of nobody; the report says that some may be missing."""
    _make_tries(tmp_path)
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("UPDATE attempts SET outcome = 'nonsense' WHERE chunk_index = 2")
        raw.execute("DELETE FROM runners")
        raw.commit()
    (job,) = recover_store(tmp_path / "talks.db").jobs
    assert (job.recovered_chunks, job.tries) == (1, "tries at its chunks are as the damaged file has them")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


def test_a_restored_backup_has_nobody_at_work(tmp_path: Path, children: Children) -> None:
    """What was in hand when the copy was made is in doubt and counts for no try, also beside a runner that lives."""
    _make_tries(tmp_path)
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.jobs()[0]
        chunks = job.pending()
        in_hand = next(chunks)
        store.backup(tmp_path / "second.db")
        restore_store(tmp_path / "second.db", tmp_path / "other.db")
        assert _known(tmp_path / "other.db") == ([1], [2, 3], list(range(2, TOTAL)))
        in_hand.complete("still in hand here")
    with closing(sqlite3.connect(tmp_path / "other.db")) as raw:
        assert raw.execute("SELECT sum(counted) FROM attempts WHERE outcome = 'abandoned'").fetchone() == (0,)


def test_a_runner_at_work_is_not_restored_over(tmp_path: Path, children: Children) -> None:
    """Neither while it has the store open nor between two calls, when only its lock file says that it lives."""
    _make_tries(tmp_path)
    before = (tmp_path / "talks.db").read_bytes()
    holder = """
import sys
from checkpoint_store.locks import SignOfLife
from pathlib import Path
sign = SignOfLife(Path("talks.db").absolute())
print("holds", flush=True)
sys.stdin.readline()
"""
    runner = children.start(holder)
    children.next_line(runner)
    with pytest.raises(StoreInUse, match=f"process {runner.pid} has it open"):
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db", lock_timeout_seconds=0.1)
    assert (tmp_path / "talks.db").read_bytes() == before
    runner.kill()
    runner.wait()
    restore_store(tmp_path / "copy.db", tmp_path / "talks.db")
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


def test_check_and_doctor_look_at_tries_and_lock_files(tmp_path: Path) -> None:
    """An attempt at a chunk that is none, and a lock file that others can read, are found; 1.0 has none of them."""
    _make_tries(tmp_path)
    path = tmp_path / "talks.db"
    stray = tmp_path / "talks.db.runner-0123456789ab"
    stray.write_bytes(b"")
    stray.chmod(0o644)
    (tmp_path / "talks.lock").chmod(0o644)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE attempts SET chunk_index = 99 WHERE chunk_index = 2")
        raw.commit()
    found = {finding.what: finding for finding in doctor(path)}
    assert found["contents"].level == "problem"
    assert "99" in found["contents"].says
    assert found["permissions"].level == "warning"
    assert "talks.lock is 0644, talks.db.runner-0123456789ab is 0644" in found["permissions"].says
    assert "left by a run that did not end cleanly" in found["runner locks"].says
    with CheckpointStore(path) as store:
        assert [(problem.what, problem.chunk_index) for problem in store.check()] == [("attempt", 99)]
    assert not stray.exists()


def test_a_log_is_judged_while_nobody_in_this_process_opens_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    """It is read without locks; closing that would drop the locks of a connection that another thread has by then."""
    _make(tmp_path, done=5)
    (tmp_path / "talks.db-wal").write_bytes(b"\0" * 100)
    judge, entered = salvage.foreign_sidecar, threading.Event()

    def slowly(path: Path) -> str | None:
        def enter() -> None:
            Openings.enter(path)
            entered.set()
            Openings.leave(path)

        threading.Thread(target=enter).start()
        assert not entered.wait(0.2)
        return judge(path)

    monkeypatch.setattr(salvage, "foreign_sidecar", slowly)
    CheckpointStore(tmp_path / "talks.db").close()
    assert entered.wait(5)


@pytest.mark.parametrize("kind", ["symlink", "folder"])
def test_what_stands_in_a_lock_files_place_is_not_touched(tmp_path: Path, kind: str) -> None:
    """A symlink named like a runner's lock file is not followed, nor emptied, nor removed with what it points at."""
    _make(tmp_path, done=3)
    target, stray = tmp_path / "precious", tmp_path / "talks.db.runner-0123456789ab"
    target.write_text("of someone else")
    stray.symlink_to(target) if kind == "symlink" else stray.mkdir()
    before = snapshot(tmp_path)["precious"]
    with suppress(CheckpointStoreError), CheckpointStore(tmp_path / "talks.db") as store:
        list(store.jobs()[0].pending())
    assert snapshot(tmp_path)["precious"] == before
    stray.unlink() if kind == "symlink" else stray.rmdir()
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.check() == []


@pytest.mark.parametrize("index", ["ix_jobs_file_name ON jobs (model)", "ix_attempts_running ON attempts (number)"])
def test_an_index_without_its_rows_is_noticed_on_opening(tmp_path: Path, index: str) -> None:
    """A job, or a claim, that is there and not found would be begun again: no digest sees that, the structure does."""
    _make_tries(tmp_path)
    with closing(sqlite3.connect(tmp_path / "talks.db")) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        name = index.partition(" ")[0]
        raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (f"CREATE INDEX {index}", name))
        raw.commit()
    with pytest.warns(StoreRecovered, match=r"missing from index|wrong # of entries"):
        CheckpointStore(tmp_path / "talks.db").close()
    assert _known(tmp_path / "talks.db") == ([1], [3], list(range(2, TOTAL)))


def test_a_bad_page_costs_the_results_on_it_and_no_others(tmp_path: Path) -> None:
    """Where a page in the middle does not read, reading goes on behind it."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=60)
        job.complete_many((index, f"<{index}> " + "x" * 3000) for index in range(60))
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    content = bytearray((tmp_path / "talks.db").read_bytes())
    page = content.index(b"<30> ") // 8192 * 8192
    content[page : page + 8192] = b"\xa5" * 8192
    (tmp_path / "talks.db").write_bytes(content)
    (report,) = recover_store(tmp_path / "talks.db", accept_loss=True).jobs
    assert 55 <= report.recovered_chunks < 60
    assert report.lost_chunks == 60 - report.recovered_chunks
