"""A chunk that was paid for twice counts twice, also where both answers are the same."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import BudgetReached, CheckpointStore, ChunkAlreadyCompleted, Job, LoopEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opener

PRICE = 0.25


class Service:
    """The first call answers late: before the second one does, or after it. All answers to a chunk are the same."""

    def __init__(self, job: Job, *, is_first_to_answer: bool) -> None:
        self._job, self._is_first_to_answer = job, is_first_to_answer
        self._numbers = itertools.count()
        self.calls = 0
        self._second_began = threading.Event()

    def __call__(self, index: int) -> dict[str, Any]:
        is_first = next(self._numbers) == 0
        self.calls += 1
        if is_first:
            assert self._second_began.wait(60)
        else:
            self._second_began.set()
        if index == 0 and is_first != self._is_first_to_answer:
            wait_until(lambda: index in dict(self._job.items()))
        return {"index": index, "cost": PRICE}


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_first_to_answer", [True, False], ids=["late answer first", "second answer first"])
def test_both_answers_are_in_the_cost(store: CheckpointStore, *, is_first_to_answer: bool) -> None:
    """Two answers to a chunk both count: one as the result's cost, the other as the cost of a failed try."""
    job = store.open_job("talk.srt", total_chunks=1)
    service = Service(job, is_first_to_answer=is_first_to_answer)
    list(job.map(service, timeout_seconds=0.2, wait=0, workers=2))
    wait_until(lambda: job.costs().cost == service.calls * PRICE)
    assert (service.calls >= 2, job.costs().failed_cost) == (True, (service.calls - 1) * PRICE)


@pytest.mark.slow
def test_a_budget_counts_both_answers(store: CheckpointStore) -> None:
    """What was spent is what was billed: the job is paused before it pays for a chunk too many."""
    job = store.open_job("talk.srt", total_chunks=8)
    service = Service(job, is_first_to_answer=True)
    with pytest.raises(BudgetReached):
        list(job.map(service, timeout_seconds=0.2, wait=0, workers=1, max_cost=1.0))
    assert job.costs().cost == service.calls * PRICE <= 1.0


def test_an_answer_that_was_kept_for_the_next_open_is_not_lost_beside_another_one(tmp_path: Path) -> None:
    """A kept answer that differs from the recorded result stays, with its text and its cost, in the attempts."""
    path = tmp_path / "talk.db"
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        job._execution.keep_unrecorded([job._execution.completion(0, {"text": "first", "cost": PRICE})])
        (kept,) = tmp_path.glob("*.unrecorded-*")
        content = kept.read_bytes()
        store._context.unrecorded._results.clear()
        next(iter(job.pending()))
        job.fail_chunk(0, "gave up waiting")
        job.complete(0, {"text": "second", "cost": PRICE})
    kept.write_bytes(content)
    kept.chmod(0o600)
    for _ in range(2):  # the second open has nothing left to do
        with CheckpointStore(path) as store:
            job = store.job("talk.srt")
            assert (job.result(0)["text"], job.costs().cost, job.costs().failed_cost) == ("second", 2 * PRICE, PRICE)
            kept_with = [attempt.cost for attempt in job.attempts() if "first" in (attempt.error or "")]
            assert kept_with == [PRICE]
        assert list(tmp_path.glob("*.unrecorded-*")) == []


def answered_by_both(job: Job, other: Job, answer: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Return work whose runner is released meanwhile: another runner is given the chunk, and has the same answer first."""

    def work(_: int) -> dict[str, Any]:
        other.release_runner(job.runners()[0].runner)
        (chunk,) = other.pending()
        chunk.complete(answer)
        return answer

    return work


def test_the_same_answer_of_a_runner_that_was_released_was_paid_for(store: CheckpointStore, open_store: Opener) -> None:
    """Another runner was given the chunk meanwhile, and was quicker: two calls were made, and both count, once."""
    job, answer = store.open_job("talk.srt", total_chunks=1), {"cost": PRICE}
    work = answered_by_both(job, open_store().job(job.job_id), answer)
    list(job.map(work, max_cost=9.0))
    costs = job.costs()
    assert (costs.cost, costs.failed_cost, job.result(0), job.status) == (2 * PRICE, PRICE, answer, "completed")
    spending = job._execution.storage.budgets.spending(job.job_id, job._execution.recorded.costs_after(0))
    assert (spending.spent, spending.reserved) == (2 * PRICE, 0)
    assert [attempt.outcome for attempt in job.attempts()] == ["failed", "completed"]


def test_the_same_answer_counts_by_the_field_that_the_loop_was_told(store: CheckpointStore, open_store: Opener) -> None:
    """A second, equal answer counts by the loop's ``cost=``, even if no usual field has the cost."""
    job, answer = store.open_job("talk.srt", total_chunks=1), {"bill": PRICE}
    work = answered_by_both(job, open_store().job(job.job_id), answer)
    list(job.map(work, cost="bill"))
    assert job.costs(cost="bill").cost == 2 * PRICE


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_by_hand", [True, False], ids=["the result itself", "another call"])
def test_the_same_answer_that_was_kept_counts_if_another_call_gave_it(tmp_path: Path, *, is_by_hand: bool) -> None:
    """An answer may be kept that was recorded all the same, by its own attempt: then it was paid for once."""
    path, answer = tmp_path / "talk.db", {"cost": PRICE}
    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        (chunk,) = job.pending()
        job._execution.keep_unrecorded([job._execution.completion(0, answer)])
        (kept,) = tmp_path.glob("*.unrecorded-*")
        content = kept.read_bytes()
        store._context.unrecorded._results.clear()
        if not is_by_hand:
            chunk.fail("gave up waiting")
            (chunk,) = job.pending()
        chunk.complete(answer)
    for _ in range(2):  # the second time, a kill left the file
        kept.write_bytes(content)
        kept.chmod(0o600)
        with CheckpointStore(path) as store:
            assert store.job("talk.srt").costs().cost == (PRICE if is_by_hand else 2 * PRICE)
        assert list(tmp_path.glob("*.unrecorded-*")) == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 2])
def test_a_chunk_that_was_completed_while_it_waits_for_its_next_try_is_not_tried(
    store: CheckpointStore, open_store: Opener, workers: int
) -> None:
    """Another process, or a late answer, has completed it meanwhile: the next call would be paid for in vain."""
    job, calls = store.open_job("talk.srt", total_chunks=2), list[int]()
    other = open_store().job(job.job_id)

    def work(index: int) -> dict[str, Any]:
        calls.append(index)
        if index == 0:
            raise ConnectionResetError
        return {"cost": PRICE}

    def complete_elsewhere(event: LoopEvent) -> None:
        if event.kind == "retried":
            other.complete(0, {"cost": PRICE})

    items = list(job.map(work, workers=workers, wait=0.05, on_event=complete_elsewhere))
    assert (sorted(calls), [item.index for item in items]) == ([0, 1], [1])
    assert (job.status, job.in_doubt_chunks(), job.costs().cost) == ("completed", [], 2 * PRICE)


def test_what_a_pending_loop_paid_in_vain_is_counted(store: CheckpointStore, open_store: Opener) -> None:
    """Another runner was quicker, with another result: the caller is told, and what this one cost is kept."""
    job = store.open_job("talk.srt", total_chunks=1)
    (chunk,) = job.pending()
    open_store().job(job.job_id).complete(0, {"text": "quicker", "cost": PRICE})
    with pytest.raises(ChunkAlreadyCompleted):
        chunk.complete({"text": "mine", "cost": PRICE})
    assert (job.result(0)["text"], job.costs().cost, job.in_doubt_chunks()) == ("quicker", 2 * PRICE, [])
    (attempt,) = job.attempts()
    assert (attempt.outcome, attempt.cost, "mine" in (attempt.error or "")) == ("failed", PRICE, True)
