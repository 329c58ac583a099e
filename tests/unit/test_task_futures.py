"""The futures of ``amap``'s tasks: set once, whoever is first, and no end of one is missed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.loop.executors import tasks as executor
from checkpoint_store.loop.executors.task_future import TaskFuture
from checkpoint_store.loop.executors.tasks import Tasks
from checkpoint_store.model.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPT = Attempt("a-job", 0, 1, "a-key")


async def work(chunk: int) -> int:
    return chunk


def set_to_a_result(future: Future[Any]) -> None:
    future.set_result("a result")


def set_to_an_error(future: Future[Any]) -> None:
    future.set_exception(KeyError("an error"))


def cancel(future: Future[Any]) -> None:
    future.cancel()


def outcome(future: Future[Any]) -> object:
    """What a future says of itself."""
    try:
        result: object = future.result(timeout=0)
    except (CancelledError, FutureTimeoutError, KeyError) as error:
        result = type(error)
    try:
        error_type: object = type(future.exception(timeout=0))
    except (CancelledError, FutureTimeoutError) as error:
        error_type = type(error)
    return future.done(), future.cancelled(), result, error_type


@pytest.mark.parametrize("end", [set_to_a_result, set_to_an_error, cancel, repr])
def test_it_says_what_any_future_says(end: Callable[[Future[Any]], object]) -> None:
    """Done with a result, with an error, cancelled, or pending: as the future of the standard library."""
    ours, theirs = TaskFuture(), Future[Any]()
    for future in (ours, theirs):
        end(future)
    assert outcome(ours) == outcome(theirs)
    assert repr(ours) == f"<TaskFuture {'done' if theirs.done() else 'pending'}>"


@pytest.mark.parametrize("first", [set_to_a_result, cancel])
def test_the_first_outcome_stands(first: Callable[[Future[Any]], object]) -> None:
    """A result that was given up is not taken any more, and one that is there is not given up."""
    future = TaskFuture()
    first(future)
    before = outcome(future)
    for late in (set_to_a_result, set_to_an_error):
        with pytest.raises(InvalidStateError):
            late(future)
    assert future.cancel() == (first is cancel)
    assert (outcome(future), future.set_running_or_notify_cancel()) == (before, False)


def test_each_callback_is_called_once() -> None:
    """Whether it was added before the end or after it."""
    future, called = TaskFuture(), []
    future.add_done_callback(lambda _: called.append("before"))
    assert called == []
    future.set_result(1)
    future.add_done_callback(lambda _: called.append("after"))
    assert called == ["before", "after"]


async def _started(tasks: Tasks, *chunks: int) -> list[Future[Any]]:
    futures = [tasks.submit(work, work, ATTEMPT, chunk) for chunk in chunks]
    tasks.hand_over()
    return futures


def test_a_task_that_is_cancelled_before_it_begins_is_over() -> None:
    """Its future is cancelled: a loop that waits for it goes on."""

    async def main() -> Future[Any]:
        tasks = Tasks(asyncio.get_running_loop(), work, 1)
        (future,) = await _started(tasks, 0)
        tasks.cancel_all()  # the event loop starts it next, and cancels it
        for _ in range(10):
            await asyncio.sleep(0)
        return future

    assert asyncio.run(main()).cancelled()


def test_no_end_is_missed() -> None:
    """Of two results one was seen; whoever waits for the other one does not wait, although its end was noted before."""

    async def main() -> tuple[bool, bool]:
        tasks = Tasks(asyncio.get_running_loop(), work, 2)
        futures = await _started(tasks, 0, 1)
        for future in futures:
            await asyncio.wrap_future(future)
        pending = TaskFuture()
        return tasks.wait([futures[1]], 60), tasks.wait([pending], 0)

    assert asyncio.run(main()) == (True, False)


def test_who_waits_is_woken_up() -> None:
    """A result that comes while a loop waits ends the wait at once."""

    async def main() -> bool:
        tasks = Tasks(asyncio.get_running_loop(), work, 1)
        found: list[bool] = []

        def begin_and_wait() -> None:
            future = tasks.submit(work, work, ATTEMPT, 0)
            tasks.hand_over()
            found.append(tasks.wait([future], 60))

        await asyncio.get_running_loop().run_in_executor(None, begin_and_wait)
        return found[0]

    assert asyncio.run(main())


def test_what_an_event_loop_that_closes_will_not_start_is_given_up() -> None:
    """Closed between the start of a chunk and its hand-over, it leaves no future that nobody will set."""
    loop = asyncio.new_event_loop()
    tasks = Tasks(loop, work, 1)
    future = tasks.submit(work, work, ATTEMPT, 0)
    loop.close()
    tasks.hand_over()
    assert future.cancelled()


def test_what_was_given_up_is_not_begun_by_an_event_loop_that_goes_on() -> None:
    """It stood still between a chunk's hand-over and its start; the chunk may be somebody else's since."""
    loop, begun = asyncio.new_event_loop(), list[int]()

    async def noted(chunk: int) -> None:
        begun.append(chunk)

    tasks = Tasks(loop, noted, 2)
    first, second = (tasks.submit(noted, noted, ATTEMPT, chunk) for chunk in (0, 1))
    tasks.hand_over()
    first.cancel()
    loop.run_until_complete(asyncio.wait_for(asyncio.wrap_future(second, loop=loop), 60))
    loop.close()
    assert (begun, first.cancelled()) == ([1], True)


def test_a_chunk_is_not_held_back_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun work waits a moment for company, and not until sixteen others are prepared: a kill would leave it in doubt."""
    clock = [0.0]
    monkeypatch.setattr(executor.time, "monotonic", lambda: clock[0])

    async def main() -> list[int]:
        loop, asked = asyncio.get_running_loop(), []
        tasks = Tasks(loop, work, 16)
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda callback, started: asked.append(len(started)))
        for _ in range(10):
            tasks.submit(work, work, ATTEMPT, 0)
            clock[0] += 0.0001
        return asked

    assert asyncio.run(main()) == [4, 4]


def test_one_of_many_threads_sets_it() -> None:
    """A result and a cancellation at the same moment: one of them counts, and the other one is told."""
    for _ in range(50):
        future, barrier, came_first = TaskFuture(), threading.Barrier(4), []

        def race(
            future: TaskFuture = future, barrier: threading.Barrier = barrier, won: list[int] = came_first
        ) -> None:
            barrier.wait(60)
            try:
                future.set_result(threading.get_ident())
            except InvalidStateError:
                return
            won.append(threading.get_ident())

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert came_first == [future.result()]
