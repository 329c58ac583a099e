"""The loop for asyncio: the event loop never waits for the disk, and a cancelled task loses nothing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.attempt import attempting
from checkpoint_store.claims import act_for
from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.runner import Loop, MapItem, Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from checkpoint_store.attempt import Attempt
    from checkpoint_store.job import Job, PendingChunk

_END: Final = object()


class _Tasks(Executor):
    """Does the work as tasks of an event loop."""

    local = can_cancel = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[Future[Any]] = set()
        self.is_cut_short = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        fn, attempt, chunk = args
        del call  # it would not wait for what it gets
        future = asyncio.run_coroutine_threadsafe(_awaited(fn, attempt, chunk), self._loop)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        if self.is_cut_short:
            future.cancel()
        return future

    def cancel_all(self) -> None:
        for future in list(self._under_way):
            future.cancel()


async def _awaited(fn: Callable[[Any], Any], attempt: Attempt, chunk: Any) -> Any:
    with attempting(attempt):
        result = fn(chunk)
        return await result if inspect.isawaitable(result) else result


async def amap(job: Job, fn: Callable[[Any], Any], options: dict[str, Any], limit: int) -> AsyncIterator[MapItem]:
    """Yield what is completed; see :meth:`Job.amap`."""
    for name in ("executor", "workers"):
        if name in options:
            raise InvalidArgumentError(name, options[name], "is not for amap(), which has limit")
    if type(limit) is not int or limit < 1:
        raise InvalidArgumentError("limit", limit, "is not a whole number from 1")
    tasks = _Tasks(asyncio.get_running_loop())
    wanted = Options(executor=tasks, workers=limit, **options)
    made: list[Loop] = []

    def steps() -> Iterator[MapItem]:
        made.append(Loop(job, fn, wanted))  # asks the store
        if tasks.is_cut_short:
            made[0].stop()
        yield from made[0].run()

    def cut_short() -> None:
        tasks.is_cut_short = True
        for loop in made:  # before it sees what is cancelled
            loop.stop()
        tasks.cancel_all()

    async for item in _stepped(steps(), cut_short):
        yield item


async def apending(job: Job, options: dict[str, Any]) -> AsyncIterator[PendingChunk]:
    """Yield the chunks that are left; see :meth:`Job.apending`."""
    async for chunk in _stepped(job.pending(**options), lambda: None):
        yield chunk


async def _stepped(steps: Iterator[Any], cut_short: Callable[[], None]) -> AsyncIterator[Any]:
    """Yield what a generator yields, which runs in a thread of its own; it is closed there, whatever happens."""
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
        await _undisturbed(loop.run_in_executor(thread, _close, steps), step)
        thread.shutdown(wait=False)


def _close(steps: Any) -> None:
    steps.close()


async def _undisturbed(*futures: asyncio.Future[Any] | None) -> None:
    """Wait for all of them, also where this task is cancelled (again) meanwhile."""
    for future in futures:
        while future is not None and not future.done():
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(future)
        if future is not None and not future.cancelled():
            future.exception()
