"""The loop for asyncio: the event loop never waits for the disk, and a cancelled task loses no result."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import JobPaused
from checkpoint_store.execution.claims.chunk_queue import act_for
from checkpoint_store.execution.loops import Living
from checkpoint_store.loop.executors.local import OwnExecutor, Threads, call_here
from checkpoint_store.loop.executors.raised import Raised, ends_the_program
from checkpoint_store.loop.loop import Loop
from checkpoint_store.loop.options import is_coroutine_function
from checkpoint_store.loop.signals import Interrupts
from checkpoint_store.model.attempt import attempting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.records import MapItem

T = TypeVar("T")

_END: Final = object()
_ABANDONED_AFTER_SECONDS: Final = 5.0
"""An event loop that has not run for this long is abandoned; ``asyncio.run`` stops it for moments only."""
_POLL_INTERVAL_SECONDS: Final = 0.02


class _Tasks(OwnExecutor):
    """Does the work in tasks of an event loop. A task puts its result into a future itself, so none is lost.

    A plain function is called in a thread, where it does not keep the event loop from its other tasks; if it returns
    an awaitable, that is awaited in a task.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fn: Callable[[Any], Any], workers: int) -> None:
        self._loop = loop
        self._threads = None if is_coroutine_function(fn) else Threads(workers)
        self._running: dict[Future[Any], asyncio.Task[None]] = {}
        self._stopped_at: float | None = None
        self.is_cut_short = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        del call  # it would not await what fn returns
        future: Future[Any] = Future()
        if self._threads is None:
            self._loop.call_soon_threadsafe(self._start, future, *args)
        else:
            self._threads.submit(self._call_in_thread, future, *args)
        return future

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
        task = _PaidTask(_work(future, fn, attempt, chunk), self._loop, self)
        self._running[future] = task
        task.add_done_callback(lambda _: self._forget(future))
        if self.is_cut_short:
            task.cancel()

    def _forget(self, future: Future[Any]) -> None:
        task = self._running.pop(future)
        if not task.cancelled():
            task.exception()  # it is looked at, so asyncio does not complain
        _give_up(future)

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

    def cancel_orphans(self, futures: Iterable[Future[Any]]) -> None:
        """Cancel the futures of an event loop that is closed, or has not run for a while."""
        moment = time.monotonic()
        if self._loop.is_running():
            self._stopped_at = None
            return
        self._stopped_at = self._stopped_at or moment
        if self._loop.is_closed() or moment - self._stopped_at > _ABANDONED_AFTER_SECONDS:
            for future in futures:
                if future in self._running or not future.running():  # what runs in a thread comes to its end
                    _give_up(future)

    def cancel_all(self) -> None:
        """Cancel all tasks, and those that are still to start."""
        self.is_cut_short = True
        for task in self._running.values():
            task.cancel()


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

    def __init__(self, work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, tasks: _Tasks) -> None:
        super().__init__(work, loop=loop)
        self._tasks = tasks

    def cancel(self, msg: Any = None) -> bool:
        """Cancel this task, unless its event loop is ending."""
        is_allowed = self._tasks.is_cut_short or self.get_loop().is_running()
        return super().cancel(msg) if is_allowed else False


async def _work(future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
    try:
        with attempting(attempt):
            result = fn(chunk)
            if inspect.isawaitable(result):
                result = await result
    except GeneratorExit:  # the event loop was closed
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _is_asked_for():
            raise
        with suppress(InvalidStateError):
            future.set_result(Raised(error))
        if ends_the_program(error):
            raise
    else:
        with suppress(InvalidStateError):  # see cancel_orphans()
            future.set_result(result)


def _is_asked_for() -> bool:
    """Whether somebody cancelled this task, and did not only let a cancellation of something else through."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def amap(execution: JobExecution, fn: Callable[[Any], Any], options: Options) -> AsyncGenerator[MapItem, None]:
    """Yield what is completed; see :meth:`Job.amap`."""
    tasks = _Tasks(asyncio.get_running_loop(), fn, options.workers or 1)
    options = replace(options, executor=tasks)
    made: list[Loop] = []
    interrupts = Interrupts()

    def steps() -> Iterator[MapItem]:
        made.append(Loop(execution, fn, options, interrupts))  # asks the store
        if tasks.is_cut_short:
            made[0].stop()
        try:
            yield from Living(
                execution, execution.job_id, made[0], serves_this_thread=tasks.belong_to_this_thread
            ).run()
        finally:
            tasks.end()

    def cut_short() -> None:
        tasks.is_cut_short = True
        for loop in made:  # before it sees what is cancelled
            loop.stop()
        tasks.cancel_all()

    return _heeding_signals(_stepped(steps(), cut_short), interrupts)


def apending(chunks: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield what ``Job.pending`` yields; see :meth:`Job.apending`."""
    return _stepped(chunks, lambda: None)


async def _heeding_signals(
    items: AsyncGenerator[MapItem, None], interrupts: Interrupts
) -> AsyncGenerator[MapItem, None]:
    """Yield what a loop yields. Signal handlers are set in the event loop's thread; the loop runs in another thread."""
    with interrupts:
        error: Exception | None = None
        try:
            async with aclosing(items):
                interrupts.is_busy = True
                async for item in items:
                    interrupts.is_busy = False
                    yield item
                    interrupts.is_busy = True
        except Exception as raised:  # noqa: BLE001 - raised again, unless a signal comes first
            error = raised
        interrupts.is_busy = False
        while True:  # no `while condition`: see Loop.run()
            if not interrupts.waits_for_others:
                break
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        interrupts.deliver(None if type(error) is JobPaused else error)
        if error is not None:
            raise error


async def _stepped(steps: Iterator[Any], cut_short: Callable[[], None]) -> AsyncGenerator[Any, None]:
    """Run a generator in a thread of its own, and yield what it yields; close it in that thread, whatever happens."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(
        1, thread_name_prefix="checkpoint-store aio", initializer=act_for, initargs=(threading.get_ident(),)
    )
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = loop.run_in_executor(thread, next, steps, _END)
            item = await asyncio.shield(step)
            step = None
            if item is _END:
                return
            yield item
            del item
    finally:
        if step is not None:
            cut_short()
            await _undisturbed(step)
            step = None  # a chunk that was not yielded is released, and not in doubt
        await _undisturbed(loop.run_in_executor(thread, _close, steps))
        thread.shutdown(wait=False)


def _close(steps: Any) -> None:
    steps.close()


async def acomplete(record: Callable[[], None]) -> None:
    """Call what records a result; see :meth:`Job.acomplete`."""
    recorded = asyncio.get_running_loop().run_in_executor(None, record)
    try:
        await asyncio.shield(recorded)
    except asyncio.CancelledError:
        await _undisturbed(recorded)
        raise


async def _undisturbed(future: asyncio.Future[Any]) -> None:
    """Wait for a future, also where this task is cancelled meanwhile, once or more often."""
    while True:  # no `while condition`: see Loop.run()
        if future.done():
            break
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.shield(future)
    if not future.cancelled():
        future.exception()
