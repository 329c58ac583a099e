"""How often a hot loop changes threads, takes a lock, or asks the store: what each chunk would pay for again."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.loop.aio import loop as aio
from checkpoint_store.loop.aio.tasks import Tasks
from checkpoint_store.loop.executors import futures as futures_module
from checkpoint_store.loop.executors.futures import HANDED_OVER_MAX, QUICK_SECONDS_MAX, Ends, HandOvers, LockFreeFuture
from checkpoint_store.loop.executors.local import Inline, Threads
from checkpoint_store.loop.recording import Recorder, Success
from checkpoint_store.model.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import CheckpointStore
    from checkpoint_store.model.records import MapItem

ATTEMPT = Attempt("a-job", 0, 1, "a-key")


class Steps:
    """A generator of numbers, of which some are ready with the one before."""

    def __init__(self, count: int, *, at_once: int, error: Exception | None = None) -> None:
        self.threads: list[int] = []
        self.left = 0
        self._count, self._at_once, self._error = count, at_once, error

    def run(self) -> Iterator[int]:
        """Yield the numbers, then raise the error."""
        for number in range(self._count):
            self.left = (self._count - number - 1) % self._at_once
            yield number
        if self._error is not None:
            raise self._error


async def _taken(steps: Steps, wake_ups: list[Any], *, says_more: bool = False) -> list[int]:
    loop = asyncio.get_running_loop()
    real = loop.call_soon_threadsafe

    def noted(callback: Any, *args: Any, **more: Any) -> Any:
        if getattr(callback, "__name__", "") == "_set":
            wake_ups.append(callback)
        return real(callback, *args, **more)

    loop.call_soon_threadsafe = noted  # type: ignore[method-assign]
    nothing = aio._Cancellations(lambda: None, lambda: None)
    found = []
    async with aclosing(aio._in_own_thread(steps.run(), nothing, lambda: says_more or steps.left > 0)) as items:
        try:
            async for item in items:
                found.append(item)
        except ValueError:
            found.append(-1)
    return found


def test_what_is_ready_comes_with_the_item_before_it() -> None:
    """Six items, three of them ready at a time: the event loop is woken up twice for them, and once for the end."""
    wake_ups: list[Any] = []
    assert asyncio.run(_taken(Steps(6, at_once=3), wake_ups)) == list(range(6))
    assert len(wake_ups) == 3


def test_an_error_comes_after_the_items_before_it() -> None:
    """What was recorded is given out; the error that follows is raised, and not lost."""
    assert asyncio.run(_taken(Steps(5, at_once=2, error=ValueError()), [])) == [*range(5), -1]


def test_an_error_behind_a_ready_item_takes_no_item_along() -> None:
    """A store that another thread closes at this moment has recorded the items that are ready."""
    steps = Steps(2, at_once=1, error=ValueError())
    assert asyncio.run(_taken(steps, [], says_more=True)) == [0, 1, -1]


def test_tasks_that_start_together_wake_the_event_loop_once() -> None:
    """Whoever starts sixteen chunks in a moment writes to the event loop's pipe once."""

    async def main() -> tuple[list[Any], int]:
        loop, asked = asyncio.get_running_loop(), []
        real = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args, **more: (asked.append(args), real(*args, **more))[1]  # type: ignore[method-assign]

        async def work(chunk: int) -> int:
            return chunk

        tasks = Tasks(loop, work, 16)
        futures: list[Future[Any]] = []

        def start() -> None:
            futures.extend(tasks.submit(work, work, ATTEMPT, index) for index in range(16))
            tasks.hand_over()

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()  # the event loop stands still meanwhile
        first = len(asked)
        for _ in range(10):  # turns of the event loop
            await asyncio.sleep(0)
        return [future.result() for future in futures], first

    assert asyncio.run(main()) == (list(range(16)), 1)


def test_each_start_on_a_closed_event_loop_is_refused() -> None:
    """A task that nobody will start is not left waiting: not the first one, and not those after it."""

    async def work(chunk: int) -> int:
        return chunk

    loop = asyncio.new_event_loop()
    tasks = Tasks(loop, work, 2)
    loop.close()
    for index in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            tasks.submit(work, work, ATTEMPT, index)


def test_a_result_that_is_there_at_once_is_a_future_like_any_other() -> None:
    """A future of inline work is done at once: it gives its result or its error, and cannot be cancelled."""
    called: list[Future[Any]] = []
    done = Inline().submit(lambda value: value + 1, 1)
    failed = Inline().submit(lambda: 1 / 0)
    done.add_done_callback(called.append)
    assert isinstance(done, Future)
    assert (done.done(), done.running(), done.cancelled(), done.cancel()) == (True, False, False, False)
    assert (done.result(), done.exception(), called) == (2, None, [done])
    assert isinstance(failed.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        failed.result()
    assert (repr(done), repr(failed)) == ("<LockFreeFuture done>", "<LockFreeFuture done>")


def test_quick_results_that_come_one_after_the_other_are_recorded_together(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight workers whose work takes no time: one commit for eight results, though one worker is a little later."""
    monkeypatch.setattr(futures_module, "_TOGETHER_SECONDS_MAX", 30.0)
    recorded: list[int] = []
    real = Recorder.record

    def record(self: Recorder, successes: list[Success]) -> list[MapItem]:
        recorded.append(len(successes))
        return real(self, successes)

    monkeypatch.setattr(Recorder, "record", record)
    monkeypatch.setattr(ChunkQueue, "batch", lambda _: 32)

    def work(index: int) -> int:
        if index % 8 == 0:
            time.sleep(0.005)  # the work of this chunk
        return index

    job = store.open_job("talk.srt", total_chunks=24)
    assert len(list(job.map(work, workers=8))) == 24
    assert [count for count in recorded if count] == [8, 8, 8]


def test_nobody_waits_for_the_end_of_work_that_takes_time() -> None:
    """A result is recorded when it comes, whatever the other workers do: they may take minutes."""
    threads = Threads(2)
    may_end = threading.Event()
    quick, slow = threads.submit(int), threads.submit(may_end.wait, 60)
    threads.hand_overs = HandOvers(QUICK_SECONDS_MAX)
    threads.hand_over()
    assert threads.wait([quick, slow], 60)
    threads.hand_overs = HandOvers(QUICK_SECONDS_MAX)
    threads.gather([quick, slow])
    assert (quick.done(), slow.done()) == (True, False)
    may_end.set()
    threads.ends.gather([quick, slow], 60)
    assert slow.result() is True
    threads.shutdown()


def test_work_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs delays no result of the other workers."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    ends, hung = Ends(), LockFreeFuture()
    waits: list[float] = []

    class Asked:
        """The lock of the ends: a wait takes its whole time."""

        def acquire(self, *, timeout: float) -> bool:
            waits.append(timeout)
            clock[0] += timeout
            return False

    ends._one_has_ended = Asked()  # type: ignore[assignment]
    for _ in range(3):
        ended = LockFreeFuture()
        ended.end()
        ends.gather([hung, ended], 0.5)
    ends.gather([hung, LockFreeFuture()], 0.5)
    assert waits == [0.5, 0.5]


@pytest.mark.parametrize("returns_awaitable", [False, True])
def test_quick_plain_functions_under_asyncio_are_handed_over_together(
    store: CheckpointStore, *, returns_awaitable: bool
) -> None:
    """Quick plain functions are handed over together, and quick functions that return slow awaitables are not."""

    async def slow(index: int) -> int:
        await asyncio.sleep(2 * QUICK_SECONDS_MAX)
        return index

    def work(index: int) -> Any:
        return slow(index) if returns_awaitable else index

    async def main() -> bool:
        tasks = Tasks(asyncio.get_running_loop(), work, 2)
        for index in range(4):
            future = tasks.submit(work, work, ATTEMPT, index)
            tasks.hand_over()
            while not future.done():
                await asyncio.to_thread(tasks.wait, [future], 60)
        tasks.end()
        return tasks.handed_over_max() > HANDED_OVER_MAX

    assert asyncio.run(main()) is not returns_awaitable
