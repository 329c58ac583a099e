"""``amap``, ``apending`` and ``acomplete``: the event loop never waits for the disk, and cancellation loses nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, ServiceUnavailable, current_attempt
from checkpoint_store.execution.chunk_contents import ChunkContents

if TYPE_CHECKING:
    from collections.abc import Coroutine

TOTAL = 400
request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of many chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


async def cancelled(work: Coroutine[Any, Any, None], after: float) -> None:
    task = asyncio.create_task(work)
    await asyncio.sleep(after)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_the_work_sees_the_context_variables_of_the_caller(store: CheckpointStore, is_coroutine: bool) -> None:
    """Each call has a copy of the caller's context, as in a task of asyncio or in ``asyncio.to_thread``."""
    job = store.open_job("talk.srt", total_chunks=4)

    def read(_: int) -> str:
        before = request_id.get()
        request_id.set("changed by a call")
        return before

    async def read_later(index: int) -> str:
        return read(index)

    async def main() -> list[str]:
        request_id.set("42")
        return [item.result async for item in job.amap(read_later if is_coroutine else read, workers=2)]

    assert asyncio.run(main()) == ["42"] * 4


def test_a_coroutine_is_awaited_for_every_chunk(job: Job) -> None:
    """``amap`` awaits the work of each chunk, up to ``workers`` at a time, each as an attempt of its own."""
    now = most = 0
    full = asyncio.Event()

    async def work(index: int) -> int:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 4:
            full.set()
        await full.wait()
        await asyncio.sleep(0.001)
        now -= 1
        assert current_attempt().chunk_index == index
        return index

    async def main() -> list[int]:
        return [item.result async for item in job.amap(work, workers=4, ordered=True)]

    assert asyncio.run(main()) == list(range(TOTAL))
    assert (most, job.status) == (4, "completed")


@pytest.mark.slow
def test_cancelled_at_any_moment_nothing_that_came_back_is_lost(job: Job) -> None:
    """A cancelled ``amap`` records every result that came back, and leaves no task and no claimed chunk."""
    came_back: set[int] = set()

    async def work(index: int) -> int:
        await asyncio.sleep(0.002)
        came_back.add(index)
        return index

    async def use() -> None:
        async with aclosing(job.amap(work, workers=4)) as items:
            async for _ in items:
                await asyncio.sleep(0.001)

    async def main() -> None:
        rng = random.Random(1)
        for _ in range(25):
            await cancelled(use(), rng.uniform(0, 0.06))
            assert came_back == {index for index, _ in job.items()}
            assert job.running_chunks() == []
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_left_early_it_has_ended_when_aclosing_has(job: Job) -> None:
    """What was under way is recorded, and the job is paused."""
    came_back: set[int] = set()
    full = asyncio.Event()

    async def work(index: int) -> int:
        if index == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.05)
        came_back.add(index)
        return index

    async def main() -> None:
        async with aclosing(job.amap(work, workers=4)) as items:
            async for _ in items:
                break
        assert came_back == {index for index, _ in job.items()}
        assert (len(came_back), job.running_chunks(), job.status) == (4, [], "paused")
        async with aclosing(job.apending()) as chunks:
            async for chunk in chunks:
                await job.acomplete(chunk.index, "x")
                break
        assert len(came_back) == job.progress().completed_chunks - 1

    asyncio.run(main())


def test_what_takes_too_long_goes_on_and_keeps_no_place(store: CheckpointStore) -> None:
    """Another chunk has its place, and it is tried again; its answer is recorded when it comes first."""
    job = store.open_job("talk.srt", total_chunks=2)
    ended: list[str] = []

    async def main() -> None:
        may_answer = asyncio.Event()

        async def work(index: int) -> str:
            attempt = current_attempt()
            if index == 0 and attempt.number == 1:
                await may_answer.wait()
                assert current_attempt() == attempt
                ended.append("answered")
                return "late"
            may_answer.set()
            await asyncio.sleep(3600 if index == 0 else 0)
            return "at once"

        async for _ in job.amap(work, workers=1, timeout_seconds=0.05, wait=0):
            pass

    asyncio.run(main())
    assert (list(job.results()), ended) == (["late", "at once"], ["answered"])


def test_what_takes_too_long_is_recorded_after_the_end_of_its_loop(store: CheckpointStore) -> None:
    """A call that took too long is recorded while its event loop runs, so the next run does not pay for it."""
    job = store.open_job("talk.srt", total_chunks=1)

    async def main() -> None:
        may_answer = asyncio.Event()

        async def work(_: int) -> dict[str, float]:
            await may_answer.wait()
            return {"cost": 0.5}

        with pytest.raises(TimeoutError):
            async for _ in job.amap(work, timeout_seconds=0.05, retry_on=()):
                pass
        may_answer.set()
        await asyncio.to_thread(wait_until, lambda: job.progress().completed_chunks == 1)

    asyncio.run(main())
    assert (job.status, len(list(job.attempts())), job.costs().cost) == ("completed", 1, 0.5)


@pytest.mark.slow
def test_the_end_of_the_event_loop_does_not_wait_for_what_takes_too_long(store: CheckpointStore) -> None:
    """``asyncio.run`` cancels a call that took too long, and records what the call returns all the same."""
    job = store.open_job("talk.srt", total_chunks=2)
    cancelled: list[int] = []

    async def work(index: int) -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(index)
            if index == 0:
                raise
        return "all the same"

    async def main() -> None:
        async for _ in job.amap(work, timeout_seconds=0.05, max_attempts=1, outage_seconds=0.06, wait=0.01):
            pass

    with pytest.raises(ServiceUnavailable):
        asyncio.run(main())
    assert (set(cancelled), dict(job.items())) == ({0, 1}, {1: "all the same"})


@pytest.mark.slow
def test_a_completion_that_is_cancelled_is_recorded_all_the_same(job: Job) -> None:
    """A cancelled ``acomplete`` records its result, even if it still waited for a thread."""

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        busy = asyncio.create_task(asyncio.to_thread(time.sleep, 0.3))
        await asyncio.sleep(0.05)
        await cancelled(job.acomplete(7, "paid for"), 0.05)
        assert job.result(7) == "paid for"
        await busy

    asyncio.run(main())


@pytest.mark.slow
def test_a_chunk_that_was_not_handed_out_is_not_in_doubt(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled while it waits for the next chunk, the loop frees it."""
    original, claimed = ChunkContents.data, threading.Event()

    def slowly(self: ChunkContents, index: int) -> Any:
        claimed.set()
        time.sleep(0.3)
        return original(self, index)

    monkeypatch.setattr(ChunkContents, "data", slowly)

    async def use() -> None:
        async with aclosing(job.apending()) as chunks:
            async for _ in chunks:
                pytest.fail("it was cancelled before")

    async def main() -> None:
        task = asyncio.create_task(use())
        await asyncio.to_thread(claimed.wait, 60)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_until(lambda: not job.running_chunks())  # a thread of its own frees it
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])


@pytest.mark.slow
def test_the_event_loop_does_not_wait_where_another_process_is_in_the_way(job: Job) -> None:
    """The event loop goes on while another process keeps the store locked, and a claim and a completion wait."""
    gaps: list[float] = []

    async def beat() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)

    async def main() -> None:
        in_the_way = sqlite3.connect(job._context.reading.path, isolation_level=None, check_same_thread=False)
        beating = asyncio.create_task(beat())
        async with aclosing(job.apending()) as chunks:
            kept = [await anext(chunks), await anext(chunks)]
            in_the_way.execute("BEGIN IMMEDIATE")
            gaps.clear()
            kept.pop(0)
            claiming = asyncio.create_task(anext(chunks))  # type: ignore[arg-type]
            recording = asyncio.create_task(job.acomplete(kept[0].index, "x"))
            await asyncio.sleep(1.5)
            assert not claiming.done()
            assert not recording.done()
            longest = max(gaps)
            in_the_way.execute("COMMIT")
            in_the_way.close()
            await claiming
            await recording
        beating.cancel()
        assert longest < 0.45, "as long as a finalizer waits"
        assert len(gaps) > 20

    asyncio.run(main())


def test_what_amap_does_not_take_is_named(job: Job) -> None:
    """``amap`` refuses an option that it cannot use, such as an executor, by the option's name."""

    async def main(**options: Any) -> None:
        job.amap(asyncio.sleep, **options)

    for name, value in (("workers", 0), ("executor", None), ("limit", 2)):
        with pytest.raises(InvalidArgumentError) as caught:
            asyncio.run(main(**{name: value}))
        assert caught.value.name == name
