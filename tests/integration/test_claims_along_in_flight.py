"""A loop of several workers, too, has the next chunk claimed in the transaction of a completion."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.storage.verbs.claims import ClaimStorage

from .claims_tools import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL, WORKERS = 40, 4


@pytest.fixture(autouse=True)
def slow_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """No chunk is claimed ahead, as where each takes long, and a loop comes back at once, however busy we are."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 1e9)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many chunks each claim took that was a transaction of its own."""
    found: list[int] = []
    real = ClaimStorage.claim

    def claim(self: ClaimStorage, request: Any) -> Any:
        answer = real(self, request)
        found.append(len(answer.claims))
        return answer

    monkeypatch.setattr(ClaimStorage, "claim", claim)
    return found


def one_after_the_other(job: Job) -> list[int]:
    """Work on four chunks at the same time, of which one ends when the result of the one before is there."""
    turn, order = threading.Semaphore(), list[int]()

    def work(index: int) -> int:
        assert turn.acquire(timeout=60)
        return index

    for item in job.map(work, workers=WORKERS):
        order.append(item.index)
        turn.release()
    return order


def one_after_the_other_by_amap(job: Job) -> list[int]:
    """The same by ``amap``."""

    async def all_of_them() -> list[int]:
        turn, order = asyncio.Semaphore(), list[int]()

        async def work(index: int) -> int:
            await turn.acquire()
            return index

        async for item in job.amap(work, workers=WORKERS):
            order.append(item.index)
            turn.release()
        return order

    return asyncio.run(all_of_them())


LOOPS = pytest.mark.parametrize("loop", [one_after_the_other, one_after_the_other_by_amap], ids=["map", "amap"])


def attempts(path: Path) -> list[tuple[Any, ...]]:
    return rows(path, "SELECT chunk_index, number, outcome FROM attempts ORDER BY 1, 2")


@pytest.mark.slow_variants
@LOOPS
def test_a_chunk_that_ends_alone_is_one_commit(
    store: CheckpointStore, searches: list[int], loop: Callable[[Job], list[int]]
) -> None:
    """Four are claimed at the beginning; each further one with a completion, and by no transaction of its own."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    assert sorted(loop(job)) == list(range(TOTAL))
    assert attempts(store.path) == [(index, 1, "completed") for index in range(TOTAL)]
    assert sum(searches) <= 3 * WORKERS


@pytest.mark.slow_variants
@LOOPS
def test_no_more_is_claimed_than_is_worked_on(store: CheckpointStore, loop: Callable[[Job], list[int]]) -> None:
    """The chunks behind those in work are left to other runners."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    real, running = job._execution.claims.along.confirm, list[int]()

    def confirm(*arguments: Any, **named: Any) -> Any:
        count = "SELECT count(*) FROM attempts WHERE outcome = 'running'"
        running.append(rows(store.path, count)[0][0])
        return real(*arguments, **named)

    job._execution.claims.along.confirm = confirm  # type: ignore[method-assign]
    loop(job)
    assert max(running) == WORKERS


@pytest.mark.slow_variants
@LOOPS
def test_what_others_tried_or_completed_is_passed_over(
    store: CheckpointStore, open_store: Opener, loop: Callable[[Job], list[int]]
) -> None:
    """A chunk that failed gets its next number; one that another runner completed is not done again."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    other = open_store().job(job.job_id)
    other.fail_chunk(10, "no")
    other.complete(12, "by hand")
    assert sorted(loop(job)) == [index for index in range(TOTAL) if index != 12]
    assert [number for index, number, _ in attempts(store.path) if index == 10] == [1, 2]
    assert job.status == "completed"


def test_a_loop_that_is_left_frees_what_was_claimed_along(store: CheckpointStore) -> None:
    """After a break nothing stays claimed: what is in flight is recorded, the next chunk is as if nobody had claimed it."""
    job = store.open_job("talk.srt", total_chunks=TOTAL)
    turn = threading.Semaphore()

    def work(index: int) -> int:
        assert turn.acquire(timeout=60)
        return index

    for item in job.map(work, workers=WORKERS):
        for _ in range(1 if item.index < 10 else TOTAL):
            turn.release()
        if item.index >= 10:
            break
    recorded = attempts(store.path)
    assert {outcome for _, _, outcome in recorded} == {"completed"}
    assert len(recorded) == job.progress().completed_chunks
    assert sorted(one_after_the_other(job)) == list(range(len(recorded), TOTAL))
