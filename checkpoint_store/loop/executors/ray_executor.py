"""Ray does the work, and repeats no call by itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, MissingExtra
from checkpoint_store.loop.executors.engine import Engine
from checkpoint_store.loop.option_names import unknown_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

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
