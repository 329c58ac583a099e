"""Calls that end, or time out, in the same moment: an error at the first costs none of the others what it came to."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import InvalidResultError, StoreBusy, current_attempt
from checkpoint_store.execution.execution import JobExecution
from checkpoint_store.storage.connection.database import Database

from .test_after_a_time_out import Slow, slow
from .test_unrecorded_costs import Together, busy, failure

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore, PendingChunk

__all__ = ["slow"]


def of_a_status(error: BaseException) -> bool:
    """Ask an exception for what only other exceptions have: the mistake of a caller."""
    return bool(error.status == 429)  # type: ignore[attr-defined]


def end_with_failures(futures: list[Future[Any]]) -> None:
    for future in futures:
        future.set_exception(failure(2.0))


@pytest.mark.parametrize("option", ["retry_on", "stop_on"])
def test_what_calls_cost_is_counted_where_a_function_of_the_caller_raises(store: CheckpointStore, option: str) -> None:
    """The mistake ends the loop, and comes with the failure that it was made at. All calls were paid for."""
    job = store.open_job("talk.srt", total_chunks=3)
    options: Any = {option: of_a_status}
    with pytest.raises(AttributeError) as mistake:
        list(job.map(str, executor=Together(3, end_with_failures), workers=3, **options))
    assert str(mistake.value.__cause__) == "no"
    assert (job.costs().failed_cost, len(job.in_doubt_chunks())) == (6.0, 0)
    assert [attempt.error for attempt in job.attempts()] == ["ValueError: no"] * 3


def test_what_calls_cost_is_counted_where_no_other_chunk_can_be_asked_for(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looks for another chunk to find out whether the service is to blame, and the store cannot be read."""
    job = store.open_job("talk.srt", total_chunks=1)

    def end(futures: list[Future[Any]]) -> None:
        error = failure(2.0)
        error.status = 500  # type: ignore[attr-defined]
        monkeypatch.setattr("checkpoint_store.loop.loop_state.LoopState.claim", unreadable)
        futures[0].set_exception(error)

    def unreadable(*_: object) -> None:
        raise StoreBusy(store.path, 0.0)

    with pytest.raises(StoreBusy):
        list(job.map(str, executor=Together(1, end)))
    assert job.costs().failed_cost == 2.0


@pytest.mark.slow
def test_answers_that_come_after_their_time_outs_are_recorded_where_a_function_of_the_caller_raises(
    store: CheckpointStore, slow: Slow
) -> None:
    """All answers that come after their time-outs are recorded, though a function of the caller raises."""
    job = store.open_job("talk.srt", total_chunks=3)
    with ThreadPoolExecutor(3) as pool:
        with pytest.raises(AttributeError):
            list(job.map(slow, executor=pool, workers=3, timeout_seconds=0.05, retry_on=of_a_status))
        slow.may_answer.set()
    wait_until(lambda: job.progress().completed_chunks == 3)


@pytest.mark.slow
def test_answers_that_come_after_their_time_outs_are_recorded_where_the_store_was_locked(
    open_store: Opener, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program held the store as they timed out together."""
    job = open_store(lock_timeout_seconds=0.01).open_job("talk.srt", total_chunks=3)

    def work(index: int) -> Any:
        if index == 2:
            monkeypatch.setattr(Database, "write", busy)
        return slow(index)

    with ThreadPoolExecutor(3) as pool:
        with pytest.raises(StoreBusy):
            list(job.map(work, executor=pool, workers=3, timeout_seconds=0.2))
        monkeypatch.undo()
        slow.may_answer.set()
    wait_until(lambda: job.progress().completed_chunks == 3)


def test_a_result_is_kept_where_the_store_cannot_be_read_as_it_comes(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended with it is recorded; a readable copy of the result, and its cost, are kept with its attempt."""
    job = store.open_job("talk.srt", total_chunks=3)
    completion = JobExecution.completion

    def unreadable(self: JobExecution, index: int, *arguments: Any, **options: Any) -> Any:
        if index == 1:
            raise StoreBusy(store.path, 0.0)
        return completion(self, index, *arguments, **options)

    def end(futures: list[Future[Any]]) -> None:
        for index, future in enumerate(futures):
            future.set_result({"text": f"answer {index}", "cost": 0.5})

    monkeypatch.setattr(JobExecution, "completion", unreadable)
    with pytest.raises(Exception, match="cannot be recorded: StoreBusy"):
        list(job.map(str, executor=Together(3, end), workers=3))
    assert ([index for index, _ in job.items()], job.costs().cost) == ([0, 2], 1.5)
    assert ["answer 1" in (attempt.error or "") for attempt in job.attempts()] == [False, True, False]


def die_and_hang(index: int) -> int:
    """Kill the process at the first try of the first chunk, and hang at its second."""
    if index == 0:
        if current_attempt().number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait(60)
    return index


@pytest.mark.slow
def test_a_chunk_that_hangs_where_it_is_tried_alone_keeps_no_other_from_its_try(store: CheckpointStore) -> None:
    """A chunk that killed its process and then hangs alone is failed, and the other chunks are done."""
    job = store.open_job("talk.srt", total_chunks=5)
    with ProcessPoolExecutor(2) as pool:
        items = list(job.map(die_and_hang, executor=pool, timeout_seconds=3.0, retry_on=(), on_error="record"))
        assert sorted(item.index for item in items) == [1, 2, 3, 4]
        assert [chunk.chunk_index for chunk in job.failed_chunks()] == [0]
        for process in pool._processes.values():
            process.kill()


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "cannot be stored"])
def test_a_failure_is_that_of_the_attempt_that_failed(store: CheckpointStore, *, fails: bool) -> None:
    """A failure ends the attempt that failed, and not a later attempt at a redo of its chunk."""
    job = store.open_job("talk.srt", total_chunks=1)
    at_work: list[PendingChunk] = []

    def end(futures: list[Future[Any]]) -> None:
        job.complete(0, {"text": "by hand", "cost": 0.25})
        job.redo(0)
        at_work.append(next(job.pending()))
        if fails:
            futures[0].set_exception(failure(0.5))
        else:
            futures[0].set_result({"object": object(), "cost": 0.5})

    with suppress(InvalidResultError):
        list(job.map(str, executor=Together(1, end), on_pause="return", stop_when=lambda: bool(at_work)))
    assert [(attempt.outcome, attempt.cost) for attempt in job.attempts()] == [
        ("completed", None),
        ("running", None),
        ("failed", 0.5),
    ]
    at_work.pop().complete({"text": "again", "cost": 1.0})
    assert (job.result(0)["text"], job.costs().cost, job.status) == ("again", 1.75, "completed")
