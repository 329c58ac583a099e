"""Dask does the work. A call that Dask would repeat by itself is refused on its worker, and is a failed try.

Dask runs a task again when its worker died, when its worker is retired, and also when the task was done and the worker
that kept its result is gone. No setting of a task forbids that. So each task asks the scheduler first whether it may
begin: no call of the task was begun before, and the task is still wanted.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from checkpoint_store.errors import InvalidArgumentError, MissingExtra, WorkerDied
from checkpoint_store.loop.executors.engine import Engine
from checkpoint_store.loop.executors.raised import Raised

if TYPE_CHECKING:
    from collections.abc import Callable


class DaskExecutor(Engine):
    """Gives work to a Dask cluster; see :func:`checkpoint_store.executors.dask`."""

    def __init__(self, client: Any, options: dict[str, Any]) -> None:
        if getattr(client, "asynchronous", True) or not hasattr(client, "run_on_scheduler"):
            raise InvalidArgumentError("client", client, "is no dask.distributed.Client of a program without asyncio")
        self._client, self._options = client, {**options, "pure": False, "retries": 0}
        client.run_on_scheduler(_first_beginnings())

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Give the cluster one call."""
        key = f"checkpoint-store-{uuid4().hex}"
        task = self._client.submit(_call_once, key, fn, *args, key=key, **self._options)
        outcome: Future[Any] = Future()
        outcome.add_done_callback(lambda ended: task.cancel() if ended.cancelled() else None)
        self._client.loop.add_callback(_bring_home, task, outcome)
        return outcome

    def _count_places(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return sum(threads.values())


async def _bring_home(task: Any, outcome: Future[Any]) -> None:
    """Wait for a task of Dask's, and settle the future of the loop with what came of it.

    Dask's own executor looks at the state of the task once more after it has fetched the result. If the worker died in
    between, it throws the result away; if the scheduler is gone, its future never ends.
    """
    result, error = None, None
    try:
        result = await task
    except BaseException as failure:  # whatever it is, the loop waits for this future
        error = failure
    if error is not None and task.cancelled():
        outcome.cancel()
    if not outcome.set_running_or_notify_cancel():
        return
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)


def _call_once(key: str, call: Callable[..., Any], *args: Any) -> Any:
    """Make a call on a worker, unless it was begun before or nobody waits for it."""
    try:
        from distributed import get_worker  # an extra
        from distributed.utils import sync
    except ModuleNotFoundError as missing:
        raise MissingExtra("distributed", "dask", "the executor of Dask") from missing
    worker = get_worker()
    if sync(worker.loop, worker.scheduler.checkpoint_store_begin, key=key):
        return call(*args)
    return Raised(WorkerDied("the worker that had this chunk ended, or was retired, before its result was fetched"))


def _first_beginnings() -> Callable[..., None]:
    """Return what the scheduler is to run: it then answers whether the call of a task may begin.

    The function is made here, and not at the top level of this module, because such functions are sent by value: the
    scheduler may run where this package is not installed.
    """

    def install(dask_scheduler: Any) -> None:
        if "checkpoint_store_begin" in dask_scheduler.handlers:
            return
        from weakref import WeakSet  # on the scheduler

        begun: WeakSet[Any] = WeakSet()

        def begin(key: str) -> bool:
            # A task whose result was fetched is unknown here, and may still be about to begin: its worker died after
            # the result had left, so that the task was given to another worker before the client let go of it.
            task = dask_scheduler.tasks.get(key)
            if task is None or task in begun:
                return False
            begun.add(task)
            return True

        dask_scheduler.handlers["checkpoint_store_begin"] = begin

    return install
