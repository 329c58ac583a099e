"""``amap`` in a task that is cancelled: the calls in flight are paid for, so they are finished before it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from checkpoint_store import CheckpointStore, Job

WORKERS = 4


class Calls:
    """The calls of one loop: the first is answered at once, the others once somebody lets them."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.all_in_flight = asyncio.Event()
        self.answer = asyncio.Event()

    async def __call__(self, index: int) -> int:
        self.paid.append(index)
        if len(self.paid) > WORKERS:
            self.all_in_flight.set()
        if index:
            await self.answer.wait()
        return index

    async def use(self, job: Job) -> None:
        """Work the job off until somebody cancels this."""
        async for _ in job.amap(self, workers=WORKERS):
            pass


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of forty chunks."""
    return store.open_job("talk.srt", total_chunks=40)


async def by_time_out(calls: Calls, job: Job) -> None:
    async def limited() -> None:
        async with asyncio.timeout(None) as limit:
            asyncio.get_running_loop().create_task(expire(calls, limit))
            await calls.use(job)

    with pytest.raises(TimeoutError):
        await limited()


async def expire(calls: Calls, limit: asyncio.Timeout) -> None:
    await calls.all_in_flight.wait()
    limit.reschedule(asyncio.get_running_loop().time())
    asyncio.get_running_loop().call_later(0.1, calls.answer.set)


async def by_task_group(calls: Calls, job: Job) -> None:
    async def fail() -> None:
        await calls.all_in_flight.wait()
        asyncio.get_running_loop().call_later(0.1, calls.answer.set)
        raise LookupError("another task of the group")

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(calls.use(job))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await together()


async def by_cancel(calls: Calls, job: Job) -> None:
    task = asyncio.create_task(calls.use(job))
    await calls.all_in_flight.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, calls.answer.set)
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_cancel_scope(calls: Calls, job: Job) -> None:
    """A scope of anyio cancels its tasks in each round of the event loop until they leave it."""
    anyio = pytest.importorskip("anyio")

    async def expire() -> None:
        await calls.all_in_flight.wait()
        asyncio.get_running_loop().call_later(0.1, calls.answer.set)
        scope.cancel()

    with anyio.CancelScope() as scope:
        expiring = asyncio.create_task(expire())
        await calls.use(job)
    assert scope.cancelled_caught
    await expiring


async def cancelled_in_flight(calls: list[Calls], job: Job) -> asyncio.Task[None]:
    """Begin a loop, and cancel its task once all calls are in flight."""
    calls.append(Calls())
    task = asyncio.create_task(calls[0].use(job))
    await calls[0].all_in_flight.wait()
    task.cancel()
    return task


@pytest.mark.slow_variants
@pytest.mark.parametrize("cancel", [by_time_out, by_task_group, by_cancel, by_cancel_scope])
def test_a_cancelled_loop_records_what_is_in_flight(cancel: Callable[[Calls, Job], Awaitable[None]], job: Job) -> None:
    """Nothing more is begun, every call that was begun is recorded, and the cancellation goes on its way."""
    calls: list[Calls] = []

    async def main() -> None:
        calls.append(Calls())
        await cancel(calls[0], job)

    asyncio.run(main())
    assert len(calls[0].paid) == WORKERS + 1
    assert [index for index, _ in job.items()] == sorted(calls[0].paid)
    assert (job.status, job.in_doubt_chunks(), job.running_chunks()) == ("paused", [], [])


def test_the_end_of_the_event_loop_is_no_second_cancellation(job: Job) -> None:
    """A program cancels the task of a loop, and ends without waiting for the task: ``asyncio.run`` waits for the calls."""
    calls: list[Calls] = []
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(await cancelled_in_flight(calls, job))
        await asyncio.sleep(0.1)  # the loop waits for its calls
        asyncio.get_running_loop().call_later(0.1, calls[0].answer.set)

    asyncio.run(main())
    assert [index for index, _ in job.items()] == sorted(calls[0].paid)
    assert (job.status, job.in_doubt_chunks()) == ("paused", [])


def test_a_second_cancellation_waits_for_nothing(job: Job) -> None:
    """Who cannot wait cancels again: what is in flight is cancelled, and in doubt."""
    calls: list[Calls] = []

    async def main() -> None:
        task = await cancelled_in_flight(calls, job)
        done, _ = await asyncio.wait([task], timeout=0.3)
        assert not done
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [index for index, _ in job.items()] == [0]
    assert [chunk.chunk_index for chunk in job.in_doubt_chunks()] == sorted(calls[0].paid)[1:]
