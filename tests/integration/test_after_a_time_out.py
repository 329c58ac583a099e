"""A try that took too long, and ends after its loop: its result was paid for, and is recorded."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, Job, LoopEvent, StoreBusy, current_attempt
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.storage.connection.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Slow:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.answered = threading.Event()
        self.error: Exception | None = None

    def __call__(self, index: int) -> dict[str, Any]:
        assert self.may_answer.wait(60)
        if self.error is not None:
            raise self.error
        return {"index": index, "cost": 0.5}


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.may_answer.set()


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", total_chunks=1)


def timed_out(job: Job, slow: Slow, **options: Any) -> None:
    """Run a loop that ends by the time-out of its only try, which is still under way then."""
    with pytest.raises(TimeoutError):
        list(job.map(slow, timeout_seconds=0.05, retry_on=(), **options))


@pytest.mark.parametrize("is_own", [True, False], ids=["threads of the loop", "a pool of the caller"])
def test_the_result_is_recorded_when_it_comes(job: Job, slow: Slow, *, is_own: bool) -> None:
    """Nobody waits for it any more, and the next run does not pay for its chunk again."""
    with ThreadPoolExecutor(2) as pool:
        timed_out(job, slow, **({} if is_own else {"executor": pool}))
        slow.may_answer.set()
        wait_until(lambda: job.progress().completed_chunks == 1)
    assert (job.result(0)["cost"], job.costs().cost, job.status) == (0.5, 0.5, "completed")


def test_what_it_cost_counts_where_it_failed(job: Job, slow: Slow) -> None:
    """A late failure was billed, too."""
    timed_out(job, slow)
    slow.error = ValueError("no")
    slow.error.cost = 0.25  # type: ignore[attr-defined]
    slow.may_answer.set()
    wait_until(lambda: job.costs().cost is not None)
    assert job.costs().failed_cost == 0.25


def test_the_result_is_kept_where_the_store_is_closed(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next open takes it in."""
    with CheckpointStore(tmp_path / "late.db") as store:
        job = store.open_job("talk.srt", total_chunks=1)
        timed_out(job, slow)
    with caplog.at_level(logging.WARNING, "checkpoint_store"):
        answer(job, slow, caplog)
    with CheckpointStore(tmp_path / "late.db") as store:
        assert store.job("talk.srt").result(0)["cost"] == 0.5


ANSWER = {"index": 0, "cost": 0.5}


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.unrecorded-*"))


def outcomes(job: Job) -> list[tuple[int, str, float | None]]:
    return [(attempt.attempt, attempt.outcome, attempt.cost) for attempt in job.attempts()]


def answer(job: Job, slow: Slow, caplog: pytest.LogCaptureFixture) -> None:
    """Let the call that nobody waits for answer, and wait until that is dealt with."""
    slow.may_answer.set()
    # Of this job: a call of another test may come home just now.
    told = f"job {job.job_id}, chunk ", "came after its loop had ended"
    wait_until(lambda: any(all(part in line for part in told) for line in caplog.messages))


def test_the_call_that_answered_has_the_result(job: Job) -> None:
    """A person who reads the attempts sees which of the calls gave the result, and how long it took."""
    second = threading.Event()

    def work(_: int) -> dict[str, Any]:
        if current_attempt().number == 1:
            assert second.wait(60)
            return {"index": 0, "cost": 0.5}
        second.set()
        wait_until(lambda: job.progress().completed_chunks == 1)
        return {"index": "again", "cost": 0.25}

    list(job.map(work, workers=2, timeout_seconds=0.1, wait=0, max_attempts=9))
    (first, *others) = job.attempts()
    assert (first.outcome, first.seconds is not None and first.seconds >= 0.1) == ("completed", True)
    assert {attempt.outcome for attempt in others} == {"failed"}
    assert "again" in (others[0].error or "")
    assert job.costs().cost == 0.5 + 0.25 * len(others)


@pytest.mark.slow
def test_a_try_that_fails_after_the_late_answer_blames_no_other_runner(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop itself completed the chunk meanwhile, and its log says no more than that."""
    second = threading.Event()

    def work(_: int) -> str:
        if current_attempt().number == 1:
            assert second.wait(60)
            return "late"
        second.set()
        wait_until(lambda: job.progress().completed_chunks == 1)
        raise RuntimeError("no")

    list(job.map(work, workers=2, timeout_seconds=0.3, wait=0, max_attempts=9))
    assert "failed, but the chunk was completed meanwhile: RuntimeError" in caplog.text
    assert "another runner" not in caplog.text


def test_a_call_that_began_before_a_redo_does_not_answer_it(
    job: Job, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunk stays one that is to be done again; what the call answered is kept with it, and its cost counts."""
    timed_out(job, slow)
    job.complete(0, {"index": "first", "cost": 0.25})
    job.redo(0)
    answer(job, slow, caplog)
    assert (job.to_redo(), job.result(0)["index"]) == ([0], "first")
    assert job.costs().cost == 0.75
    assert '{"index":0,"cost":0.5}' in (next(job.attempts()).error or "").replace(" ", "")
    (chunk,) = job.pending()
    chunk.complete({"index": "second", "cost": 0.125})
    assert (job.to_redo(), job.result(0)["index"], job.costs().cost) == ([], "second", 0.875)


@pytest.mark.slow
def test_a_late_answer_within_the_loop_does_not_answer_a_redo(job: Job) -> None:
    """The loop makes the call that the redo asks for, although an earlier one answers meanwhile."""
    third = threading.Event()

    def work(_: int) -> dict[str, Any]:
        number = current_attempt().number
        if number == 1:
            assert third.wait(60)
        if number == 3:
            third.set()
            wait_until(lambda: any("came after another" in (attempt.error or "") for attempt in job.attempts()))
        return {"number": number, "cost": 0.25}

    for item in job.map(work, workers=2, timeout_seconds=1, wait=0, max_attempts=9):
        if item.result["number"] == 2:
            job.redo(0)
    assert (job.result(0)["number"], job.to_redo(), job.status) == (3, [], "completed")
    assert outcomes(job) == [(1, "failed", 0.25), (2, "completed", 0.25), (3, "completed", None)]
    assert job.costs().cost == 0.75


@pytest.mark.slow
def test_a_late_answer_that_is_recorded_already_leaves_the_redo_its_next_try(job: Job) -> None:
    """A late answer that equals the result to be replaced does not take the redo's next try away."""
    third = threading.Event()

    def work(_: int) -> str:
        number = current_attempt().number
        if number == 1:
            assert third.wait(60)
        if number == 3:
            raise RuntimeError("the service is busy")
        return "answer" if number < 3 else "another answer"

    def note(event: LoopEvent) -> None:
        if (event.kind, event.attempt) == ("retried", 3):
            third.set()

    for item in job.map(work, workers=2, timeout_seconds=0.3, wait=0.3, max_attempts=9, on_event=note):
        if item.result == "answer":
            job.redo(0)
    assert (job.result(0), job.to_redo(), job.status) == ("another answer", [], "completed")


def test_an_interrupt_at_the_end_of_the_loop_loses_no_call(
    job: Job, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C comes while the loop frees its chunks: what the call comes to is recorded all the same."""
    close = ChunkQueue.close

    def interrupted(queue: ChunkQueue, *arguments: Any) -> None:
        close(queue, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ChunkQueue, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(slow, timeout_seconds=0.05, retry_on=()))
    monkeypatch.undo()
    slow.may_answer.set()
    wait_until(lambda: job.progress().completed_chunks == 1)
    assert job.result(0) == ANSWER


def test_the_result_is_recorded_by_another_open_store(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that closed its store and opened it again has the result at once, and does not pay for it again."""
    with CheckpointStore(tmp_path / "late.db") as store:
        timed_out(store.open_job("talk.srt", total_chunks=1), slow)
    with CheckpointStore(tmp_path / "late.db") as again:
        job = again.job("talk.srt")
        answer(job, slow, caplog)
        assert (job.result(0), kept(tmp_path), list(job.pending())) == (ANSWER, [], [])


def test_what_a_failure_cost_is_kept_where_the_store_is_closed(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next open counts it, once: a budget counts all that was paid."""
    with CheckpointStore(tmp_path / "late.db") as store:
        job = store.open_job("talk.srt", total_chunks=1)
        timed_out(job, slow, max_cost=9.0)
    slow.error = ValueError("no")
    slow.error.cost = 0.25  # type: ignore[attr-defined]
    answer(job, slow, caplog)
    (path,) = kept(tmp_path)
    content = path.read_bytes()
    for _ in range(2):  # the second one has what a kill in the middle of the first one leaves
        path.write_bytes(content)
        path.chmod(0o600)
        with CheckpointStore(tmp_path / "late.db") as store:
            job = store.job("talk.srt")
            assert (job.costs().cost, job.costs().failed_cost, kept(tmp_path)) == (0.25, 0.25, [])
            assert "ValueError: no" in (next(job.attempts()).error or "")


def test_what_a_failure_cost_is_counted_where_the_store_was_busy(
    job: Job, slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process keeps the store locked just then: the next loop, or the next open, counts the cost."""
    timed_out(job, slow)
    slow.error = ValueError("no")
    slow.error.cost = 0.25  # type: ignore[attr-defined]

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy(job._context.reading.path, 0.0)

    monkeypatch.setattr(Database, "write", busy)
    answer(job, slow, caplog)
    monkeypatch.undo()
    assert len(kept(tmp_path)) == 1
    list(job.pending())
    assert (job.costs().cost, kept(tmp_path)) == (0.25, [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_the_result_of_a_deleted_job_is_gone_with_it(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_open: bool
) -> None:
    """Who deletes a job wants no byte of it: the log says that an answer came, and no file is left."""
    store = CheckpointStore(tmp_path / "late.db")
    job = store.open_job("talk.srt", total_chunks=1)
    timed_out(job, slow)
    if is_open:
        store.delete_job(job.job_id)
        answer(job, slow, caplog)
        assert kept(tmp_path) == []
        store.close()
    else:
        store.close()
        answer(job, slow, caplog)
        content = [(path, path.read_bytes()) for path in kept(tmp_path)]
        with CheckpointStore(tmp_path / "late.db") as again:
            again.delete_job(job.job_id)
        for path, text in content:  # it was moved away for a while
            path.write_bytes(text)
            path.chmod(0o600)
        CheckpointStore(tmp_path / "late.db").close()
        assert kept(tmp_path) == []
    assert "gone with its job" in caplog.text


def test_the_result_is_recorded_where_the_pool_of_the_event_loop_is_shut_down(job: Job, slow: Slow) -> None:
    """An event loop that comes to its end has no threads any more: the result is recorded in its own."""
    future: Future[Any] = Future()

    class Service:
        def submit(self, *_: object) -> Future[Any]:
            return future

    timed_out(job, slow, executor=Service(), workers=1)

    async def end() -> None:
        await asyncio.get_running_loop().shutdown_default_executor()
        future.set_result(ANSWER)

    asyncio.run(end())
    assert job.result(0) == ANSWER


def test_an_interrupt_while_the_result_is_recorded_loses_nothing(
    job: Job, slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes in the thread that records it: the result is kept, and recorded later."""
    future: Future[Any] = Future()

    class Service:
        def submit(self, *_: object) -> Future[Any]:
            return future

    timed_out(job, slow, executor=Service(), workers=1)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(job._context), "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        future.set_result(ANSWER)
    monkeypatch.undo()
    assert len(kept(tmp_path)) == 1
    assert list(job.pending()) == []
    assert (job.result(0), kept(tmp_path)) == (ANSWER, [])
