"""Backups, and what a check-up finds and writes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import warnings
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from conftest import files_with, snapshot

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    StateManager,
    StorageUnavailableError,
    StoreDamaged,
    StoreInUse,
    StoreRecovered,
)
from checkpoint_store.execution.late import failure_of
from checkpoint_store.maintenance import doctor, restore_store
from checkpoint_store.model.store_file import SCHEMA_VERSION
from checkpoint_store.storage import backup as backups
from checkpoint_store.storage.backup import remove_backups
from checkpoint_store.storage.checks import sqlite_siblings
from checkpoint_store.storage.surplus_files import has_sound_results, surplus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from .recovery_tools import TOTAL, _make, _open_recovered, _result, _ruin, _spoil_result

# -- backups


def test_a_backup_is_made_while_the_store_is_at_work_and_restored_later(tmp_path: Path) -> None:
    """``backup()`` copies a store in use; ``restore_store`` moves the store aside and puts the copy in its place."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=TOTAL)
        job.complete(0, _result(0))
        backup = store.backup(tmp_path / "copy.db")
        job.complete(1, _result(1))
        with pytest.raises(StoreInUse, match="has it open"):
            restore_store(backup, tmp_path / "talks.db", lock_timeout_seconds=0.1)
        assert job.result(1) == _result(1)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with pytest.warns(UserWarning, match="that the replaced store had completed"):
        moved = restore_store(backup, tmp_path / "talks.db")
    assert moved
    assert all(path.exists() and ".replaced-" in path.name for path in moved)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert dict(store.job(job.job_id).items()) == {0: _result(0)}


def test_a_damaged_backup_is_not_restored(tmp_path: Path) -> None:
    """A backup with a damaged result is refused, and the store stays as it was."""
    _make(tmp_path)
    shutil.copyfile(tmp_path / "talks.db", tmp_path / "copy.db")
    _spoil_result(tmp_path / "copy.db", 3)
    before = snapshot(tmp_path)
    with pytest.raises(StoreDamaged, match="another backup"):
        restore_store(tmp_path / "copy.db", tmp_path / "talks.db")
    assert snapshot(tmp_path) == before


def test_the_error_of_a_backup_names_the_damaged_store(tmp_path: Path) -> None:
    """The error of a backup of a damaged store names the store, not the copy, which is removed."""
    _make(tmp_path)
    path = tmp_path / "talks.db"
    with closing(sqlite3.connect(path)) as raw:
        ((page,),) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_jobs_file_name'")
        ((size_bytes,),) = raw.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size_bytes)
        file.write(b"\xff" * size_bytes)
    with CheckpointStore(path, read_only=True) as store, pytest.raises(StoreDamaged) as caught:
        store.backup(tmp_path / "copy.db")
    assert caught.value.path == str(path)
    assert f"recover_store({str(path)!r})" in str(caught.value)
    assert not list(tmp_path.glob("copy.db*"))


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


@pytest.mark.slow
def test_a_backup_of_spoilt_results_pushes_out_no_sound_one(tmp_path: Path) -> None:
    """The last backup with the sound result stays until a sound one follows, if only the digests show the damage."""
    _make(tmp_path, backup=False)

    def end_jobs(*names: str) -> list[str]:
        for name in names:
            with CheckpointStore(tmp_path / "talks.db") as store:
                store.open_job(name, total_chunks=1).complete(0, _result(0))
                store.job(name).finish()
        return sorted(path.name[-4:] for path in tmp_path.glob("*.backup-*"))

    assert end_jobs("a", "b") == ["0001", "0002"]
    _spoil_result(tmp_path / "talks.db", 3)
    assert end_jobs("c", "d", "e") == ["0002", "0004", "0005"]
    with CheckpointStore(tmp_path / "talks.db") as store, pytest.warns(StoreRecovered):
        assert store.job("talk.srt").result(3) == _result(3)
    assert end_jobs("f", "g") == ["0006", "0007"]


def test_of_each_result_the_newest_backup_that_has_it_sound_stays(tmp_path: Path) -> None:
    """A result that is damaged in all backups costs no other result its last sound copy."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        job.complete_many((index, _result(index)) for index in range(3))
        copies = [store.backup(tmp_path / f"copy{number}.db") for number in range(5)]
    for number, copy in enumerate(copies):
        for index in [0, *[1] * (number < 3), *[2] * (number < 4)]:
            _spoil_result(copy, index)
    assert surplus(copies, has_sound_results) == [copies[2]]


def test_the_newest_backup_knows_what_was_spent(tmp_path: Path) -> None:
    """A cost that becomes known later, or that of a replaced result, is in the next backup: a recovery keeps the budget."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)
        job.complete(0, {"cost": 1.0})
        job.fail_chunk(1, "no answer")
        job.pause()
        job._execution.late.failure(failure_of(job.job_id, 1, "no answer", attempt=(1, None), cost=0.5))
        job.pause()
        assert spent(max(tmp_path.glob("*.backup-*"))) == 1.5
        job.complete(0, {"cost": 1.0, "text": "better"}, replace=True)
        job.pause()
        assert spent(max(tmp_path.glob("*.backup-*"))) == 2.5


def test_a_backup_is_made_anew_only_where_something_is_new(tmp_path: Path) -> None:
    """To open a store, and to pause its job again, pushes out no backup that differs."""
    for number in range(3):
        with CheckpointStore(tmp_path / "talks.db") as store:
            job = store.open_job("talk.srt", chunks=["a", "b"])
            if number == 0:
                job.complete(0, {"cost": 1.0})
                job.fail_chunk(1, "no answer", cost=0.5)
            job.pause()
    assert [path.name[-4:] for path in tmp_path.glob("*.backup-*")] == ["0001"]


def spent(backup: Path) -> float:
    """What the job of a copy cost so far, as the view for people says."""
    with closing(sqlite3.connect(backup)) as connection:
        (cost,) = connection.execute("SELECT cost FROM job_costs").fetchone()
        return float(cost)


def test_what_is_deleted_is_in_no_backup(tmp_path: Path) -> None:
    """``delete_job`` and ``clear`` leave no byte of a result in the store, its WAL, its backups or its state files."""
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


def test_a_backup_that_cannot_be_removed_keeps_no_other_copy_of_a_deleted_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the backup that cannot be removed, and says that the job is deleted from all other files."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path) as store, store.open_job("talk.srt", total_chunks=1) as job:
        job.complete(0, "a secret")
    (first,) = tmp_path.glob("*.backup-*")
    stays = shutil.copy(first, first.with_name(first.name[:-1] + "9"))

    def remove(backup: Path) -> None:
        if backup == stays:
            raise StorageUnavailableError(backup, "not permitted")
        backup.unlink()

    monkeypatch.setattr(backups, "remove_file", remove)
    with (
        CheckpointStore(path) as store,
        pytest.raises(StorageUnavailableError, match=rf"Job {job.job_id} is deleted .*{stays}"),
    ):
        store.delete_job(job.job_id)
    CheckpointStore(path).close()
    assert files_with(tmp_path, "a secret") == [stays.name]


def test_what_was_deleted_is_in_no_older_backup_either(tmp_path: Path) -> None:
    """If a deletion was killed on its way to the backups, the process that next ends a job goes on with it."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        (job := store.open_job("talk.srt", total_chunks=1)).complete(0, "unmistakable-canary")
        job.finish()
        store._context.storage.job_changes.delete(job.job_id)  # type: ignore[union-attr]
        assert any("backup" in name for name in files_with(tmp_path, "unmistakable-canary"))
        (other := store.open_job("other.srt", total_chunks=1)).complete(0, "done")
        other.finish()
    CheckpointStore(tmp_path / "talks.db").close()
    assert files_with(tmp_path, "unmistakable-canary") == []


def test_an_older_backup_with_a_deleted_job_goes_at_the_next_open(tmp_path: Path) -> None:
    """The deletion was killed on its way to the backups, behind a copy from elsewhere that knows nothing of it."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        (job := store.open_job("talk.srt", total_chunks=1)).complete(0, "unmistakable-canary")
        job.finish()
        store._context.storage.job_changes.delete(job.job_id)  # type: ignore[union-attr]
    (left,) = tmp_path.glob("*.backup-*")
    with CheckpointStore(tmp_path / "empty.db", state_file=None) as empty:
        empty.backup(tmp_path / "copy.db").rename(left.with_name(f"{left.name[:-1]}9"))
    CheckpointStore(tmp_path / "talks.db", state_file=None).close()
    assert files_with(tmp_path, "unmistakable-canary") == []


def test_a_deletion_that_ended_costs_no_later_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open looks into the newest backup only: it knows of all deletions, so no older backup has a deleted job."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("talk.srt", total_chunks=1).complete(0, "done")
        store.delete_job(store.latest_job().job_id)  # type: ignore[union-attr]
        for name in ("a.srt", "b.srt"):
            (job := store.open_job(name, total_chunks=1)).complete(0, "done")
            job.finish()
    looked: list[str] = []

    def look(path: Path, how: str = sqlite_siblings.ALONE) -> tuple[dict[str, int], dict[str, str]]:
        looked.append(path.name[-4:])
        return counts_of(path, how)

    counts_of = sqlite_siblings.counts_of
    monkeypatch.setattr(sqlite_siblings, "counts_of", look)
    CheckpointStore(tmp_path / "talks.db").close()
    assert looked == ["0002"]


def test_a_damaged_backup_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two decisions ask whether the results of a new backup are sound. They are read for both together."""
    with CheckpointStore(
        tmp_path / "talks.db", state_file=None, on_backup=lambda _: None
    ) as store:  # its writing would mend the result
        job = store.open_job("talk.srt", total_chunks=9)
        rolling = store._context.storage.backups  # type: ignore[union-attr]
        rolling._follows_growth = False  # as with a state file, whose writing would mend the result
        for index, in_between in enumerate([False, True]):
            job.complete(index, _result(index))
            assert rolling.make(in_between=in_between)
        _spoil_result(tmp_path / "talks.db", 0)
        job.complete(2, _result(2))
        caplog.clear()
        assert rolling.make(in_between=False)
        messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if "has a damaged result" in message] == [
        (
            f"the backup {tmp_path}/talks.db.backup-{SCHEMA_VERSION}-0003 has a damaged result: "
            "the newest backup that has it sound is kept"
        )
    ]


def test_a_backup_that_is_under_way_brings_back_no_deleted_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process deletes the job while this one copies the store, no copy keeps the job."""
    with CheckpointStore(tmp_path / "talks.db") as store, CheckpointStore(tmp_path / "talks.db") as another:
        (job := store.open_job("talk.srt", total_chunks=1)).complete(0, "unmistakable-canary")

        def delete_meanwhile(target: Path) -> None:
            monkeypatch.undo()
            verify(target)
            another._context.storage.job_changes.delete(job.job_id)  # type: ignore[union-attr]
            remove_backups(tmp_path / "talks.db")

        verify = backups.verify
        monkeypatch.setattr(backups, "verify", delete_meanwhile)
        assert not store._context.back_up()
        assert list(tmp_path.glob("*.backup-*")) == []


DAMAGES: dict[str, Callable[[sqlite3.Connection], object]] = {
    "a spoilt result": lambda driver: driver.execute("UPDATE chunk_results SET result = '[]' WHERE chunk_index = 1"),
    "a spoilt digest": lambda driver: driver.execute("UPDATE chunk_results SET digest = 'x' WHERE chunk_index = 1"),
    "a missing result": lambda driver: driver.execute("DELETE FROM chunk_results WHERE chunk_index = 1"),
    "a missing chunk": lambda driver: driver.execute("DELETE FROM completed_chunks WHERE chunk_index = 1"),
    "a wrong count": lambda driver: driver.execute("UPDATE jobs SET completed_count = 1"),
    "a chunk without a job": lambda driver: driver.execute("UPDATE completed_chunks SET job_id = 'x' WHERE chunk_index = 1"),
}  # fmt: skip


# -- check-up


@pytest.mark.slow_variants
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


@pytest.mark.slow_variants
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


@pytest.mark.slow
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
