"""The loop for asyncio: the event loop never waits for the disk, and a cancelled task loses no result."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from checkpoint_store.errors import InvalidArgumentError, JobPaused
from checkpoint_store.execution.claims.chunk_queue import act_for, acting_task
from checkpoint_store.execution.loops.deadlocks import refuse_nested
from checkpoint_store.execution.loops.open_loops import RunningLoop
from checkpoint_store.loop.aio.tasks import Tasks
from checkpoint_store.loop.events import called_in
from checkpoint_store.loop.late_results import LateResults, where_it_may_wait
from checkpoint_store.loop.loop import Loop
from checkpoint_store.loop.map_loop import AsyncMapLoop
from checkpoint_store.loop.options import check_shard_of, checked_work
from checkpoint_store.loop.signals import Interrupts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import AbstractContextManager
    from weakref import ref

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.model.records import MapItem

T = TypeVar("T")

_END: Final = object()
_ASYNC_POLL_SECONDS: Final = 0.02


def amap(execution: JobExecution, fn: Callable[[Any], Any], options: Options) -> AsyncGenerator[MapItem, None]:
    """Yield what is completed; see :meth:`Job.amap`."""
    checked_work(fn, awaited=True)
    check_shard_of(execution, options.shard)
    refuse_nested(execution.job_id, "amap")
    event_loop = _running_loop("amap()")
    tasks = Tasks(event_loop, fn, options.workers or 1)
    tasks.take_late = LateResults(execution, options.cost).take
    options = replace(options, executor=tasks)
    if options.on_event is not None:
        options = replace(options, on_event=called_in(event_loop, execution.job_id, options.on_event))
    made: list[Loop] = []
    known_pause = execution.lifecycle.pauses.last
    interrupts = Interrupts(is_abandoned=event_loop.is_closed)

    def steps() -> Iterator[MapItem]:
        made.append(Loop(execution, fn, options, interrupts, known_pause))  # asks the store
        if cancellations.count:
            made[0].stop()
        try:
            yield from RunningLoop(
                *(execution.loops, execution.job_id, made[0]),
                serves_this_thread=tasks.belong_to_this_thread,
                is_orphaned=event_loop.is_closed,
            ).run()
        finally:
            tasks.end()

    def stop() -> None:
        for loop in made:
            loop.stop()

    def is_urgent(count: int) -> bool:  # a second signal cancels through the end of the event loop
        return interrupts.is_urgent or (count > 1 and not tasks.is_event_loop_ending)

    cancellations = _Cancellations(stop, tasks.cancel_all, is_urgent)
    steps_made = _in_own_thread(steps(), cancellations, lambda: bool(made) and made[0].has_item)
    items = _with_signal_handlers(steps_made, interrupts)
    return AsyncMapLoop(execution.job_id, items)


def _running_loop(needs_it: str) -> asyncio.AbstractEventLoop:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    in_trio = "await trio.to_thread.run_sync(lambda: list(job.map(fn, workers=8)))"
    raise InvalidArgumentError(needs_it, ..., f"needs asyncio: call it under asyncio.run; in trio: {in_trio}")


class _Cancellations:
    """The cancellations of one loop: after the first, nothing more starts; the second cancels what is in flight.

    What is in flight is paid for, so a time-out or a task group waits for it. So does the end of the event loop, which
    cancels each task, also a task that was cancelled before: that is no second cancellation.
    """

    def __init__(
        self, stop: Callable[[], None], cancel: Callable[[], None], is_urgent: Callable[[int], bool] = lambda _: False
    ) -> None:
        self._stop, self._cancel, self._is_urgent = stop, cancel, is_urgent
        self.count = 0

    def add(self) -> None:
        """Heed one cancellation."""
        self.count += 1
        self._stop()  # before the loop sees what is cancelled
        if self._is_urgent(self.count):
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
        except Exception as raised:  # raised again, unless a signal comes first
            error = raised
        interrupts.is_busy = False
        while True:  # no `while condition`: see Loop.run()
            if not interrupts.waits_for_others:
                break
            await asyncio.sleep(_ASYNC_POLL_SECONDS)
        try:
            interrupts.deliver(None if type(error) is JobPaused else error)
            if error is not None:
                raise error
        finally:
            error = None  # see Loop.run()


async def _in_own_thread(
    steps: Iterator[Any], cancellations: _Cancellations, has_item: Callable[[], bool] = lambda: False
) -> AsyncGenerator[Any, None]:
    """Run a generator in a thread of its own, and yield what it yields; close it in that thread, whatever happens.

    Items that are ready (``has_item``) come together with the item before them, because each switch between threads
    takes time.
    """
    loop = _running_loop("apending()")
    thread = _OwnThread(threading.get_ident(), acting_task())
    step: Future[None] | None = None
    answer: asyncio.Future[deque[Any]] | None = None
    try:
        while True:
            answer = loop.create_future()  # a cancellation cancels it alone, and not the step
            step = thread.submit(_step, steps, has_item, loop, answer)
            items = await answer
            step = answer = None
            while True:  # no `while condition`: see Loop.run()
                if not items:
                    break
                if items[0] is _END:
                    return
                if isinstance(items[0], _Ended):
                    raise items.popleft().error
                yield items.popleft()  # a chunk that nobody refers to is free
    except asyncio.CancelledError:
        cancellations.add()
        raise
    finally:
        if step is not None:
            await _finished(asyncio.wrap_future(step), cancellations.add)
            step = answer = None  # a chunk that was not yielded is released, and not in doubt
        await _finished(asyncio.wrap_future(thread.submit(_close, steps)), cancellations.add)
        thread.end()


class _OwnThread:
    """The thread in which the steps of a generator are made, one after the other, for the thread of an event loop.

    A pool takes no more once the main thread has ended. An event loop in another thread goes on then, and the
    interpreter waits for it: each step has a thread of its own from there on.
    """

    def __init__(self, thread: int, task: ref[Any] | None) -> None:
        self._acts_for: Final = thread, task
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="checkpoint-store aio", initializer=act_for, initargs=self._acts_for
        )

    def submit(self, step: Callable[..., None], *arguments: Any) -> Future[None]:
        """Make a step, and return its future."""
        try:
            return self._pool.submit(step, *arguments)
        except RuntimeError:  # the interpreter is ending
            future: Future[None] = Future()
            arguments = (future, step, *arguments)
            threading.Thread(target=self._make, args=arguments, name="checkpoint-store aio", daemon=False).start()
            return future

    def _make(self, future: Future[None], step: Callable[..., None], *arguments: Any) -> None:
        act_for(*self._acts_for)
        try:
            step(*arguments)
        except BaseException as error:  # whoever waits for the step gets it
            future.set_exception(error)
        else:
            future.set_result(None)

    def end(self) -> None:
        """Let the thread end."""
        self._pool.shutdown(wait=False)


class _Ended(NamedTuple):
    """The end of a generator, behind its last item: the exception that ended it."""

    error: BaseException


def _step(
    steps: Iterator[Any], has_item: Callable[[], bool], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any]
) -> None:
    """Fetch the next item of a generator in its thread, and hand it to the thread of the event loop."""
    items: deque[Any] = deque()
    try:
        while True:  # no `while condition`: see Loop.run()
            items.append(next(steps, _END))
            if not has_item():
                break
    except BaseException as error:  # whoever waits for the answer gets it
        items.append(_Ended(error))
    try:
        loop.call_soon_threadsafe(_set, answer, items)
    except RuntimeError:  # the event loop is closed, and nobody goes on: the chunks in hand are for other loops
        _close(steps)
    del items  # an error in it refers to this frame, and would stay until the next garbage collection


def _set(answer: asyncio.Future[Any], items: deque[Any]) -> None:
    if not answer.done():
        answer.set_result(items)


def _close(steps: Any) -> None:
    steps.close()


async def acomplete(record: Callable[[], None]) -> None:
    """Call ``record``, which records a result; see :meth:`Job.acomplete`."""
    _running_loop("acomplete()")
    recorded = where_it_may_wait(record)
    if recorded is None:
        return
    try:
        await asyncio.shield(recorded)
    except asyncio.CancelledError:
        await _finished(recorded, lambda: None)
        raise


def _shield_from_cancelled_scope() -> AbstractContextManager[object]:
    """Keep a cancelled scope of anyio from cancelling this task again in each round of the event loop."""
    anyio: Any = sys.modules.get("anyio")  # without it, or while it is being imported, there are no such scopes
    deadline = getattr(anyio, "current_effective_deadline", lambda: math.inf)
    return nullcontext() if deadline() > -math.inf else anyio.CancelScope(shield=True)


async def _finished(future: asyncio.Future[Any], on_cancel: Callable[[], None]) -> None:
    """Wait for a future, also where this task is cancelled meanwhile, once or more often."""
    while True:  # no `while condition`: see Loop.run()
        if future.done():
            break
        try:
            with _shield_from_cancelled_scope():
                await asyncio.shield(future)
        except asyncio.CancelledError:
            on_cancel()
        except Exception:  # whatever the loop raises: a cancellation comes first
            break
    if not future.cancelled():
        future.exception()
