"""The clusters of Dask and Ray, whose workers come and go. No call is made again that an engine would repeat by itself.

Dask runs a task again when its worker died, when its worker is retired, and also when the task was done and the worker
that kept its result is gone. No setting of a task forbids that. So each task asks the scheduler first whether it may
begin: no call of the task was begun before, and the task is still wanted. The outcome of a call goes to the scheduler
before the task ends, and the scheduler keeps it for as long as the task is wanted: it outlives the worker.
"""

from __future__ import annotations

import os
import pickle
import time
from abc import abstractmethod
from concurrent.futures import CancelledError, Executor, Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, MissingExtra, WorkerDied
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.option_names import unknown_option
from checkpoint_store.model.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZE_HOLDS_SECONDS: Final = 2.0
"""Do not ask a cluster for its size again within this time."""


class Engine(Executor):
    """A cluster that does the work. One attempt is one call: the engine repeats no call by itself."""

    _size = 1
    _size_until = 0.0

    def size(self) -> int:
        """Return how many calls the cluster can do at the same time, as it was in the last two seconds; at least 1."""
        moment = time.monotonic()
        if moment >= self._size_until:
            self._size = max(1, self._count_places())
            self._size_until = moment + _SIZE_HOLDS_SECONDS
        return self._size

    @abstractmethod
    def _count_places(self) -> int:
        """Return how many calls the cluster can do at the same time now."""

    @staticmethod
    def as_failure(error: BaseException) -> WorkerDied:
        """Return what an exception of a future means: what the work raised comes home as a value."""
        reason = "the cluster dropped it" if isinstance(error, CancelledError) else describe(error)
        return WorkerDied(f"the worker that had this chunk gave no result: {reason}")


_KEPT_CHECK_INTERVAL_SECONDS: Final = 5.0
"""How often the scheduler is asked for a result that does not come: all workers may be gone, and none may follow."""


class DaskExecutor(Engine):
    """Gives work to a Dask cluster; see :func:`checkpoint_store.executors.dask`."""

    def __init__(self, client: Any, options: dict[str, Any]) -> None:
        if getattr(client, "asynchronous", True) or not hasattr(client, "run_on_scheduler"):
            raise InvalidArgumentError("client", client, "is no dask.distributed.Client of a program without asyncio")
        self._client, self._options = client, {**options, "pure": False, "retries": 0}
        client.run_on_scheduler(_bookkeeper())

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Give the cluster one call."""
        key = f"checkpoint-store-{os.urandom(16).hex()}"
        task = self._client.submit(_call_once, key, fn, *args, key=key, **self._options)
        outcome: Future[Any] = Future()
        outcome.add_done_callback(lambda ended: task.cancel() if ended.cancelled() else None)
        self._client.loop.add_callback(_bring_home, self._client, task, outcome)
        return outcome

    def _count_places(self) -> int:
        threads: dict[str, int] = self._client.nthreads()
        return sum(threads.values())


async def _bring_home(client: Any, task: Any, outcome: Future[Any]) -> None:
    """Wait for a task of Dask's, and settle the future of the loop with what came of it.

    Dask's own executor looks at the state of the task once more after it has fetched the result. If the worker died in
    between, it throws the result away; if the scheduler is gone, its future never ends.
    """
    result, error = None, None
    try:
        result = pickle.loads(await _fetched(client, task))  # noqa: S301 - made by a worker of the caller's cluster
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


async def _fetched(client: Any, task: Any) -> bytes:
    """Return the outcome of a task: from its worker, or from the scheduler if no worker has the outcome any more."""
    import asyncio  # which takes long, and the programs without Dask do not need it

    fetching = asyncio.ensure_future(task)
    while not (await asyncio.wait({fetching}, timeout=_KEPT_CHECK_INTERVAL_SECONDS))[0]:
        kept = await _kept(client, task.key)
        if kept is not None:
            fetching.cancel()
            return kept
    if not fetching.cancelled() and fetching.exception() is not None:
        kept = await _kept(client, task.key)
        if kept is not None:
            return kept
    fetched: bytes = await fetching
    return fetched


async def _kept(client: Any, key: str) -> bytes | None:
    """Return what the scheduler has of an ended call; None where it has nothing, or is away."""
    with suppress(Exception):  # the task says what is wrong with the cluster
        kept: bytes | None = await client.scheduler.checkpoint_store_outcome(key=key)
        return kept
    return None


def _call_once(key: str, call: Callable[..., Any], *args: Any) -> bytes:
    """Make a call on a worker, unless it was begun before or nobody waits for it; return its outcome, pickled."""
    try:
        from distributed import get_worker  # an extra
        from distributed.utils import sync
    except ModuleNotFoundError as missing:
        raise MissingExtra("distributed", "dask", "the executor of Dask") from missing
    worker = get_worker()
    may_begin, kept = sync(worker.loop, worker.scheduler.checkpoint_store_begin, key=key)
    if may_begin:
        outcome = pickle.dumps(call(*args))
        with suppress(Exception):  # the scheduler is away: the result goes the usual way
            sync(worker.loop, worker.scheduler.checkpoint_store_end, key=key, outcome=outcome)
        return outcome
    if kept is not None:
        return bytes(kept)
    lost = Raised(WorkerDied("the worker that had this chunk ended, or was retired, before its result was fetched"))
    return pickle.dumps(lost)


def _bookkeeper() -> Callable[..., None]:
    """Return what the scheduler is to run: it then says whether a call may begin, and keeps the outcomes of calls.

    The function is made here, and not at the top level of this module, because such functions are sent by value: the
    scheduler may run where this package is not installed.
    """

    def install(dask_scheduler: Any) -> None:
        if "checkpoint_store_end" in dask_scheduler.handlers:
            return
        from weakref import WeakKeyDictionary  # on the scheduler

        begun: WeakKeyDictionary[Any, bytes | None] = WeakKeyDictionary()
        # The tasks whose call was begun, each with its outcome. The client forgets a task that has come home.

        def begin(key: str) -> tuple[bool, bytes | None]:
            # A task whose result was fetched is unknown here, and may still be about to begin: its worker died after
            # the result had left, so that the task was given to another worker before the client let go of it.
            task = dask_scheduler.tasks.get(key)
            if task is None or task in begun:
                return False, outcome_of(key)
            begun[task] = None
            return True, None

        def end(key: str, outcome: bytes) -> None:
            task = dask_scheduler.tasks.get(key)
            if task is not None:
                begun[task] = outcome

        def outcome_of(key: str) -> bytes | None:
            task = dask_scheduler.tasks.get(key)
            return None if task is None else begun.get(task)

        dask_scheduler.handlers["checkpoint_store_begin"] = begin
        dask_scheduler.handlers["checkpoint_store_end"] = end
        dask_scheduler.handlers["checkpoint_store_outcome"] = outcome_of

    return install


_ONCE: Final = {"max_retries": 0, "retry_exceptions": False}
"""Ray repeats a call whose worker died three times by default, and computes a lost result again."""

_USUAL: Final = (
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "accelerator_type",
    "runtime_env",
    "scheduling_strategy",
)
"""The options of Ray that :func:`checkpoint_store.executors.ray` shows in its signature."""


class RayExecutor(Engine):
    """Gives work to a Ray cluster; see :func:`checkpoint_store.executors.ray`."""

    def __init__(self, options: dict[str, Any]) -> None:
        for name in (*_ONCE, "num_returns"):
            if name in options:
                raise InvalidArgumentError(name, options[name], "is set here, so that one attempt is one call")
        self._ray = _ray()
        self._needs = _needs_of(options)
        try:
            self._remote = self._ray.remote(**options, **_ONCE)(_call)
        except ValueError as refusal:
            for name, value in options.items():
                if name not in _USUAL and name in str(refusal):
                    raise unknown_option("ray", name, value, _USUAL) from refusal
            raise
        if not self._ray.is_initialized():
            self._ray.init()
        self._sent: tuple[Any, Any] | None = None
        """The work, and the reference by which the cluster has it: the work is sent once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Give the cluster one call: ``fn(work, *rest)``."""
        work, *rest = args
        if self._sent is None or self._sent[0] is not work:
            self._sent = work, self._ray.put(work)
        future: Future[Any] = self._remote.remote(fn, self._sent[1], *rest).future()
        return future

    def _count_places(self) -> int:
        resources = self._ray.cluster_resources()
        places = [int(resources.get(name, 0) // need) for name, need in self._needs.items() if need]
        return min(places, default=os.cpu_count() or 1)


def _call(call: Callable[..., Any], *args: Any) -> Any:
    return call(*args)


def _ray() -> Any:
    try:
        import ray  # an extra
    except ModuleNotFoundError as missing:
        raise MissingExtra("ray", "ray", "the executor of Ray") from missing
    return ray


def _needs_of(options: dict[str, Any]) -> dict[str, float]:
    """Return the amount that one call needs of each resource of the cluster."""
    needs = {"CPU": options.get("num_cpus", 1), "GPU": options.get("num_gpus", 0), **options.get("resources", {})}
    return {name: need for name, need in needs.items() if need}
