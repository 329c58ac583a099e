"""The executor of ``amap``: tasks of an event loop, or threads where the work is a plain function."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.loop.executors.local import OwnExecutor, Threads, call_here
from checkpoint_store.loop.executors.raised import Raised, ends_the_program
from checkpoint_store.loop.executors.task_future import TaskFuture
from checkpoint_store.loop.options import is_coroutine_function
from checkpoint_store.model.attempt import CurrentAttempt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from checkpoint_store.model.attempt import Attempt

_ABANDONED_AFTER_SECONDS: Final = 5.0
"""An event loop that has not run for this long may be abandoned; ``asyncio.run`` stops it for moments only."""
_HELD_BACK_SECONDS_MAX: Final = 0.0003
"""A task waits this long for others to start with it: its chunk is noted as begun, and in doubt after a kill."""


class Tasks(OwnExecutor):
    """Does the work in tasks of an event loop. A task puts its result into a future itself, so none is lost.

    A plain function is called in a thread, where it does not keep the event loop from its other tasks; if it returns
    an awaitable, that is awaited in a task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fn: Callable[[Any], Any], workers: int) -> None:
        self._loop = loop
        self._threads = None if is_coroutine_function(fn) else Threads(workers)
        self._running: dict[Future[Any], _PaidTask] = {}
        self._to_start: deque[tuple[Any, ...]] = deque()
        """The tasks that :meth:`hand_over` will let the event loop start: waking it up costs 10 µs."""
        self._held_back_since = 0.0
        """When the first of them came, on the monotonic clock."""
        self._ends: SimpleQueue[None] = SimpleQueue()
        """An entry for each future that became done since the last :meth:`wait`."""
        self._stopped_at: float | None = None
        self.is_cancelled = False
        self.take_late: Callable[[int, Any], None] = lambda _, __: None
        """Takes what comes of a chunk, by its index, after :meth:`cancel_orphans` has given it up."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Call the work, and await what it returns; :meth:`hand_over` says when at the latest."""
        del call  # it would not await what fn returns
        if self._threads is not None:
            future: Future[Any] = Future()
            future.add_done_callback(self._note_end)
            self._threads.submit(self._call_in_thread, future, *args)
            return future
        if self._loop.is_closed():
            raise RuntimeError("the event loop is closed")
        future = TaskFuture()
        future.add_done_callback(self._note_end)
        moment = time.monotonic()
        if not self._to_start:
            self._held_back_since = moment
        self._to_start.append((future, *args))
        if moment - self._held_back_since >= _HELD_BACK_SECONDS_MAX:
            self.hand_over()
        return future

    def _note_end(self, _: Future[Any]) -> None:
        self._ends.put(None)

    def hand_over(self) -> None:
        """Let the event loop start what was submitted since the last call; see also :meth:`Threads.hand_over`."""
        if self._threads is not None:
            self._threads.hand_over()
        if not self._to_start:
            return
        tasks, self._to_start = self._to_start, deque()
        try:
            self._loop.call_soon_threadsafe(self._start_all, tasks)
        except RuntimeError:  # the event loop was closed a moment ago
            for future, *_ in tasks:
                _give_up(future)

    def _start_all(self, tasks: deque[tuple[Any, ...]]) -> None:
        while tasks:
            self._start(*tasks.popleft())

    def wait(self, futures: Iterable[Future[Any]], timeout_seconds: float) -> bool:
        """See :meth:`OwnExecutor.wait`."""
        with suppress(Empty):
            while True:  # entries of futures that the caller has seen; what it has not seen is done below
                self._ends.get_nowait()
        if any(future.done() for future in futures):
            return True
        try:
            self._ends.get(timeout=timeout_seconds)
        except Empty:
            return False
        return True

    def _call_in_thread(self, future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
        if not future.set_running_or_notify_cancel():
            return
        result = call_here(fn, attempt, chunk)
        if not inspect.isawaitable(result):
            future.set_result(result)
            return
        try:
            self._loop.call_soon_threadsafe(self._start, future, lambda _: result, attempt, chunk)
        except RuntimeError as error:  # the event loop is closed
            future.set_result(Raised(error))

    def _start(self, future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
        if future.done():  # it was given up, and its chunk may be another's: see cancel_orphans()
            return
        task = _PaidTask(_work(self, future, fn, attempt, chunk), self._loop, self, future)
        self._running[future] = task
        if self.is_cancelled:
            task.cancel()

    def settle(self, future: Future[Any], result: Any) -> bool:
        """Take what the work of a task came to; return False where it was given up: see :meth:`cancel_orphans`."""
        self._running.pop(future, None)
        try:
            future.set_result(result)
        except InvalidStateError:
            return False
        return True

    def forget(self, task: _PaidTask) -> None:
        """Let the future of a task be done that was cancelled, or that ends the program."""
        self._running.pop(task.future, None)
        if not task.cancelled():
            task.exception()  # it is looked at, so asyncio does not complain
        _give_up(task.future)

    def abandon(self, future: Future[Any]) -> None:
        """Cancel a task that takes too long; a result that it returns all the same is in its future."""
        self._loop.call_soon_threadsafe(self._cancel, future)

    def _cancel(self, future: Future[Any]) -> None:
        if future in self._running:
            self._running[future].cancel()
        elif self._threads is not None:
            self._threads.abandon(future)

    def end(self) -> None:
        """Let the threads end."""
        if self._threads is not None:
            self._threads.shutdown()

    def belong_to_this_thread(self) -> bool:
        """Whether the event loop of these tasks runs in this thread."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def cancel_orphans(self, futures: Iterable[Future[Any]], *, is_ending: bool) -> bool:
        """Cancel the futures of an event loop that is closed, or that rests while the loop over the chunks is to end.

        An event loop that only rests may go on: its calls are paid for.
        """
        is_orphaned = self._loop.is_closed() or self._is_abandoned(is_ending=is_ending)
        for future in futures if is_orphaned else ():
            if future in self._running or not future.running():  # what runs in a thread comes to its end
                _give_up(future)
        return is_orphaned

    def _is_abandoned(self, *, is_ending: bool) -> bool:
        moment = time.monotonic()
        if self._loop.is_running() or self._stopped_at is None:
            self._stopped_at = None if self._loop.is_running() else moment
            return False
        if moment - self._stopped_at <= _ABANDONED_AFTER_SECONDS:
            return False
        if is_ending or _is_interpreter_ending():
            return True
        self._stopped_at = moment
        return False

    def cancel_all(self) -> None:
        """Cancel all tasks, and those that are still to start."""
        self.is_cancelled = True
        for task in self._running.values():
            task.cancel()


def _is_interpreter_ending() -> bool:
    """Whether the interpreter waits for its threads: then none of them can be given work any more."""
    try:
        with ThreadPoolExecutor(1) as probe:
            probe.submit(int)
    except RuntimeError:
        return True
    return False


def _give_up(future: Future[Any]) -> None:
    """Let a future that is not done be cancelled, also where its work has begun."""
    if future.done():
        return
    with suppress(InvalidStateError):  # it was done meanwhile
        if future.cancel():
            future.set_running_or_notify_cancel()
        else:
            future.set_exception(CancelledError())


class _PaidTask(asyncio.Task[None]):
    """The work on one chunk. It is paid for, so it is finished before its event loop ends.

    ``asyncio.run`` ends an event loop by cancelling every task while the event loop is stopped, and waits for the
    tasks. That does not cancel this task. A cancellation while the event loop runs does, such as that of a time-out in
    the work, or that of the loop over the chunks.
    """

    def __init__(
        self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, tasks: Tasks, future: Future[Any]
    ) -> None:
        super().__init__(work, loop=loop)
        self._tasks, self.future = tasks, future

    def cancel(self, msg: Any = None) -> bool:
        """Cancel this task, unless its event loop is ending."""
        if not self._tasks.is_cancelled and not self.get_loop().is_running():
            return False
        self.watch()  # its work may not have begun, and cannot settle the future then
        return super().cancel(msg)

    def watch(self) -> None:
        """Let the future be done once this task is. A callback takes the event loop a round: no other task needs it."""
        self.add_done_callback(self._tasks.forget)


async def _work(tasks: Tasks, future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
    try:
        with CurrentAttempt(attempt):
            result = fn(chunk)
            if inspect.isawaitable(result):
                result = await result
    except GeneratorExit:  # the event loop was closed
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _is_asked_for():
            raise
        if not tasks.settle(future, Raised(error)):
            await _take_late(tasks, attempt, Raised(error))
        if ends_the_program(error):
            task = asyncio.current_task()
            assert isinstance(task, _PaidTask)
            task.watch()
            raise
    else:
        if not tasks.settle(future, result):
            await _take_late(tasks, attempt, result)


async def _take_late(tasks: Tasks, attempt: Attempt, result: Any) -> None:
    await asyncio.to_thread(tasks.take_late, attempt.chunk_index, result)


def _is_asked_for() -> bool:
    """Whether somebody cancelled this very task, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
