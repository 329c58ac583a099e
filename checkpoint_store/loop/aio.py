"""The loop for asyncio: the event loop never waits for the disk, and a cancelled task loses no result."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import JobPaused
from checkpoint_store.execution.claims.chunk_queue import act_for
from checkpoint_store.execution.loops import RunningLoop
from checkpoint_store.loop.executors.local import OwnExecutor
from checkpoint_store.loop.loop import Loop
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
    """Does the work in tasks of an event loop. A task puts its result into a future itself, so none is lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: dict[Future[Any], asyncio.Task[None]] = {}
        self._stopped_at: float | None = None
        self.is_cancelled = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        del call  # it would not await what fn returns
        future: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._start, future, *args)
        return future

    def _start(self, future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
        task = _PaidTask(_work(future, fn, attempt, chunk), self._loop, self)
        self._running[future] = task
        task.add_done_callback(lambda _: self._forget(future))
        if self.is_cancelled:
            task.cancel()

    def _forget(self, future: Future[Any]) -> None:
        del self._running[future]
        if not future.done():
            future.cancel()
            future.set_running_or_notify_cancel()

    def abandon(self, future: Future[Any]) -> None:
        """Cancel a task that takes too long; a result that it returns all the same is in its future."""
        self._loop.call_soon_threadsafe(self._cancel, future)

    def _cancel(self, future: Future[Any]) -> None:
        if future in self._running:
            self._running[future].cancel()

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
                if future.cancel():
                    future.set_running_or_notify_cancel()

    def cancel_all(self) -> None:
        """Cancel all tasks, and those that are still to start."""
        self.is_cancelled = True
        for task in self._running.values():
            task.cancel()


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
        is_allowed = self._tasks.is_cancelled or self.get_loop().is_running()
        return super().cancel(msg) if is_allowed else False


async def _work(future: Future[Any], fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> None:
    try:
        with attempting(attempt):
            result = fn(chunk)
            if inspect.isawaitable(result):
                result = await result
    except (asyncio.CancelledError, GeneratorExit):  # GeneratorExit: the event loop was closed
        raise
    except BaseException as error:
        with suppress(InvalidStateError):
            future.set_exception(error)
        if not isinstance(error, Exception):
            raise
    else:
        with suppress(InvalidStateError):  # see cancel_orphans()
            future.set_result(result)


def amap(execution: JobExecution, fn: Callable[[Any], Any], options: Options) -> AsyncGenerator[MapItem, None]:
    """Yield what is completed; see :meth:`Job.amap`."""
    tasks = _Tasks(asyncio.get_running_loop())
    options = replace(options, executor=tasks)
    made: list[Loop] = []
    known_pause = execution.pauses.last
    interrupts = Interrupts()

    def steps() -> Iterator[MapItem]:
        made.append(Loop(execution, fn, options, interrupts, known_pause))  # asks the store
        if cancellations.count:
            made[0].stop()
        yield from RunningLoop(
            execution, execution.job_id, made[0], serves_this_thread=tasks.belong_to_this_thread
        ).run()

    def stop() -> None:
        for loop in made:
            loop.stop()

    cancellations = _Cancellations(stop, tasks.cancel_all, is_urgent=lambda: interrupts.at_once)
    return _with_signal_handlers(_in_own_thread(steps(), cancellations), interrupts)


class _Cancellations:
    """The cancellations of one loop: the first starts nothing more, and the second cancels what is in flight.

    What is in flight is paid for, so that a time-out or a task group waits for it.
    """

    def __init__(
        self, stop: Callable[[], None], cancel: Callable[[], None], *, is_urgent: Callable[[], bool] = lambda: False
    ) -> None:
        self._stop, self._cancel, self._is_urgent = stop, cancel, is_urgent
        self.count = 0

    def add(self) -> None:
        """Heed one cancellation."""
        self.count += 1
        self._stop()  # before the loop sees what is cancelled
        if self.count > 1 or self._is_urgent():  # a second signal cancels through the end of the event loop
            self._cancel()


def apending(chunks: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield what ``Job.pending`` yields; see :meth:`Job.apending`."""
    return _in_own_thread(chunks, _Cancellations(lambda: None, lambda: None))


async def _with_signal_handlers(
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


async def _in_own_thread(steps: Iterator[Any], cancellations: _Cancellations) -> AsyncGenerator[Any, None]:
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
    except asyncio.CancelledError:
        cancellations.add()
        raise
    finally:
        if step is not None:
            await _finished(step, cancellations.add)
            step = None  # a chunk that was not yielded is released, and not in doubt
        await _finished(loop.run_in_executor(thread, _close, steps), cancellations.add)
        thread.shutdown(wait=False)


def _close(steps: Any) -> None:
    steps.close()


async def acomplete(record: Callable[[], None]) -> None:
    """Call what records a result; see :meth:`Job.acomplete`."""
    recorded = asyncio.get_running_loop().run_in_executor(None, record)
    try:
        await asyncio.shield(recorded)
    except asyncio.CancelledError:
        await _finished(recorded, lambda: None)
        raise


async def _finished(future: asyncio.Future[Any], on_cancel: Callable[[], None]) -> None:
    """Wait for a future, also where this task is cancelled meanwhile, once or more often."""
    while True:  # no `while condition`: see Loop.run()
        if future.done():
            break
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            on_cancel()
        except Exception:  # noqa: BLE001 - whatever the loop raises: a cancellation comes first
            break
    if not future.cancelled():
        future.exception()
