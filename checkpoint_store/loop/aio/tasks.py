"""The executor of ``amap``: tasks of an event loop, or threads where the work is a plain function."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from checkpoint_store.loop.aio.turns import Turns
from checkpoint_store.loop.executors.futures import QUICK_SECONDS_MAX, Ends, HandOvers, LockFreeFuture
from checkpoint_store.loop.executors.local import ENDS_LATER, OwnExecutor, Threads, call_here
from checkpoint_store.loop.executors.raised import Raised, ends_the_program, is_cancellation_of_task
from checkpoint_store.loop.late_results import TimedCall, take_late
from checkpoint_store.loop.options import is_coroutine_function
from checkpoint_store.model.attempt import CurrentAttempt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable
    from concurrent.futures import Future

    from checkpoint_store.loop.late_results import Call
    from checkpoint_store.model.attempt import Attempt

_NOTHING: Final[Any] = object()
_ABANDONED_AFTER_SECONDS: Final = 5.0
"""An event loop that has not run for this long may be abandoned; ``asyncio.run`` stops it for moments only."""


class _Work(NamedTuple):
    """The work on one chunk that the event loop is to start."""

    future: LockFreeFuture
    fn: Callable[[Any], Any]
    attempt: Attempt
    chunk: Any
    is_begun: bool = False  # by a thread, where the work returned an awaitable; otherwise the first task begins it


class Tasks(OwnExecutor):
    """Does the work in tasks of an event loop. A task ends its future itself, so no result is lost.

    A plain function is called in a thread, where it does not keep the event loop from its other tasks; if it returns
    an awaitable, that is awaited in a task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fn: Callable[[Any], Any], workers: int) -> None:
        self._loop, self.context = loop, copy_context()  # of the caller: each call has a copy, as a task of asyncio
        self._threads = None if is_coroutine_function(fn) else Threads(workers)
        self._ends = Ends() if self._threads is None else self._threads.ends
        self._running: dict[Future[Any], _PaidTask | None] = {}
        """The task that works for each future; None until the event loop has made the task."""
        self._overdue: set[Future[Any]] = set()
        """The calls that took too long, and go on: the end of the event loop does not wait for them."""
        self._held: deque[_Work] = deque()
        """The tasks that :meth:`hand_over` will let the event loop start: waking it up costs 10 µs."""
        self._handed: deque[_Work] = deque()  # the tasks that the event loop is to start
        slow = HandOvers(QUICK_SECONDS_MAX)  # until the first task says otherwise
        self.hand_overs: Final = slow if self._threads is None else self._threads.hand_overs
        self._stopped_at: float | None = None
        self.is_cancelled = False
        self.is_event_loop_ending = False  # and it waits for the calls that are paid for
        self.lets_work_end = Turns(loop).were_given_lately
        self.take_late: Callable[[Call, Any], None] = lambda _, __: None
        """Takes what comes of a call after :meth:`cancel_orphans` has given it up."""

    def handed_over_max(self) -> int:
        """See :meth:`OwnExecutor.handed_over_max`."""
        return self.hand_overs.at_once_max

    def submit(self, _: Callable[..., Any], /, *args: Any, **__: Any) -> Future[Any]:
        """Call the work, and await what it returns, from the next :meth:`hand_over` on. ``_`` is not called."""
        fn, attempt, chunk = args
        if self._threads is None and self._loop.is_closed():
            raise RuntimeError("the event loop is closed")
        future = LockFreeFuture()
        if self._threads is None:
            self._held.append(_Work(future, fn, attempt, chunk))
        else:
            self._threads.hold(future, self.context.copy().run, (self._call_in_thread, future, fn, attempt, chunk))
        return future

    def hand_over(self) -> None:
        """Let the event loop start the work that was submitted since the last call."""
        if self._threads is not None:
            self._threads.hand_over()
        if self._held:
            held, self._held = self._held, deque()
            self._handed.extend(held)
            self._wake_event_loop()

    def _wake_event_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._start_all, self._handed)
        except RuntimeError:  # the event loop was closed a moment ago
            while self._handed:
                self._cancel_anyway(self._handed.popleft().future)

    def _start_all(self, tasks: deque[_Work]) -> None:
        """Start what was handed over. An exception of a signal handler may end this anywhere: see :meth:`wait`.

        Each task stays in the deque until it has started. Two tasks for one future do no harm: the first begins it.
        """
        while tasks:
            if tasks[0].future not in self._running:
                self._start(tasks[0])
            tasks.popleft()

    def wait(self, futures: Collection[Future[Any]], timeout_seconds: float) -> bool:
        """See :meth:`OwnExecutor.wait`. What an exception of a signal handler left unstarted is started now."""
        has_ended = self._ends.wait(futures, timeout_seconds)
        if self._handed and not has_ended:
            self._wake_event_loop()
        return has_ended

    def gather(self, futures: Collection[Future[Any]]) -> None:
        """See :meth:`OwnExecutor.gather`."""
        self.hand_overs.gather(self._ends, futures)

    def _call_in_thread(self, future: LockFreeFuture, fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
        result = call_here(fn, attempt, chunk)
        if not inspect.isawaitable(result):
            return result
        self._running[future] = None  # before the event loop is asked: it may be closed, and never start the task
        try:
            self._loop.call_soon_threadsafe(self._start, _Work(future, lambda _: result, attempt, chunk, is_begun=True))
        except RuntimeError as error:  # the event loop is closed
            self._running.pop(future, None)
            return Raised(error)
        return ENDS_LATER

    def _start(self, work: _Work) -> None:
        if work.future.done():  # it was given up, and its chunk may be another's: see cancel_orphans()
            return
        task = _PaidTask(_do(self, work), self._loop, self, work.future)
        self._running[work.future] = task
        if self.is_cancelled:
            task.cancel()

    def settle(self, future: LockFreeFuture, result: Any) -> bool:
        """End a future with the outcome of its task; return False if it was given up: see :meth:`cancel_orphans`."""
        is_taken = future.end(result)
        self._ends.note()
        if (task := self._forget(future)) is not None:
            task.remove_done_callback(self.forget)
        return is_taken

    def forget(self, task: _PaidTask) -> None:
        """End the future of a task that was cancelled, or that an exception ended."""
        is_over = task.cancelled() or task.exception() is not None  # it is looked at, so asyncio does not complain
        if is_over or task.future.done():  # otherwise another task works for the future
            self._forget(task.future)
            self._cancel_anyway(task.future)

    def _forget(self, future: Future[Any]) -> _PaidTask | None:
        self._overdue.discard(future)
        return self._running.pop(future, None)

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
    cancellation while the event loop runs cancels it, such as that of a time-out in the work, or that of the loop over
    the chunks.
    """

    def __init__(
        self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, tasks: Tasks, future: LockFreeFuture
    ) -> None:
        self._tasks, self.future = tasks, future  # first: an interrupt may leave a task that the event loop has
        super().__init__(work, loop=loop, context=tasks.context.copy())
        self.watch()  # an exception of a signal handler may end its work before it has settled the future

    def cancel(self, msg: Any = None) -> bool:
        """Cancel this task, unless its event loop is ending and waits for it."""
        if self._tasks.is_awaited(self.future) and not self.get_loop().is_running():
            self._tasks.is_event_loop_ending = True
            return False
        return super().cancel(msg)

    def watch(self) -> None:
        """Let the future be done once this task is. :meth:`Tasks.settle` takes the callback away: it costs time."""
        self.add_done_callback(self._tasks.forget)


async def _do(tasks: Tasks, work: _Work) -> None:
    future, call, outcome = work.future, TimedCall(work.attempt), _NOTHING
    if not work.is_begun and not future.begin():  # it was given up, or another task has begun it
        return
    try:
        with CurrentAttempt(work.attempt):
            result = work.fn(work.chunk)
            outcome = await result if inspect.isawaitable(result) else result
        is_taken = tasks.settle(future, outcome)
        tasks.hand_overs.note(call.elapsed)
    except GeneratorExit:  # the event loop was closed
        raise
    except BaseException as error:
        if outcome is not _NOTHING:  # a signal handler raised it afterwards: what the work returned is paid for
            await _settle(tasks, future, call, outcome)
            _end_program(error)
            raise
        if is_cancellation_of_task(error):
            raise
        await _settle(tasks, future, call, Raised(error))
        if _end_program(error):
            raise
    else:
        if not is_taken:
            await take_late(partial(tasks.take_late, call, outcome))


async def _settle(tasks: Tasks, future: LockFreeFuture, call: TimedCall, outcome: Any) -> None:
    if not tasks.settle(future, outcome):
        await take_late(partial(tasks.take_late, call, outcome))


def _end_program(error: BaseException) -> bool:
    """Return whether an exception is to end the program; then the task ends with it, too."""
    if is_over := ends_the_program(error):
        cast("_PaidTask", asyncio.current_task()).watch()
    return is_over
