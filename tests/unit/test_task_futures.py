"""The futures of a loop's own executors, and the tasks of ``amap``: ended once, and no end of one is missed."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from each_case import each_case

from checkpoint_store.loop.aio.tasks import Tasks
from checkpoint_store.loop.executors.futures import Ends, LockFreeFuture
from checkpoint_store.loop.executors.workplace import Workplace
from checkpoint_store.model.attempt import Attempt, CurrentAttempt, threads_at_work

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPT = Attempt("a-job", 0, 1, "a-key")


async def work(chunk: int) -> int:
    return chunk


def end_with_a_result(future: LockFreeFuture) -> None:
    future.begin()
    future.end("a result")


def end_with_an_error(future: LockFreeFuture) -> None:
    future.begin()
    future.end(error=KeyError("an error"))


def cancel(future: LockFreeFuture) -> None:
    future.cancel()


def cancel_anyway(future: LockFreeFuture) -> None:
    future.begin()
    future.cancel_anyway()


THEIRS: dict[Callable[..., object], Callable[[Future[Any]], object]] = {
    end_with_a_result: lambda future: future.set_result("a result"),
    end_with_an_error: lambda future: future.set_exception(KeyError("an error")),
    cancel: lambda future: future.cancel(),
    cancel_anyway: lambda future: future.cancel(),
    LockFreeFuture.begin: lambda future: future.set_running_or_notify_cancel(),
    repr: repr,
}
"""What is done to one of ours, and what it is to look like then."""


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
    return future.done(), future.running(), future.cancelled(), result, error_type


@each_case("end", THEIRS)
def test_it_says_what_any_future_says(end: Callable[[LockFreeFuture], object]) -> None:
    """Done with a result, with an error, cancelled, running or pending: as the future of the standard library."""
    ours, theirs = LockFreeFuture(), Future[Any]()
    end(ours)
    THEIRS[end](theirs)
    assert outcome(ours) == outcome(theirs)
    assert repr(ours) == f"<LockFreeFuture {'done' if theirs.done() else 'not done'}>"


@each_case("first", [end_with_a_result, cancel, cancel_anyway])
def test_the_first_outcome_stands(first: Callable[[LockFreeFuture], object]) -> None:
    """A result that was given up is not taken any more, and one that is there is not given up."""
    future = LockFreeFuture()
    first(future)
    before = outcome(future)
    assert (future.end("late"), future.end(error=KeyError("late")), future.cancel_anyway()) == (False, False, False)
    assert future.cancel() == (first is not end_with_a_result)
    assert (outcome(future), future.begin()) == (before, False)


@each_case("end", [end_with_a_result, cancel, cancel_anyway])
def test_a_callback_is_called_once_whenever_it_is_added(end: Callable[[LockFreeFuture], object]) -> None:
    """What ends after its loop is taken by a callback: it is called as the work ends, or at once where it has ended."""
    future = LockFreeFuture()
    calls: list[tuple[str, Future[Any]]] = []
    future.add_done_callback(lambda ended: calls.append(("before", ended)))
    assert calls == []
    end(future)
    future.end("late")
    future.add_done_callback(lambda ended: calls.append(("after", ended)))
    assert calls == [("before", future), ("after", future)]


async def _started(tasks: Tasks, *chunks: int) -> list[Future[Any]]:
    futures = [tasks.submit(work, work, ATTEMPT, chunk) for chunk in chunks]
    tasks.hand_over()
    return futures


def test_a_task_that_is_cancelled_before_it_begins_is_over() -> None:
    """The future of a task that is cancelled before its start is cancelled, so no loop waits for it for ever."""

    async def main() -> Future[Any]:
        tasks = Tasks(asyncio.get_running_loop(), work, 1)
        (future,) = await _started(tasks, 0)
        tasks.cancel_all()  # the event loop starts it next, and cancels it
        for _ in range(10):
            await asyncio.sleep(0)
        return future

    assert asyncio.run(main()).cancelled()


async def turns() -> None:
    """Let the event loop run until what was handed over is done."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_end_is_missed() -> None:
    """A loop does not wait for a future whose end was noted before it began to wait."""

    async def main() -> tuple[bool, bool]:
        tasks = Tasks(asyncio.get_running_loop(), work, 2)
        futures = await _started(tasks, 0, 1)
        await turns()
        return tasks.wait([futures[1]], 60), tasks.wait([LockFreeFuture()], 0)

    assert asyncio.run(main()) == (True, False)


def test_ends_that_nobody_waits_for_take_no_room() -> None:
    """A loop that always finds one done does not wait; a thousand ends wake it once, and not a thousand times."""
    ends, pending = Ends(), LockFreeFuture()
    for _ in range(1000):
        ends.note()
    assert not ends.wait([pending], 0)
    ends.note()
    pending.end()
    assert ends.wait([pending], 0)


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
    """A chunk that its loop gave up is not begun by an event loop that stood still and goes on."""
    loop, begun = asyncio.new_event_loop(), list[int]()

    async def noted(chunk: int) -> None:
        begun.append(chunk)

    tasks = Tasks(loop, noted, 2)
    first, second = (tasks.submit(noted, noted, ATTEMPT, chunk) for chunk in (0, 1))
    tasks.hand_over()
    first.cancel()
    loop.run_until_complete(turns())
    loop.close()
    assert (begun, first.cancelled(), second.done()) == ([1], True, True)


def test_nothing_is_handed_over_before_all_is_prepared() -> None:
    """Chunks are handed over together once all are prepared, so that no chunk is noted as begun while it waits."""

    async def main() -> tuple[list[int], list[int]]:
        loop, asked = asyncio.get_running_loop(), list[int]()
        tasks = Tasks(loop, work, 16)
        loop.call_soon_threadsafe = lambda _, started: asked.append(len(started))  # type: ignore[method-assign, assign]
        for _ in range(10):
            tasks.submit(work, work, ATTEMPT, 0)
        before = list(asked)
        tasks.hand_over()
        return before, asked

    assert asyncio.run(main()) == ([], [10])


def test_an_awaitable_that_no_event_loop_will_take_is_given_up() -> None:
    """A plain function returned it, and the event loop was closed before it began: nobody waits for it for ever."""
    loop, asked = asyncio.new_event_loop(), threading.Event()
    loop.call_soon_threadsafe = lambda *_: asked.set()  # type: ignore[method-assign, assign]

    def plain(chunk: int) -> asyncio.Future[int]:
        return asyncio.Future(loop=loop)

    tasks = Tasks(loop, plain, 1)
    future = tasks.submit(plain, plain, ATTEMPT, 0)
    tasks.hand_over()
    assert asked.wait(60)
    tasks.cancel_all()  # there is no task yet
    loop.close()
    assert tasks.cancel_orphans([future], is_ending=False)
    assert tasks.wait([future], 0)
    assert future.cancelled()
    tasks.end()


def test_one_of_many_threads_sets_it() -> None:
    """A result and a cancellation at the same moment: one of them counts, and the other one is told."""
    for _ in range(50):
        future, barrier, came_first = LockFreeFuture(), threading.Barrier(4), []

        def race(
            future: LockFreeFuture = future, barrier: threading.Barrier = barrier, won: list[int] = came_first
        ) -> None:
            barrier.wait(60)
            if future.end(threading.get_ident()):
                won.append(threading.get_ident())

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert came_first == [future.result()]


def test_work_that_is_collected_as_garbage_ends_without_a_word() -> None:
    """The collector closes it in another context than the one in which it began, and nothing is raised."""

    async def begun() -> None:
        with CurrentAttempt(ATTEMPT):
            await asyncio.sleep(0)

    coroutine = begun()
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert threading.get_ident() not in threads_at_work()


def test_a_try_that_takes_too_long_before_it_begins_never_begins() -> None:
    """The program holds up its event loop meanwhile: the try is made later, and is not paid for twice."""
    event_loop = asyncio.new_event_loop()
    calls: list[int] = []

    async def noted(chunk: int) -> None:
        calls.append(chunk)

    place = Workplace(Tasks(event_loop, noted, 2), 2, has_time_limit=True)
    place.open(noted)
    held, begun = (place.submit(noted, ATTEMPT, chunk) for chunk in (0, 1))
    place.hand_over()
    is_certain = place.abandon(held)
    event_loop.run_until_complete(asyncio.sleep(0))
    event_loop.run_until_complete(asyncio.sleep(0))
    event_loop.close()
    assert (is_certain, held.cancelled(), begun.done(), calls) == (True, True, True, [1])
