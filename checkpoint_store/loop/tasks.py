"""The executor of ``amap``: tasks of an event loop, or threads where the work is a plain function."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.loop.executors.futures import Ends, LockFreeFuture
from checkpoint_store.loop.executors.hand_overs import QUICK_SECONDS_MAX, TOGETHER_SECONDS_MAX, HandOvers
from checkpoint_store.loop.executors.local import ENDS_LATER, OwnExecutor, Threads, call_here
from checkpoint_store.loop.executors.raised import Raised, ends_the_program
from checkpoint_store.loop.late_results import where_it_may_wait
from checkpoint_store.loop.options import is_coroutine_function
from checkpoint_store.model.attempt import CurrentAttempt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable
    from concurrent.futures import Future

    from checkpoint_store.loop.late_results import Call
    from checkpoint_store.model.attempt import Attempt

_ABANDONED_AFTER_SECONDS: Final = 5.0
"""An event loop that has not run for this long may be abandoned; ``asyncio.run`` stops it for moments only."""


class Tasks(OwnExecutor):
    """Does the work in tasks of an event loop. A task ends its future itself, so no result is lost.

    A plain function is called in a thread, where it does not keep the event loop from its other tasks; if it returns
    an awaitable, that is awaited in a task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fn: Callable[[Any], Any], workers: int) -> None:
        self._loop = loop
        self._threads = None if is_coroutine_function(fn) else Threads(workers)
        self._ends = Ends() if self._threads is None else self._threads.ends
        self._running: dict[Future[Any], _PaidTask | None] = {}
        """The task that works for each future; None until the event loop has made the task."""
        self._overdue: set[Future[Any]] = set()
        """The calls that took too long, and go on: the end of the event loop does not wait for them."""
        self._held: deque[tuple[LockFreeFuture, Callable[[Any], Any], Attempt, Any]] = deque()
        """The tasks that :meth:`hand_over` will let the event loop start: waking it up costs 10 µs."""
        self.hand_overs: Final = HandOvers(QUICK_SECONDS_MAX)  # slow, until the first task says otherwise
        self._stopped_at: float | None = None
        self.is_cancelled = False
        self.take_late: Callable[[Call, Any], None] = lambda _, __: None
        """Takes what comes of a call after :meth:`cancel_orphans` has given it up."""

    def handed_over_max(self) -> int:
        """See :meth:`OwnExecutor.handed_over_max`."""
        return self.hand_overs.at_once_max

    def submit(self, call: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Call the work, and await what it returns, from the next :meth:`hand_over` on."""
        del call  # it would not await what fn returns
        fn, attempt, chunk = args
        if self._threads is None and self._loop.is_closed():
            raise RuntimeError("the event loop is closed")
        future = LockFreeFuture()
        if self._threads is None:
            self._held.append((future, fn, attempt, chunk))
        else:
            self._threads.hold(future, self._call_in_thread, (future, fn, attempt, chunk))
        return future

    def hand_over(self) -> None:
        """Let the event loop start the work that was submitted since the last call."""
        if self._threads is not None:
            self._threads.hand_over()
        if not self._held:
            return
        tasks, self._held = self._held, deque()
        try:
            self._loop.call_soon_threadsafe(self._start_all, tasks)
        except RuntimeError:  # the event loop was closed a moment ago
            for future, *_ in tasks:
                self._cancel_anyway(future)

    def _start_all(self, tasks: deque[tuple[LockFreeFuture, Callable[[Any], Any], Attempt, Any]]) -> None:
        while tasks:
            future, fn, attempt, chunk = tasks.popleft()
            if future.begin():  # otherwise it was given up, and its chunk may be another's: see cancel_orphans()
                self._start(future, fn, attempt, chunk)

    def wait(self, futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
        """See :meth:`OwnExecutor.wait`."""
        return self._ends.wait(futures, timeout_seconds)

    def gather(self, futures: Collection[Future[Any]]) -> None:
        """See :meth:`OwnExecutor.gather`."""
        if self.hand_overs.are_quick:
            self._ends.gather(futures, TOGETHER_SECONDS_MAX)

    def _call_in_thread(self, future: LockFreeFuture, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
        result = call_here(fn, attempt, chunk)
        if not inspect.isawaitable(result):
            return result
        self._running[future] = None  # before the event loop is asked: it may be closed, and never start the task
        try:
            self._loop.call_soon_threadsafe(self._start, future, lambda _: result, attempt, chunk)
        except RuntimeError as error:  # the event loop is closed
            self._running.pop(future, None)
            return Raised(error)
        return ENDS_LATER

    def _start(self, future: LockFreeFuture, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
        if future.done():  # it was given up: see cancel_orphans()
            return
        task = _PaidTask(_work(self, future, fn, attempt, chunk), self._loop, self, future)
        self._running[future] = task
        if self.is_cancelled:
            task.cancel()

    def settle(self, future: LockFreeFuture, result: Any) -> bool:
        """End a future with the outcome of its task; return False if it was given up: see :meth:`cancel_orphans`."""
        is_taken = future.end(result)
        self._ends.note()
        self._forget(future)
        return is_taken

    def forget(self, task: _PaidTask) -> None:
        """End the future of a task that was cancelled, or whose exception ends the program."""
        self._forget(task.future)
        if not task.cancelled():
            task.exception()  # it is looked at, so asyncio does not complain
        self._cancel_anyway(task.future)

    def _forget(self, future: Future[Any]) -> None:
        self._running.pop(future, None)
        self._overdue.discard(future)

    def abandon(self, future: Future[Any]) -> None:
        """Let a call that takes too long go on: its service may bill it, and its result is in its future when it comes.

        Only the end of the event loop, and :meth:`cancel_all`, cancel it.
        """
        self._overdue.add(future)
        if self._threads is not None and future not in self._running:
            self._threads.abandon(future)
        if future.done():  # it ended meanwhile
            self._overdue.discard(future)

    def is_awaited(self, future: Future[Any]) -> bool:
        """Whether a call is waited for, by its loop and by the end of its event loop."""
        return not self.is_cancelled and future not in self._overdue

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
                self._cancel_anyway(future)
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
        for task in list(self._running.values()):
            if task is not None:
                task.cancel()

    def _cancel_anyway(self, future: Future[Any]) -> None:
        """Cancel a future that is not done, even if its work has begun."""
        if isinstance(future, LockFreeFuture) and future.cancel_anyway():
            self._ends.note()


def _is_interpreter_ending() -> bool:
    """Whether the interpreter waits for its threads: then no thread takes work any more."""
    try:
        with ThreadPoolExecutor(1) as probe:
            probe.submit(int)
    except RuntimeError:
        return True
    return False


class _PaidTask(asyncio.Task[None]):
    """The work on one chunk. It is paid for, so it is finished before its event loop ends.

    ``asyncio.run`` ends an event loop by cancelling every task while the event loop is stopped, and waits for the
    tasks. That does not cancel this task, unless it took longer than ``timeout_seconds``: it may never end. A
    cancellation while the event loop runs does, such as that of a time-out in the work, or that of the loop over the
    chunks.
    """

    def __init__(
        self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, tasks: Tasks, future: LockFreeFuture
    ) -> None:
        super().__init__(work, loop=loop)
        self._tasks, self.future = tasks, future

    def cancel(self, msg: Any = None) -> bool:
        """Cancel this task, unless its event loop is ending and waits for it."""
        if self._tasks.is_awaited(self.future) and not self.get_loop().is_running():
            return False
        self.watch()  # its work may not have begun, and cannot settle the future then
        return super().cancel(msg)

    def watch(self) -> None:
        """Let the future be done once this task is. A callback takes the event loop a round: no other task needs it."""
        self.add_done_callback(self._tasks.forget)


class _Call:
    """One call of the work; see :class:`Call`."""

    def __init__(self, attempt: Attempt) -> None:
        self.index, self.number, self.made_from = attempt.chunk_index, attempt.number, attempt.made_from
        self._since = time.monotonic()

    @property
    def elapsed(self) -> float:
        """How long the work has taken so far, exactly."""
        return time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        return round(self.elapsed, 6)


async def _work(tasks: Tasks, future: LockFreeFuture, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
    call = _Call(attempt)
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
            await _take_late(tasks, call, Raised(error))
        if ends_the_program(error):
            task = asyncio.current_task()
            assert isinstance(task, _PaidTask)
            task.watch()
            raise
    else:
        tasks.hand_overs.note(call.elapsed)
        if not tasks.settle(future, result):
            await _take_late(tasks, call, result)


async def _take_late(tasks: Tasks, call: _Call, result: Any) -> None:
    """Let a result be recorded that the loop has given up. A cancellation ends the wait, and not the recording."""
    taken = where_it_may_wait(partial(tasks.take_late, call, result))
    if taken is not None:
        await asyncio.shield(taken)


def _is_asked_for() -> bool:
    """Whether somebody cancelled this very task, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
