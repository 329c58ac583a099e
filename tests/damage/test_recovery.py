"""What recovery promises, one promise a test."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Children, program, snapshot

from checkpoint_store import CheckpointStore, StoreDamaged, StoreInUse, StoreRecovered
from checkpoint_store.maintenance import recover_store, restore_store

if TYPE_CHECKING:
    from collections.abc import Callable

from .recovery_tools import TOTAL, _make, _open_recovered, _renumber_chunk, _result, _ruin, _spoil_result


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


def test_a_sound_store_is_not_called_damaged(tmp_path: Path) -> None:
    """A user who asks for a recovery without need reads that all came from the store file."""
    _make(tmp_path)
    report = recover_store(tmp_path / "talks.db")
    assert f"{TOTAL} chunks back ({TOTAL} from the store file)" in str(report)
    assert "damaged" not in str(report)


def test_the_damaged_files_are_moved_aside_and_kept(tmp_path: Path) -> None:
    """Recovery deletes nothing: the damaged files stand beside the new store, byte for byte, with mode 0600."""
    _make(tmp_path)
    _ruin(tmp_path / "talks.db")
    damaged = (tmp_path / "talks.db").read_bytes()
    _open_recovered(tmp_path / "talks.db").close()
    (kept,) = tmp_path.glob("talks.db.corrupt-*")
    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_result_that_was_spoilt_is_taken_from_another_copy(tmp_path: Path) -> None:
    """Recovery takes a result whose digest does not match from where the digest matches."""
    job_id = _make(tmp_path)
    _spoil_result(tmp_path / "talks.db", 5)
    assert recover_store(tmp_path / "talks.db").lost_chunks == 0
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job(job_id).result(5) == _result(5)


@pytest.mark.slow
def test_a_result_whose_chunk_number_was_spoilt_is_found_by_its_link(tmp_path: Path) -> None:
    """A flipped bit makes chunk 3 of a result's chunk 2: the completed chunk and its digest tell whose result it is."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=4)
        job.complete_many((index, f"of chunk {index}") for index in range(4))
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    _renumber_chunk(tmp_path / "talks.db", "chunk_results", job.job_id, 2, 3)
    assert recover_store(tmp_path / "talks.db").lost_chunks == 0
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job.job_id).items()) == {index: f"of chunk {index}" for index in range(4)}


@pytest.mark.slow_variants
@pytest.mark.parametrize("backup", [True, False])
def test_a_replaced_result_does_not_come_back_from_a_page_of_before(tmp_path: Path, *, backup: bool) -> None:
    """A page of results was never written: the row of the earlier result is sound, and its chunk has a newer digest."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=2)
        job.complete_many([(0, "earlier"), (1, "other")])
    with closing(sqlite3.connect(path)) as driver:
        rows_before = driver.execute("SELECT * FROM chunk_results").fetchall()
    with CheckpointStore(path, state_file=None) as store:
        store.job(job.job_id).complete(0, "newer", replace=True)
        store.job(job.job_id).finish()
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("DELETE FROM chunk_results")
        driver.executemany("INSERT INTO chunk_results VALUES (?, ?, ?, ?, ?)", rows_before)
        driver.commit()
    if not backup:
        for copy in tmp_path.glob("*.backup-*"):
            copy.unlink()
        with pytest.raises(StoreDamaged, match="1 of 2 completed chunks"):
            recover_store(path)
    recover_store(path, accept_loss=not backup)
    with CheckpointStore(path) as store:
        assert dict(store.job(job.job_id).items()) == ({0: "newer", 1: "other"} if backup else {1: "other"})


@pytest.mark.slow
def test_a_spoilt_digest_does_not_make_its_result_a_replaced_one(tmp_path: Path) -> None:
    """The digest of chunk 0 was spoilt, and chunk 2 became a second chunk 3: every result is taken from its own row."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=4)
        job.complete_many((index, f"of chunk {index}") for index in range(4))
    for backup in tmp_path.glob("*.backup-*"):
        backup.unlink()
    with closing(sqlite3.connect(path)) as driver:
        driver.execute("UPDATE completed_chunks SET digest = 'spoilt' WHERE chunk_index = 0")
        driver.commit()
    _renumber_chunk(path, "completed_chunks", job.job_id, 2, 3)
    assert recover_store(path).lost_chunks == 0
    with CheckpointStore(path) as store:
        assert dict(store.job(job.job_id).items()) == {index: f"of chunk {index}" for index in range(4)}


@pytest.mark.slow
@pytest.mark.parametrize("digest", ["17" + "\0" * 30, "one bit"])
def test_a_damaged_digest_does_not_keep_its_result_away(tmp_path: Path, digest: str) -> None:
    """The result of chunk 3 and the digest of its chunk are damaged: a backup's result is taken, which is the newest."""
    path = tmp_path / "talks.db"
    job_id = _make(tmp_path)
    with closing(sqlite3.connect(path)) as driver:
        (sound,) = driver.execute("SELECT digest FROM completed_chunks WHERE chunk_index = 3").fetchone()
        damaged = f"{'b' if sound[0] == 'a' else 'a'}{sound[1:]}" if digest == "one bit" else digest
        driver.execute("UPDATE completed_chunks SET digest = ? WHERE chunk_index = 3", (damaged,))
        driver.execute("UPDATE chunk_results SET digest = ?, result = '?' WHERE chunk_index = 3", (damaged,))
        driver.commit()
    assert recover_store(path).lost_chunks == 0
    with CheckpointStore(path) as store:
        assert store.job(job_id).result(3) == _result(3)


@pytest.mark.slow
def test_a_result_that_only_an_old_backup_has_comes_back(tmp_path: Path) -> None:
    """Two results were spoilt at different times, and backups followed: each comes back from the backup kept for it."""
    job_ids = []
    for number in range(6):
        with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
            job = store.open_job(f"talk {number}.srt", total_chunks=2)
            job.complete_many((index, f"text {number}.{index}") for index in range(2))
            job.finish()
        job_ids.append(job.job_id)
        if number < 2:
            _spoil_result(tmp_path / "talks.db", number, job.job_id)
    assert len(list(tmp_path.glob("talks.db.backup-*"))) == 4
    assert recover_store(tmp_path / "talks.db").lost_chunks == 0
    with CheckpointStore(tmp_path / "talks.db") as store:
        for number, job_id in enumerate(job_ids):
            assert dict(store.job(job_id).items()) == {index: f"text {number}.{index}" for index in range(2)}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_chunks_without_a_surviving_digest_are_counted(tmp_path: Path) -> None:
    """Results that only a state file has come back, and the report says that nothing could verify them."""
    _make(tmp_path, done=6, backup=False)
    (tmp_path / "talks.db").unlink()
    with _open_recovered(tmp_path / "talks.db") as store:
        assert store.recovery is not None
        assert [job.unverified_chunks for job in store.recovery.jobs] == [6]
        assert "no digest of 6 of them survived" in str(store.recovery)


@pytest.mark.slow
def test_a_result_that_was_replaced_since_does_not_come_back(tmp_path: Path) -> None:
    """No older result of a backup is taken if the store, or its state file, knows of a newer result."""
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


@pytest.mark.slow
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
    """A recovery that would lose something names that and the call that accepts it, and leaves the folder as it was."""
    _make(tmp_path, done=6, backup=False, state_file=False)
    _spoil_result(tmp_path / "talks.db", 2)
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="1 of 6 completed chunks") as caught:
        recover_store(tmp_path / "talks.db")
    assert f"recover_store({str(tmp_path / 'talks.db')!r}, accept_loss=True)" in str(caught.value)
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


@pytest.mark.slow
def test_no_job_in_any_copy_is_a_loss_to_be_accepted(tmp_path: Path) -> None:
    """A store that cannot be read at all is not replaced by an empty store without an error."""
    _make(tmp_path, backup=False, state_file=False)
    _ruin(tmp_path / "talks.db")
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="accept_loss=True"):
        CheckpointStore(tmp_path / "talks.db")
    assert snapshot(tmp_path) == before
    recover_store(tmp_path / "talks.db", accept_loss=True)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.jobs() == []


HOLD = program(__file__, "hold_store")


def test_a_store_that_another_process_has_open_is_left_alone(tmp_path: Path, children: Children) -> None:
    """Recovery and restoring leave a store alone that another process has open, and what that process writes stays."""
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


FOREIGN = program(__file__, "read_with_sqlite")


@pytest.mark.slow
def test_a_store_that_is_opened_while_it_is_moved_is_put_back(
    tmp_path: Path, monkeypatch: Any, children: Children
) -> None:
    """If a process without our lock opens the file between the look and the move, the move is undone."""
    from checkpoint_store.storage.recovery import recover

    _make(tmp_path, done=6)
    before, move, children_started = (tmp_path / "talks.db").read_bytes(), recover.move_aside, []

    def late(*arguments: Any) -> Any:
        child = children.start(FOREIGN, "talks.db")
        children_started.append(child)
        assert children.next_line(child) == "reading"
        return move(*arguments)

    monkeypatch.setattr(recover, "move_aside", late)
    with pytest.raises(StoreInUse, match="has it open") as caught:
        recover_store(tmp_path / "talks.db")
    assert caught.value.holders == (children_started[0].pid,)
    children.finish(children_started[0], "\n")
    assert (tmp_path / "talks.db").read_bytes() == before
    assert not list(tmp_path.glob("talks.db.corrupt-*"))


@pytest.mark.slow
@pytest.mark.parametrize("moves", [True, False])
def test_a_recovery_with_a_loss_that_ends_early_keeps_what_a_backup_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, moves: bool
) -> None:
    """Chunk 5 is sound in the backup alone, and chunk 7 nowhere. The next open finishes the recovery: 5 is there."""
    from checkpoint_store.storage.recovery import recover

    job_id = _make(tmp_path, state_file=False)
    (backup,) = tmp_path.glob("talks.db.backup-*")
    for path, index in ((tmp_path / "talks.db", 5), (tmp_path / "talks.db", 7), (backup, 7)):
        _spoil_result(path, index)
    move = recover.move_backups_aside

    def interrupted(*arguments: Any) -> Any:
        if moves:
            move(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recover, "move_backups_aside", interrupted)
        recover_store(tmp_path / "talks.db", accept_loss=True)
    with _open_recovered(tmp_path / "talks.db") as store:
        job = store.job(job_id)
        assert dict(job.items()) == {index: _result(index) for index in range(TOTAL) if index != 7}
        assert list(job.remaining()) == [range(7, 8)]
    assert all(".corrupt-" in path.name for path in tmp_path.glob("talks.db.backup-*"))


# For every K-th N from 0 on: recovers in a fork of this warm process, which is killed in place of the Nth call that
# creates, renames, removes, opens or syncs something; then opens the store again and tells what is there.
KILLED = program(__file__, "killed_recovery")


@pytest.mark.slow
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.storm)])
@pytest.mark.parametrize("what", ["with a log", "ruined"])
def test_a_recovery_that_is_killed_at_any_step_loses_nothing(
    tmp_path: Path, children: Children, what: str, every: int
) -> None:
    """A recovery that was killed at any step and is opened again has everything that any copy knew of."""
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
    steps = [json.loads(line) for line in children.run(KILLED, every).splitlines()]
    for step, status, found, problems, strays in steps:
        assert status in (0, 9), step
        assert {int(index): result for index, result in found.items()} == known, step
        assert (problems, strays) == ([], []), step
    assert steps[-1][1] == 0
    assert len(steps) > 10 // every


@pytest.mark.slow
def test_a_recovery_that_was_ended_later_is_announced(tmp_path: Path) -> None:
    """An open after a recovery that was killed before its last step finishes the recovery, and says so."""
    job_id = _make(tmp_path)
    (tmp_path / "talks.db").rename(tmp_path / "talks.db.recovered")
    with pytest.warns(StoreRecovered, match="interrupted"):
        store = CheckpointStore(tmp_path / "talks.db", state_file=None)
    with store:
        assert len(list(store.job(job_id).results(missing="skip"))) == TOTAL


def test_a_recovery_that_was_not_needed_after_all_leaves_nothing(tmp_path: Path) -> None:
    """What a killed recovery left beside a sound store is removed, as it would bring back what is deleted later."""
    _make(tmp_path)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "talks.db.recovered")
    CheckpointStore(tmp_path / "talks.db").close()
    assert not (tmp_path / "talks.db.recovered").exists()


@pytest.mark.slow_variants
@pytest.mark.parametrize("keep", [partial(restore_store, "copy.db"), recover_store], ids=["restore", "recover"])
def test_the_new_file_has_its_name_for_good_before_the_old_file_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[Path], object]
) -> None:
    """A power cut between the two leaves a file that the next open puts in place: renames count once they are synced."""
    monkeypatch.chdir(tmp_path)
    with CheckpointStore("talks.db", state_file=None) as store:
        store.open_job("talk.srt", chunks=["a"]).complete(0, "A")
        store.backup("copy.db")
    replace, sync, events = os.replace, os.fsync, list[str]()

    def note_replace(source: str, target: str) -> None:
        events.append(Path(source).name)
        replace(source, target)

    def note_sync(descriptor: int) -> None:
        events.append("sync")
        sync(descriptor)

    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.setattr(os, "fsync", note_sync)
    keep(tmp_path / "talks.db")

    moves = [*filter(lambda name: name == "sync" or name.startswith("talks.db"), events)]
    assert moves[moves.index("talks.db") - 1] == "sync"
