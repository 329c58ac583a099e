"""Work that reports the failure of its own chunk by hand, and then raises or returns: one call is one try."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import JobPaused, current_attempt

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job, LoopEvent


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
    """It was paid for: the chunk is complete, and its second attempt has the result and both costs."""
    work = Reporting(job, answers_at=2)
    assert [item.result for item in job.map(work, wait=0)] == ["an answer"]
    assert [outcome for _, outcome, _ in tries(job)] == ["failed", "completed"]
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


def test_a_chunk_that_another_loop_took_up_meanwhile_is_not_tried_beside_it(job: Job) -> None:
    """What was reported by hand is free; whoever takes it has it alone."""
    taken: list[Any] = []

    def work(index: int) -> str:
        job.fail_chunk(index, "the service refused it")
        taken.extend(job.pending())
        raise ValueError("no answer")

    with pytest.raises(JobPaused):
        list(job.map(work, wait=0, on_error="record"))
    assert [chunk.attempt.number for chunk in taken] == [2]
    assert [number for number, _, _ in tries(job)] == [1, 2]
