"""``on_backup``: each automatic copy is handed to the caller, to carry it away from a machine that may vanish."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, InvalidArgumentError, restore_store
from checkpoint_store.storage import backup as backups

from .shard_tools import CHUNKS, NAME, clean, rows

if TYPE_CHECKING:
    from pathlib import Path


def test_a_backup_is_given_when_a_job_ends(tmp_path: Path) -> None:
    """The copy is whole: restored on another machine, nothing is left to pay for."""
    away = tmp_path / "away"
    away.mkdir()
    with CheckpointStore(tmp_path / "talks.db", on_backup=lambda path: shutil.copy(path, away / "copy.db")) as store:
        store.map(clean, CHUNKS, file_name=NAME)
    restore_store(away / "copy.db", away / "talks.db")
    with CheckpointStore(away / "talks.db") as store:
        assert store.map(pytest.fail, CHUNKS, file_name=NAME) == [clean(text) for text in CHUNKS]  # type: ignore[arg-type]


def test_a_backup_is_given_while_a_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told knows of the chunks that were complete then, in the thread of the loop."""
    monkeypatch.setattr(backups, "_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(backups, "_GROWTH", 0.0)
    monkeypatch.setattr(backups, "_COPYING_CREDIT_SECONDS", 1e9)
    told: list[tuple[int, str]] = []

    def count(path: Path) -> None:
        told.append((rows(path, "SELECT count(*) FROM completed_chunks")[0][0], threading.current_thread().name))

    with CheckpointStore(tmp_path / "talks.db", on_backup=count) as store:
        store.map(clean, CHUNKS, file_name=NAME)
    assert [number for number, _ in told][:12] == list(range(1, 13))
    assert {thread for _, thread in told} == {"MainThread"}


def test_the_callback_may_ask_and_write_the_store(tmp_path: Path) -> None:
    """No transaction and no lock is held while it runs: also other processes and threads go on."""
    seen: list[Any] = []

    def look(path: Path) -> None:
        with CheckpointStore(tmp_path / "talks.db", lock_timeout_seconds=0.5) as other:
            other.open_job("noted.txt", total_chunks=1).complete(0, path.name)
        seen.append(store.prune(keep_last=0).jobs)
        store.backup(tmp_path / "mine.db", replace=True)

    with CheckpointStore(tmp_path / "talks.db", on_backup=look) as store:
        store.map(clean, CHUNKS, file_name=NAME)
        assert len(seen) == 1
        assert {job.file_name for job in store.jobs()} == {NAME, "noted.txt"}


def test_an_error_of_the_callback_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ``on_backup`` goes to the log, and the next call gives the same copy until a call succeeds."""
    calls: list[str] = []

    def fails_once(path: Path) -> None:
        calls.append(path.name)
        if len(calls) == 1:
            raise OSError("no network")

    with CheckpointStore(tmp_path / "talks.db", on_backup=fails_once) as store:
        assert len(store.map(clean, CHUNKS, file_name=NAME)) == 12
        assert "on_backup failed" in caplog.text
        assert "no network" in caplog.text
        for _ in range(2):
            store.job(NAME).finish()
    assert calls == [calls[0]] * 2


def test_a_copy_of_a_killed_process_is_given_by_the_next_one(tmp_path: Path) -> None:
    """The next process gives ``on_backup`` the copy that a killed process made and perhaps did not carry away."""
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.map(clean, CHUNKS, file_name=NAME)
    told: list[Path] = []
    with CheckpointStore(tmp_path / "talks.db", on_backup=told.append) as store:
        store.job(NAME).finish()
    assert told == [max(tmp_path.glob("talks.db.backup-*"))]


def test_loops_that_end_together_give_one_copy_once(tmp_path: Path) -> None:
    """Two calls at the same moment would write the same file on the other machine."""
    told: list[Path] = []
    may_go_on = threading.Event()

    def carry(path: Path) -> None:
        told.append(path)
        may_go_on.wait(20)

    with CheckpointStore(tmp_path / "talks.db", on_backup=carry) as store:
        store.open_job("talk.srt", chunks=CHUNKS)
        ending = threading.Thread(target=store.job("talk.srt").pause)
        ending.start()
        wait_until(lambda: bool(told))
        store.job("talk.srt").pause()
        may_go_on.set()
        ending.join()
    assert told == [max(tmp_path.glob("talks.db.backup-*"))]


def test_a_copy_of_the_name_of_a_deleted_copy_is_given(tmp_path: Path) -> None:
    """The deletion of a job removes all copies, and their numbers begin anew: what comes next is another copy."""
    told: list[tuple[str, int]] = []

    def note(path: Path) -> None:
        told.append((path.name, rows(path, "SELECT count(*) FROM completed_chunks")[0][0]))

    with CheckpointStore(tmp_path / "talks.db", on_backup=note) as store:
        store.map(clean, CHUNKS[:2], file_name="first.srt")
        store.delete_job(store.job("first.srt").job_id)
        store.map(clean, CHUNKS, file_name="second.srt")
    assert [count for _, count in told] == [2, 12]
    assert told[0][0] == told[1][0]


def test_what_is_no_function_is_refused(tmp_path: Path) -> None:
    """An ``on_backup`` that is no function is refused before a store is made."""
    with pytest.raises(InvalidArgumentError, match="on_backup"):
        CheckpointStore(tmp_path / "talks.db", on_backup="s3://bucket")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_loop_begins_while_the_callback_has_a_copy_with_a_late_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback may wait for another loop of the job, which another thread runs."""
    monkeypatch.setattr(backups, "_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(backups, "_GROWTH", 0.0)
    monkeypatch.setattr(backups, "_COPYING_CREDIT_SECONDS", 1e9)
    may_answer, is_called, began = (threading.Event() for _ in range(3))
    waited: list[bool] = []

    def wait_for_the_loop(_: Path) -> None:
        if may_answer.is_set() and not is_called.is_set():
            is_called.set()
            waited.append(began.wait(10))

    def slow(_: int) -> str:
        assert may_answer.wait(60)
        return "late"

    def begin(_: int) -> str:
        began.set()
        return "on time"

    with CheckpointStore(tmp_path / "talks.db", on_backup=wait_for_the_loop) as store:
        job = store.open_job("talk.srt", total_chunks=3)
        with pytest.raises(TimeoutError):
            list(job.map(slow, timeout_seconds=0.05, retry_on=(), only=[0]))
        may_answer.set()
        assert is_called.wait(60)
        assert [item.result for item in job.map(begin, only=[1])] == ["on time"]
        wait_until(lambda: bool(waited))
        assert (waited, job.result(0)) == ([True], "late")
