"""Executors for ``job.map`` and ``store.map`` that do the work in a cluster.

One attempt is one call: Dask and Ray repeat no call by themselves. So ``max_attempts`` says how often a chunk is
called, also where it kills its worker. The loop gives a cluster as many chunks as the cluster can work on at the same
time, or ``workers``. The workers need this package; the store stays with the process of the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.loop.executors.dask_executor import DaskExecutor
from checkpoint_store.loop.executors.ray_executor import RayExecutor

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["dask", "ray"]


def dask(client: Any, **options: Any) -> Executor:
    """Return an executor that does the work in a Dask cluster (extra ``dask``).

    Args:
        client: a ``dask.distributed.Client``. The executor does not close it.
        options: of ``Client.submit``, such as ``resources`` and ``workers``; without ``key``, ``pure`` and ``retries``.

    Raises:
        InvalidArgumentError: ``client`` is no client, or an asynchronous one, or an option is set by the executor.
    """
    return DaskExecutor(client, options)


def ray(**options: Any) -> Executor:
    """Return an executor that does the work in a Ray cluster (extra ``ray``), and starts Ray where it does not run.

    Args:
        options: of ``ray.remote``, such as ``num_cpus``, ``resources`` and ``runtime_env``; without ``max_retries``,
            ``retry_exceptions`` and ``num_returns``.

    Raises:
        MissingExtra: Ray is not installed.
        InvalidArgumentError: an option is set by the executor.
    """
    return RayExecutor(options)
