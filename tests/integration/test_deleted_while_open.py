"""A store that somebody deletes while a program has it open: what was recorded comes back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import files_with

from checkpoint_store import (
    CheckpointStore,
    JobNotFound,
    ProcessingState,
    StorageUnavailableError,
    StoreDamaged,
    StoreRecovered,
    recover_store,
)
from checkpoint_store.storage.connection import file_guard
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.system import paths

if TYPE_CHECKING:
    from pathlib import Path

TOTAL, AT = 60, 40


def _delete(path: Path) -> None:
    for gone in [path, *Siblings(path).backups(), *path.parent.glob(f"{path.name}-*")]:
        gone.unlink()


def test_no_chunk_of_a_store_deleted_in_a_loop_is_paid_for_again(tmp_path: Path) -> None:
    """The error says what to do, the end of the store writes all that it knows, and the next run does the rest."""
    path, paid = tmp_path / "talk.db", []

    def work(index: int) -> str:
        paid.append(index)
        if index == AT and path.exists():
            _delete(path)
        return f"{index}: {'x' * 4000}"  # a large state file, which is behind

    with pytest.raises(StorageUnavailableError, match="no longer there") as caught, CheckpointStore(path) as store:
        list(store.open_job("talk.txt", total_chunks=TOTAL).map(work))
    assert "If it was deleted or replaced, close the store everywhere, and open it again" in str(caught.value)
    assert not path.exists()
    with pytest.warns(StoreRecovered, match="chunks back"):
        store = CheckpointStore(path)
    with store:
        job = store.open_job("talk.txt", total_chunks=TOTAL)
        list(job.map(work))
        assert len(dict(job.items())) == TOTAL
    assert sorted(paid) == list(range(TOTAL))


@pytest.mark.slow
@pytest.mark.parametrize("endings", [("-shm",), ("-wal",), ("-shm", "-wal")], ids="+".join)
def test_no_chunk_is_paid_for_again_if_the_log_is_removed_in_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endings: tuple[str, ...]
) -> None:
    """Two processes would not see each other's claims, and what is written to a removed log is gone at a kill."""
    path, paid = tmp_path / "talk.db", []
    monkeypatch.setattr(file_guard, "_WAL_LOOK_INTERVAL_SECONDS", 0.0)

    def work(index: int) -> str:
        if index == AT and not paid[AT:]:
            for ending in endings:
                path.with_name(f"talk.db{ending}").unlink()
        paid.append(index)
        return "paid for"

    removed = pytest.raises(StorageUnavailableError, match="-wal or -shm beside it was removed")
    with removed as caught, CheckpointStore(path) as store:
        list(store.open_job("talk.txt", total_chunks=TOTAL).map(work))
    assert "Close the store everywhere, and open it again" in str(caught.value)
    with CheckpointStore(path) as store:
        job = store.open_job("talk.txt", total_chunks=TOTAL)
        list(job.map(work))
        assert (sorted(paid), store.check()) == (list(range(TOTAL)), [])


def test_every_write_is_refused_once_the_log_was_removed(tmp_path: Path) -> None:
    """A second write does not go to the removed log either: it would be acknowledged, and be gone at a kill."""
    path = tmp_path / "talk.db"
    store = CheckpointStore(path)
    job = store.open_job("talk.txt", total_chunks=TOTAL)
    path.with_name("talk.db-wal").unlink()
    time.sleep(0.06)  # until the next look at the log
    for index in range(3):
        with pytest.raises(StorageUnavailableError, match="-wal or -shm beside it was removed"):
            job.complete(index, "paid for")
    with pytest.raises(StorageUnavailableError):
        store.close()
    with CheckpointStore(path) as store:
        assert dict(store.job("talk.txt").items()) == dict.fromkeys(range(3), "paid for")


def test_what_stands_in_the_place_of_the_state_before_is_kept(tmp_path: Path) -> None:
    """A folder at ``.bak`` is moved aside with what is in it, and the state file is written."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.txt", total_chunks=3)
        job.complete(0, "a")
        (tmp_path / "talk.bak").unlink(missing_ok=True)
        (tmp_path / "talk.bak" / "a").mkdir(parents=True)
        job.complete(1, "b")
        assert ProcessingState.from_json(job.export().read_bytes()) == job.state()
        (aside,) = tmp_path.glob("talk.bak.replaced-*")
        assert [path.name for path in aside.iterdir()] == ["a"]


def test_what_a_loop_is_told_of_a_job_that_was_deleted_is_true(tmp_path: Path) -> None:
    """The error about a deleted job says that its last result is gone with it, and no file keeps that result."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.txt", total_chunks=2)

        def work(index: int) -> str:
            store.delete_job(job.job_id)
            return "a secret"

        with pytest.raises(JobNotFound) as caught:
            list(job.map(work))
        assert caught.value.__notes__ == ["The results of chunk 0 are gone with their job, which was deleted."]
        assert files_with(tmp_path, "a secret") == []


def test_an_older_copy_put_over_an_open_store_undoes_nothing(tmp_path: Path) -> None:
    """No call mixes the copy with the WAL of the replaced file; the next opening has every acknowledged chunk."""
    path, copy = tmp_path / "talk.db", tmp_path / "copy.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.txt", total_chunks=TOTAL).complete_many((index, "x" * 500) for index in range(20))
    shutil.copyfile(path, copy)
    store = CheckpointStore(path, state_file=None)
    job = store.open_job("talk.txt", total_chunks=TOTAL)
    for index in range(20, AT):
        job.complete(index, "x" * 500)
    copy.rename(path)
    for index in (AT, AT + 1, AT + 1):
        with pytest.raises(StorageUnavailableError, match="another one is in its place"):
            job.complete(index, "y")
    with pytest.raises(StorageUnavailableError, match="another one is in its place"):
        store.close()
    with CheckpointStore(path, state_file=None) as store:
        assert list(store.job("talk.txt").completed_ranges()) == [(0, AT + 2)]
        assert store.check() == []


@pytest.mark.parametrize("kind", ["fuse", "vfat"])
def test_a_store_goes_on_where_its_file_gets_another_inode_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """FUSE and vfat number a file anew once no program has it open, as after a fork, which closes the connections."""
    monkeypatch.setattr(paths, "file_system", lambda _: kind)
    path = tmp_path / "talk.db"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.txt", total_chunks=2)
        job.complete(0, "a")
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
        shutil.copy2(path, tmp_path / "numbered anew")
        (tmp_path / "numbered anew").rename(path)
        job.complete(1, "b")
        assert list(job.results()) == ["a", "b"]


@pytest.mark.slow
def test_the_wal_of_a_store_comes_back_if_a_strange_file_replaced_the_store(tmp_path: Path) -> None:
    """What no other copy has is read from the WAL beside the strange file, and the error counts what is lost."""
    path = tmp_path / "talk.db"
    with CheckpointStore(path, state_file=None) as store:
        store.open_job("talk.txt", total_chunks=TOTAL).complete_many((index, "x" * 500) for index in range(20))
    store = CheckpointStore(path, state_file=None)
    job = store.open_job("talk.txt", total_chunks=TOTAL)
    for index in range(20, AT):
        job.complete(index, "x" * 500)
    with closing(sqlite3.connect(tmp_path / "strange.db")) as strange:
        strange.execute("CREATE TABLE notes (note TEXT)")
    (tmp_path / "strange.db").rename(path)
    store.close()
    with pytest.raises(StoreDamaged, match=f"20 of {AT} completed chunks"):
        CheckpointStore(path, state_file=None)
    recover_store(path, accept_loss=True)
    with CheckpointStore(path, state_file=None) as store:
        assert list(store.job("talk.txt").completed_ranges()) == [(20, AT)]
