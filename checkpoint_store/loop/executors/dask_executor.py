"""Dask does the work. A call that Dask would repeat by itself is refused on its worker, and is a failed try.

Dask runs a task again when its worker died, when its worker is retired, and also when the task was done and the worker
that kept its result is gone. No setting of a task forbids that. So each task asks the scheduler first whether it is
begun for the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from checkpoint_store.errors import InvalidArgumentError, MissingExtra, WorkerDied
from checkpoint_store.loop.executors.engine import Engine
from checkpoint_store.loop.executors.raised import Raised

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_SET_HERE: Final = ("key", "pure", "retries")


class DaskExecutor(Engine):
    """Gives work to a Dask cluster; see :func:`checkpoint_store.executors.dask`."""

    def __init__(self, client: Any, options: dict[str, Any]) -> None:
        if getattr(client, "asynchronous", True) or not hasattr(client, "run_on_scheduler"):
            raise InvalidArgumentError("client", client, "is no dask.distributed.Client of a program without asyncio")
        for name in _SET_HERE:
            if name in options:
                raise InvalidArgumentError(name, options[name], "is set here, so that one attempt is one call")
        self._client, self._options = client, options
        client.run_on_scheduler(_first_beginnings())
        self._futures = client.get_executor(pure=False, retries=0)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Give the cluster one call."""
        key = f"checkpoint-store-{uuid4().hex}"
        future: Future[Any] = self._futures.submit(_call_once, key, fn, *args, key=key, **self._options)
        return future

    def _count_places(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return sum(threads.values())


def _call_once(key: str, call: Callable[..., Any], *args: Any) -> Any:
    """Make a call on a worker, unless it was begun before."""
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
    """Return what the scheduler is to run: it then answers whether a task is begun for the first time.

    The function is made here, and not at the top level of this module, because such functions are sent by value: the
    scheduler may run where this package is not installed.
    """

    def install(dask_scheduler: Any) -> None:
        if "checkpoint_store_begin" in dask_scheduler.handlers:
            return
        from distributed.diagnostics.plugin import SchedulerPlugin  # on the scheduler

        begun: set[str] = set()

        class Forgetting(SchedulerPlugin):
            name = "checkpoint-store"

            def transition(self, key: Any, start: Any, finish: Any, *_: Any, **__: Any) -> None:
                del start
                if finish == "forgotten":
                    begun.discard(key)

        def begin(key: str) -> bool:
            is_first = key not in begun
            begun.add(key)
            return is_first

        dask_scheduler.handlers["checkpoint_store_begin"] = begin
        dask_scheduler.add_plugin(Forgetting())

    return install
