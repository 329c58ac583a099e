"""Work that reports the failure of its own chunk by hand, and then raises or returns: one call is one try."""

from __future__ import annotations

import asyncio
import threading
from socket import gaierror
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StorageFullError, StoreBusy, current_attempt
from checkpoint_store.storage.storage import Storage
from checkpoint_store.storage.verbs.budgets import BudgetStorage

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job, LoopEvent


def of_status(status: int) -> Exception:
    """Return an exception for an answer with this HTTP status."""
    error = RuntimeError(f"HTTP {status}")
    error.status_code = status  # type: ignore[attr-defined]
    return error


BLAME_NO_CHUNK = [
    of_status(401),
    of_status(402),
    of_status(503),
    ConnectionRefusedError("no"),
    gaierror("no such host"),
]
BLAME_THE_CHUNK = [TimeoutError("no answer"), "HTTP 401"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", [*BLAME_NO_CHUNK, *BLAME_THE_CHUNK], ids=repr)
def test_only_what_may_be_a_chunks_fault_counts_in_a_loop_over_pending(job: Job, error: Exception | str) -> None:
    """Three runs with a bad key, or without a network, fail no chunk; a text says that the chunk is at fault."""
    for _ in range(3):
        for chunk in job.pending():
            chunk.fail(error)
        job.fail_chunk(0, error)
    assert bool(job.failed_chunks()) == (error in BLAME_THE_CHUNK)


class Reporting:
    """Work that fails its chunk by hand, and then raises; from the call on that ``answers_at`` numbers it returns."""

    def __init__(self, job: Job, *, answers_at: int = 99) -> None:
        self.job, self.answers_at = job, answers_at
        self.calls: list[int] = []

    def __call__(self, index: int) -> str:
        self.calls.append(index)
        self.job.fail_chunk(index, "the service refused it", cost=0.25)
        if len(self.calls) < self.answers_at:
            raise ValueError("no answer")
        return "an answer"


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of one chunk."""
    return store.open_job("talk.srt", total_chunks=1)


def tries(job: Job) -> list[tuple[int, str, float | None]]:
    """The attempts at the chunk: number, outcome and cost."""
    return [(record.attempt, record.outcome, record.cost) for record in job.attempts()]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_try_that_was_reported_by_hand_counts_once(job: Job, workers: int) -> None:
    """Three tries are three calls, each with one row and its cost; then the chunk is failed."""
    work = Reporting(job)
    assert list(job.map(work, workers=workers, wait=0, on_error="record")) == []
    assert work.calls == [0, 0, 0]
    assert tries(job) == [(number, "failed", 0.25) for number in (1, 2, 3)]
    assert [record.error for record in job.failed_chunks()] == ["ValueError: no answer"]
    assert (job.running_chunks(), job.in_doubt_chunks()) == ([], [])


def test_a_loop_that_allows_more_tries_makes_them(job: Job) -> None:
    """A failure that was reported by hand ends the tries at the limit of the loop, and not at the usual limit."""
    work = Reporting(job)
    list(job.map(work, wait=0, on_error="record", max_attempts=5))
    assert (len(work.calls), len(tries(job))) == (5, 5)


def test_a_try_that_is_failed_by_hand_before_it_begins_is_followed_by_the_next(job: Job) -> None:
    """The chunk is not complete: no event says so, and the loop does it."""
    events: list[tuple[str, int | None]] = []

    def note(event: LoopEvent) -> None:
        events.append((event.kind, event.attempt))
        if events[-1] == ("retried", 1):
            job.fail_chunk(0, "by hand")

    def work(_: int) -> str:
        if current_attempt().number == 1:
            raise RuntimeError("once")
        return "an answer"

    assert [item.result for item in job.map(work, wait=0.01, on_event=note)] == ["an answer"]
    assert [event for event in events if event[0] != "started"] == [("retried", 1), ("retried", 2), ("completed", 3)]
    assert [outcome for _, outcome, _ in tries(job)] == ["failed", "failed", "completed"]


def test_a_result_that_follows_the_report_stands(job: Job) -> None:
    """A result that follows a reported failure completes its chunk; the reported failure stays as a try."""
    work = Reporting(job, answers_at=2)
    assert [item.result for item in job.map(work, wait=0)] == ["an answer"]
    assert tries(job) == [(1, "failed", 0.25), (2, "completed", None), (3, "failed", 0.25)]
    assert job.costs().cost == 0.5
    assert (job.status, work.calls) == ("completed", [0, 0])


def test_in_amap_too(job: Job) -> None:
    """The event loop calls the work as map does."""
    work = Reporting(job)

    async def loop() -> list[Any]:
        async def asked(index: int) -> str:
            await asyncio.sleep(0)
            return work(index)

        return [item async for item in job.amap(asked, wait=0, on_error="record")]

    assert asyncio.run(loop()) == []
    assert (work.calls, len(tries(job))) == ([0, 0, 0], 3)


def test_a_chunk_whose_work_goes_on_after_a_report_stays_with_it(job: Job, open_store: Opener) -> None:
    """A fallback may still give the result: no other loop begins the chunk, which would be paid for twice."""
    taken: list[Any] = []

    def work(index: int) -> str:
        job.fail_chunk(index, "the first model refused it")
        taken.extend([*job.pending(), *open_store().job(job.job_id).pending()])
        return "from the second model"

    assert [item.result for item in job.map(work)] == ["from the second model"]
    assert (taken, tries(job)) == ([], [(1, "completed", None)])


@pytest.mark.parametrize("error", [StorageFullError("talk.db", "the disk is full", 0), StoreBusy("talk.db", 5.0)])
def test_a_result_counts_although_the_cost_of_a_failed_try_cannot_be_kept(
    job: Job, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result was paid for, and is recorded: its work is not done again, and the caller gets no error."""

    def keep_reported(*_: object) -> None:
        raise error

    def work(index: int) -> str:
        job.fail_chunk(index, "the first model refused it", cost=0.25)
        job.complete(index, "from the second model")
        return "from the second model"

    monkeypatch.setattr(BudgetStorage, "keep_reported", keep_reported)
    assert [item.result for item in job.map(work)] == ["from the second model"]
    assert (job.result(0), job.status) == ("from the second model", "completed")


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_closed", [False, True])
def test_a_reported_cost_counts_when_the_result_is_recorded_later(
    job: Job, open_store: Opener, monkeypatch: pytest.MonkeyPatch, is_closed: bool
) -> None:
    """A full disk takes neither the cost nor the result: both are recorded once there is room, by the next open too."""

    def work(index: int) -> str:
        job.fail_chunk(index, "the first model refused it", cost=0.25)
        full.setattr(BudgetStorage, "keep_reported", is_full)
        full.setattr(Storage, "complete", is_full)
        return "from the second model"

    def is_full(*_: object) -> None:
        raise StorageFullError("talk.db", "the disk is full", 0)

    store = open_store()
    job = store.job(job.job_id)
    with monkeypatch.context() as full:
        with pytest.raises(StorageFullError):
            list(job.map(work))
        if is_closed:
            with pytest.raises(StorageFullError):
                store.close()
    again = open_store().job(job.job_id) if is_closed else job
    assert [item.result for item in again.map(work)] == []
    assert (again.result(0), again.costs().cost) == ("from the second model", 0.25)


def test_a_cost_that_another_handle_of_the_job_reports_counts(store: CheckpointStore, job: Job) -> None:
    """A function that fetches its own handle of the job reports the cost of a failed try like any other."""

    def work(index: int) -> str:
        store.job(job.job_id).fail_chunk(index, "the first model refused it", cost=0.25)
        return "from the second model"

    assert [item.result for item in job.map(work)] == ["from the second model"]
    assert job.costs().cost == 0.25


def test_an_exception_that_is_reported_and_then_raised_costs_once(job: Job) -> None:
    """An exception that is reported by hand and then raised counts and costs once, even as a cause."""
    error, calls = ValueError("no answer"), list[int]()
    error.cost = 0.25  # type: ignore[attr-defined]

    def work(index: int) -> str:
        calls.append(index)
        job.fail_chunk(index, error)
        if len(calls) == 1:
            raise error
        raise RuntimeError("no") from error

    list(job.map(work, wait=0, on_error="record", max_attempts=2))
    assert tries(job) == [(1, "failed", 0.25), (2, "failed", 0.25)]


def test_reports_of_one_try_are_one_try_each_with_its_cost(job: Job) -> None:
    """Failures that are reported by hand within a try count as a single try, and their costs are added up."""

    def work(index: int) -> str:
        for _ in range(2):
            job.fail_chunk(index, "no", cost=0.25)
        raise ValueError("no answer")

    list(job.map(work, wait=0, on_error="record", max_attempts=2))
    assert tries(job) == [(1, "failed", 0.5), (2, "failed", 0.5)]
    job.retry_failed()
    chunk = next(job.pending())
    chunk.fail("no", cost=0.25)
    chunk.fail("no", cost=0.25)
    assert tries(job)[2:] == [(3, "failed", 0.5)]


@pytest.mark.slow
def test_a_report_of_a_try_that_took_too_long_does_not_free_the_try_after_it(job: Job) -> None:
    """The later try is at work: the report is noted with the try that made it."""
    second_began, reported, taken = threading.Event(), threading.Event(), list[Any]()

    def work(index: int) -> str:
        if current_attempt().number == 1:
            assert second_began.wait(60)
            job.fail_chunk(index, "too late", cost=0.25)
            taken.extend(record.attempt for record in job.attempts() if record.outcome == "running")
            reported.set()
            return "from the first try"
        second_began.set()
        assert reported.wait(60)
        return "from the second try"

    results = [item.result for item in job.map(work, workers=2, wait=0, timeout_seconds=0.5)]
    assert len(results) == 1
    assert taken == [2]
