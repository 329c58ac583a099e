"""What comes of a call after its loop, and cannot be recorded then, is kept: results, and what failures cost."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, Job, LoopEvent, StorageFullError, current_attempt

from .full_disks import full_disk
from .test_after_a_time_out import ANSWER, Slow, answer, job, kept, slow, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["job", "slow"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("fails", [False, True], ids=["result", "failure"])
def test_what_came_is_kept_where_another_store_took_the_place_of_the_closed_one(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, fails: bool
) -> None:
    """Another store has the name now, and lacks the job: nobody deleted it, and the store that has it takes it in."""
    with CheckpointStore(tmp_path / "late.db") as store:
        closed = store.open_job("talk.srt", total_chunks=1)
        timed_out(closed, slow, max_cost=9.0)
    (tmp_path / "aside").mkdir()
    for path in [path for path in tmp_path.iterdir() if path.is_file()]:
        path.rename(tmp_path / "aside" / path.name)
    if fails:
        slow.error = ValueError("no")
        slow.error.cost = 0.5  # type: ignore[attr-defined]
    with CheckpointStore(tmp_path / "late.db") as another:
        another.open_job("other.srt", total_chunks=1)
        answer(closed, slow, caplog)
    (path,) = kept(tmp_path)
    assert "deleted" not in caplog.text
    path.rename(tmp_path / "aside" / path.name)
    with CheckpointStore(tmp_path / "aside" / "late.db") as store:
        job = store.job("talk.srt")
        assert (job.costs().cost, job.progress().completed_chunks) == (0.5, 0 if fails else 1)


def test_the_log_says_of_a_repeated_recording_that_the_result_is_recorded(job: Job) -> None:
    """An interrupt repeats it: the result that was recorded just before was not paid for in vain."""
    execution, _ = job._execution, next(job.pending())
    completion = execution.completion(0, ANSWER, attempt=(1, 0.5))
    said = [execution.late.result(completion, lambda: execution.submit([completion])) for _ in range(2)]
    assert said == ["is recorded"] * 2
    another = execution.completion(0, "another", attempt=(2, 0.5))
    assert "in vain" in execution.late.result(another, lambda: execution.submit([another]))


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True], ids=["result", "failure"])
def test_what_came_for_a_closed_store_finds_another_folder_where_its_own_takes_no_file(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Nobody closes the store any more, and keeps what is in memory: it is in a file, and the log says in which."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    with CheckpointStore(tmp_path / "late.db") as store:
        timed_out(job := store.open_job("talk.srt", total_chunks=1), slow, max_cost=9.0)
    if fails:
        slow.error = ValueError("no")
        slow.error.cost = 0.5  # type: ignore[attr-defined]
    with full_disk(store):
        answer(job, slow, caplog)
    (path,) = elsewhere.rglob("*.unrecorded-*")
    what = "costs of failed tries" if fails else "results"
    assert f"The {what} of chunk 0 of job" in caplog.text
    assert (f"kept in {path}" in caplog.text, "kept in memory" in caplog.text) == (True, False)


class Hanging:
    """An executor in which three calls take too long. They end together, as the last of their chunks is called again."""

    def __init__(self, at_sixth_call: Callable[[list[Future[Any]]], None]) -> None:
        self.futures: list[Future[Any]] = []
        self.at_sixth_call = at_sixth_call

    def submit(self, *_: object) -> Future[Any]:
        self.futures.append(Future())
        self.futures[-1].set_running_or_notify_cancel()
        if len(self.futures) == 6:
            self.at_sixth_call(self.futures)
        return self.futures[-1]


@pytest.mark.slow
def test_a_full_disk_keeps_what_came_late_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result, a failure and a result that was paid for in vain: the money of none of them is forgotten."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ExitStack() as disk, CheckpointStore(tmp_path / "late.db") as store:
        job = store.open_job("talk.srt", total_chunks=3)

        def end(futures: list[Future[Any]]) -> None:
            job.complete(2, "by hand")
            disk.enter_context(full_disk(store))
            error = ValueError("no")
            error.cost = 0.25  # type: ignore[attr-defined]
            futures[0].set_result(ANSWER)
            futures[1].set_exception(error)
            monkeypatch.setattr(store._context.storage.budgets, "keep_result", refused)  # type: ignore[union-attr]
            futures[2].set_result({"cost": 0.125})

        with pytest.raises(StorageFullError):
            list(job.map(str, executor=Hanging(end), workers=9, timeout_seconds=0.2, wait=0, max_attempts=9))
        disk.close()
        monkeypatch.undo()
        list(job.pending())
        assert (job.result(0), job.result(2)) == (ANSWER, "by hand")
        assert (job.costs().cost, job.costs().failed_cost) == (0.875, 0.375)


def refused(*_: object) -> None:
    raise StorageFullError("late.db", "No space left on device", 0)


@pytest.mark.slow_variants
@pytest.mark.parametrize("where", ["in the store object", "in another one", "at the next open"])
def test_a_late_result_is_not_recorded_before_a_chunk_that_it_depends_on(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A late sequential result made from a result to be redone is kept with its attempt, and its cost counts."""
    path, content = tmp_path / "late.db", b""
    store = CheckpointStore(path)
    job = store.open_job("book.txt", total_chunks=2, sequential=True)
    job.complete(0, "zero")
    timed_out(job, slow)
    if where == "at the next open":
        store.close()
        answer(job, slow, caplog)
        (file,) = kept(tmp_path)
        content = file.read_bytes()
        file.unlink()
    if where != "in the store object":
        store.close()
        store = CheckpointStore(path)
        job = store.job("book.txt")
    assert job.redo(0) == 1
    if where == "at the next open":
        store.close()
        file.write_bytes(content)
        file.chmod(0o600)
        store = CheckpointStore(path)
        job = store.job("book.txt")
    else:
        answer(job, slow, caplog)
    with store:
        assert (job.remaining(), kept(tmp_path), job.costs().cost) == ([range(2)], [], 0.5)
        (attempt,) = job.attempts()
        assert '{"index":1,"cost":0.5}' in (attempt.error or "").replace(" ", "")
        calls = [(item.index, item.result) for item in job.map(lambda index: f"again {index}")]
        assert calls == [(0, "again 0"), (1, "again 1")]


@pytest.mark.slow_variants
@pytest.mark.parametrize("where", ["in the store object", "in another one", "at the next open"])
def test_a_late_result_is_not_recorded_behind_a_result_that_was_done_again(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A late sequential result from before a redo is not recorded, and its chunk is done with the new result."""
    path = tmp_path / "late.db"
    store = CheckpointStore(path)
    job = store.open_job("book.txt", total_chunks=2, sequential=True)
    job.complete(0, "zero")
    timed_out(job, slow)
    if where == "at the next open":
        store.close()
        answer(job, slow, caplog)
        (file,) = kept(tmp_path)
        file.rename(tmp_path / "aside")
    if where != "in the store object":
        store.close()
        store = CheckpointStore(path)
        job = store.job("book.txt")
    job.redo(0)
    next(job.pending()).complete("new zero")
    if where == "at the next open":
        store.close()
        (tmp_path / "aside").rename(file)
        store = CheckpointStore(path)
        job = store.job("book.txt")
    else:
        answer(job, slow, caplog)
    with store:
        assert (job.remaining(), kept(tmp_path), job.costs().cost) == ([range(1, 2)], [], 0.5)
        (error,) = [attempt.error or "" for attempt in job.attempts() if attempt.chunk_index == 1]
        assert ("done again since" in error, '"cost":0.5' in error.replace(" ", "")) == (True, True)
        job.retry_failed()
        assert [item.result for item in job.map(lambda _: f"after {current_attempt().previous}")] == ["after new zero"]


def test_a_late_result_that_is_the_recorded_one_answers_no_redo(
    slow: Slow, store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A late result from before a redo does not answer the redo, and the log says so."""
    job = store.open_job("talk.srt", total_chunks=1)
    timed_out(job, slow)
    job.complete(0, ANSWER)
    job.redo(0)
    answer(job, slow, caplog)
    assert (job.to_redo(), job.result(0)) == ([0], ANSWER)
    assert "answers no redo" in caplog.text
    assert "is recorded" not in caplog.text


class Answers:
    """An executor whose calls answer at once, but for the first."""

    def __init__(self) -> None:
        self.first: Future[Any] = Future()
        self.first.set_running_or_notify_cancel()
        self.count = 0

    def submit(self, *_: object) -> Future[Any]:
        self.count += 1
        if self.count == 1:
            return self.first
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        future.set_result(f"answer {self.count}")
        return future


@pytest.mark.slow_variants
@pytest.mark.parametrize("late", ["by hand", "another"])
def test_a_loop_tells_of_no_completion_of_a_chunk_that_is_to_be_done_again(store: CheckpointStore, late: str) -> None:
    """The late result is the recorded one, or another one, and is older than the redo: only the redo completes it."""
    job, pool = store.open_job("talk.srt", total_chunks=2), Answers()
    events: list[tuple[str, int | None, int | None]] = []

    def redo(event: LoopEvent) -> None:
        events.append((event.kind, event.index, event.attempt))
        if event.kind == "failed":
            job.complete(0, "by hand")
            job.redo(0)
            pool.first.set_result(late)

    how: dict[str, Any] = {"max_attempts": 1, "on_error": "record", "timeout_seconds": 0.05, "wait": 0, "workers": 9}
    items = [(item.index, item.result) for item in job.map(str, executor=pool, on_event=redo, **how)]
    assert events[-2:] == [("started", 0, 2), ("completed", 0, 2)]
    assert [event for event in events if event[0] == "completed"] == [("completed", 1, 1), ("completed", 0, 2)]
    assert items == [(1, "answer 2"), (0, "answer 3")]
    assert (job.status, job.last_run and job.last_run.completed_chunks) == ("completed", 2)
