"""Executors for ``job.map`` and ``store.map`` that do the work in a cluster.

One attempt is one call: Dask and Ray repeat no call by themselves. So ``max_attempts`` says how often a chunk is
tried, even if it kills its worker. The loop gives a cluster as many chunks as the cluster can work on at the same
time, or ``workers``. The workers need this package; the store stays with the process of the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.loop.executors.clusters import DaskExecutor, RayExecutor
from checkpoint_store.loop.option_names import checks_option_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from concurrent.futures import Executor

__all__ = ["dask", "ray"]


@checks_option_names
def dask(
    client: Any,
    *,
    workers: str | Collection[str] | None = None,
    allow_other_workers: bool = False,
    resources: Mapping[str, float] | None = None,
    priority: int = 0,
    fifo_timeout: str = "100 ms",
) -> Executor:
    """Return an executor that does the work in a Dask cluster (extra ``dask``).

    Args:
        client: a ``dask.distributed.Client``. The executor does not close it.
        workers: as in ``Client.submit``, like the options below. The executor sets ``key``, ``pure`` and ``retries``.
        allow_other_workers: see ``workers``.
        resources: see ``workers``.
        priority: see ``workers``.
        fifo_timeout: see ``workers``.

    Raises:
        UnknownOptionError: a keyword is no option, or the executor sets it.
        InvalidArgumentError: ``client`` is no client, or is an asynchronous client.
    """
    given = {"workers": workers, "allow_other_workers": allow_other_workers, "resources": resources}
    return DaskExecutor(client, given | {"priority": priority, "fifo_timeout": fifo_timeout})


def ray(
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    memory: float | None = None,
    resources: Mapping[str, float] | None = None,
    accelerator_type: str | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    scheduling_strategy: Any = None,
    **others: Any,
) -> Executor:
    """Return an executor that does the work in a Ray cluster (extra ``ray``), and starts Ray where it does not run.

    Args:
        num_cpus: as in ``ray.remote``, like the options below.
        num_gpus: see ``num_cpus``.
        memory: see ``num_cpus``.
        resources: see ``num_cpus``.
        accelerator_type: see ``num_cpus``.
        runtime_env: see ``num_cpus``.
        scheduling_strategy: see ``num_cpus``.
        others: any other option that the installed Ray has for a task. The executor sets ``max_retries``,
            ``retry_exceptions`` and ``num_returns``.

    Raises:
        MissingExtra: Ray is not installed.
        UnknownOptionError: Ray does not have an option; the message names the nearest one.
        InvalidArgumentError: the executor sets an option.
    """
    given = {key: value for key, value in locals().items() if key != "others" and value is not None}
    return RayExecutor(given | others)
