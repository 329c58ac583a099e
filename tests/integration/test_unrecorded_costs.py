"""What a failed call cost is never forgotten: not in a store that stays locked, and not behind a completion by hand."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    CheckpointStore,
    ChunkAlreadyCompleted,
    InvalidResultError,
    Job,
    StorageFullError,
    StorageUnavailableError,
    StoreBusy,
)
from checkpoint_store.execution.late import failure_of
from checkpoint_store.loop import loop_state
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.verbs.claims import ClaimStorage

from .full_disks import full_disk
from .test_after_a_time_out import kept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store.storage.records.records import FailedAttempt


def failure(cost: float | None = 0.25) -> ValueError:
    error = ValueError("no")
    error.cost = cost  # type: ignore[attr-defined]
    return error


class Together:
    """An executor whose calls end in the same moment, as the last of them is submitted."""

    def __init__(self, count: int, end: Callable[[list[Future[Any]]], None]) -> None:
        self._count, self._end = count, end
        self.futures: list[Future[Any]] = []

    def submit(self, *_: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.futures.append(future)
        if len(self.futures) == self._count:
            self._end(self.futures)
        return future


def busy(database: Database, *_: object, **__: object) -> None:
    raise StoreBusy(database.path, 0.0)


@pytest.mark.slow
def test_what_failed_calls_cost_is_counted_where_the_store_stays_locked(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them, for `max_cost` and the totals; the error says where the costs are kept until then."""
    job = open_store(lock_timeout_seconds=0.01).open_job("talk.srt", total_chunks=3)

    def end(futures: list[Future[Any]]) -> None:
        monkeypatch.setattr(Database, "write", busy)
        for future in futures:
            future.set_exception(failure())

    with pytest.raises(StoreBusy) as error:
        list(job.map(str, executor=Together(3, end), workers=3))
    monkeypatch.undo()
    assert any("costs of failed tries" in note and "chunk 0 of job" in note for note in error.value.__notes__)
    assert len(kept(tmp_path)) == 1
    assert [chunk.index for chunk in job.pending()] == [0, 1, 2]
    assert (job.costs().cost, job.costs().failed_cost, kept(tmp_path)) == (0.75, 0.75, [])
    assert [attempt.cost for attempt in job.attempts() if "ValueError: no" in (attempt.error or "")] == [0.25] * 3


def test_calls_that_fail_together_in_a_locked_store_hold_up_the_end_of_the_loop_once(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop waits for the store at the first of them, and keeps what the others cost without another wait."""
    job = open_store(lock_timeout_seconds=60).open_job("talk.srt", total_chunks=3)
    tried: list[int] = []

    def locked(storage: ClaimStorage, failed: FailedAttempt) -> None:
        tried.append(failed.chunk_index)
        raise StoreBusy(storage.path, 60.0)

    def end(futures: list[Future[Any]]) -> None:
        for future in futures:
            future.set_exception(failure())

    monkeypatch.setattr(loop_state, "_BUSY_TIMEOUTS_MAX", 0)
    monkeypatch.setattr(ClaimStorage, "fail", locked)
    with pytest.raises(StoreBusy):
        list(job.map(str, executor=Together(3, end), workers=3))
    assert (len(tried), job.costs().failed_cost) == (1, 0.75)


def test_the_copy_of_a_result_that_cannot_be_stored_is_kept_where_the_store_stays_locked(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readable copy of an unstorable result is kept for its attempt while the store stays locked."""
    job = open_store(lock_timeout_seconds=0.01).open_job("talk.srt", total_chunks=1)

    def work(_: int) -> dict[str, Any]:
        monkeypatch.setattr(Database, "write", busy)
        return {"text": "paid for", "cost": 0.25, "object": object()}

    with pytest.raises(StoreBusy):
        list(job.map(work))
    monkeypatch.undo()
    list(job.pending())
    assert (job.costs().cost, "paid for" in (next(job.attempts()).error or "")) == (0.25, True)


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "cannot be stored"])
def test_what_a_failed_call_cost_is_counted_once_where_the_disk_reports_an_error_and_has_stored_the_failure(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """The end of a commit may report an error after the data is stored: a budget counts the money once."""
    job = store.open_job("talk.srt", total_chunks=1)
    real = ClaimStorage.fail

    def stored(self: ClaimStorage, failed: FailedAttempt) -> None:
        real(self, failed)
        raise StorageUnavailableError(store.path, "disk I/O error")

    def work(_: int) -> dict[str, Any]:
        if fails:
            raise failure()
        return {"text": "paid for", "cost": 0.25, "object": object()}

    monkeypatch.setattr(ClaimStorage, "fail", stored)
    with pytest.raises(StorageUnavailableError):
        list(job.map(work))
    monkeypatch.undo()
    list(job.pending())
    assert (job.costs().cost, job.costs().failed_cost, kept(tmp_path)) == (0.25, 0.25, [])


def test_what_a_call_cost_is_counted_that_failed_beside_a_result_that_cannot_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps the result from being recorded; the money of the failure is not forgotten over it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=2)

        def end(futures: list[Future[Any]]) -> None:
            futures[0].set_result({"cost": 0.5})
            futures[1].set_exception(failure())

        with full_disk(store), pytest.raises(StorageFullError):
            list(job.map(str, executor=Together(2, end), workers=2))
        list(job.pending())
        assert (job.costs().cost, job.costs().failed_cost, job.result(0)) == (0.75, 0.25, {"cost": 0.5})


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fails", [True, False], ids=["fails", "cannot be stored"])
def test_what_a_call_cost_is_counted_that_had_completed_its_chunk_by_hand(
    store: CheckpointStore, workers: int, *, fails: bool
) -> None:
    """The cost that a call names after it completed its chunk by hand counts beside the result's cost."""
    job = store.open_job("talk.srt", total_chunks=1)

    def work(index: int) -> dict[str, Any]:
        job.complete(index, {"text": "by hand", "cost": 0.25})
        if fails:
            raise failure(0.5)
        return {"cost": 0.5, "object": object()}

    if fails:
        list(job.map(work, workers=workers, max_cost=9.0))
    else:
        with pytest.raises(InvalidResultError):
            list(job.map(work, workers=workers))
    assert (job.result(0)["text"], job.status) == ("by hand", "completed")
    assert (job.costs().cost, job.costs().failed_cost) == (0.75, 0.5)
    assert [(attempt.outcome, attempt.cost) for attempt in job.attempts()][1:] == [("failed", 0.5)]


def complete_and_fail(job: Job, other: Job) -> None:
    """Fail a try, whose chunk another runner has completed meanwhile."""
    (chunk,) = job.pending()
    other.complete(0, {"cost": 0.25})
    with pytest.raises(ChunkAlreadyCompleted):
        chunk.fail("no", cost=0.5)


def test_what_a_failed_try_by_hand_cost_is_counted_where_its_chunk_is_complete(
    store: CheckpointStore, open_store: Opener
) -> None:
    """The cost of a try that is failed by hand counts, though another runner completed its chunk."""
    job = store.open_job("talk.srt", total_chunks=1)
    complete_and_fail(job, open_store().job(job.job_id))
    assert (job.costs().cost, job.costs().failed_cost, job.in_doubt_chunks()) == (0.75, 0.5, [])


def test_a_result_paid_in_vain_counts_once_whatever_the_reason_is_by_then(tmp_path: Path) -> None:
    """A result paid in vain counts once, even if it is recorded again after a kill for another reason."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", chunks=["a", "b", "c"], sequential=True)
        loop = job.pending()
        next(loop).complete({"cost": 0.0})
        next(loop)
        completion = job._execution.completion(1, {"cost": 0.5}, attempt=(1, 1.0))
        job.fail_chunk(1, "no")
        job._execution.storage.budgets.keep_result(completion)
        job.complete(1, {"cost": 0.0})
        job._execution.storage.budgets.keep_result(completion)
        assert job.costs().cost == 0.5


def test_the_same_result_of_two_tries_counts_twice_and_not_three_times(tmp_path: Path) -> None:
    """The chunk is done again later, and the result of the first try is recorded once more after a kill."""
    path = tmp_path / "talks.db"
    with CheckpointStore(path, state_file=None) as store, CheckpointStore(path, state_file=None) as other:
        job = store.open_job("talk.srt", chunks=["a"])
        held = next(job.pending())
        completion = job._execution.completion(held.index, {"cost": 0.5}, attempt=(1, 1.0))
        again = other.open_job("talk.srt", chunks=["a"])
        again.release_runner(job.runners()[0].runner)
        next(again.pending()).complete({"cost": 0.5})
        job._execution.submit([completion])
        assert job.costs().cost == 1.0
        again.redo(0)
        next(again.pending()).complete({"cost": 0.25})
        with pytest.raises(ChunkAlreadyCompleted):
            job._execution.submit([completion])
        job._execution.storage.budgets.keep_result(completion)
        assert job.costs().cost == 1.25


@pytest.mark.parametrize("fails", [False, True], ids=["result", "failure"])
def test_what_was_paid_in_vain_is_kept_although_another_text_has_it_in_itself(
    store: CheckpointStore, *, fails: bool
) -> None:
    """A result may be as short as ``1``, and stands in many an error; only the very same one is kept already."""
    job = store.open_job("talk.srt", total_chunks=1)
    next(job.pending()).fail("HTTP 500: null, try 1 of 12")
    job.complete(0, "by hand")
    budgets, execution = job._context.storage.budgets, job._execution
    kept = []
    for value in [12, 1, None, 1, 12, None]:
        before = len([*job.attempts()])
        if fails:
            budgets.keep_failure(failure_of(job.job_id, 0, str(value), attempt=(None, None), cost=0.5))
        else:
            budgets.keep_result(execution.completion(0, value, attempt=(None, 1.0)))
        kept.append(len([*job.attempts()]) - before)
    assert kept == [1, 1, 1, 0, 0, 0]
