"""Dask loses a worker at the worst moments: a try is still one call, and a result that came home is kept."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, executors
from checkpoint_store.loop.executors import clusters

from . import engines_work as work
from .test_engines import calls, chunks
from .test_executors import dask_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


pytestmark = pytest.mark.slow
STORM_CHUNKS = 300


@pytest.fixture
def client() -> Iterator[Any]:
    """A client of a cluster of two workers in this process."""
    distributed = pytest.importorskip("distributed")
    with ExitStack() as stack:
        cluster = stack.enter_context(
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=False,
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            )
        )
        yield stack.enter_context(distributed.Client(cluster))


class AfterTheFetch:
    """Do something when a result was fetched, and before anybody is told: a pause that a busy machine makes."""

    def __init__(self, client: Any, happens: Callable[[str], Any]) -> None:
        self._gather, self._happens = client._gather, happens
        client._gather = self

    async def __call__(self, futures: list[Any], *args: Any, **options: Any) -> Any:
        result = await self._gather(futures, *args, **options)
        await self._happens(futures[0].key)
        return result


def test_a_call_whose_result_was_fetched_is_not_made_again(store: CheckpointStore, client: Any, tmp_path: Path) -> None:
    """The worker dies after its result was fetched: Dask begins the task again, and the call would be paid for twice."""
    executor = executors.dask(client)
    scheduler, answers, again = client.cluster.scheduler, [], threading.Event()
    begin = scheduler.handlers["checkpoint_store_begin"]

    async def begins_late(key: str) -> Any:
        if answers:
            again.set()
            await asyncio.to_thread(wait_until, lambda: key not in scheduler.tasks)
        answers.append(begin(key))
        return answers[-1]

    async def its_worker_dies(key: str) -> None:
        (worker,) = scheduler.tasks[key].who_has
        await scheduler.remove_worker(worker.address, stimulus_id="test")
        await asyncio.wait_for(asyncio.to_thread(again.wait), 30)

    scheduler.handlers["checkpoint_store_begin"] = begins_late
    AfterTheFetch(client, its_worker_dies)
    job = store.open_job("f", chunks=chunks(tmp_path, "a"))
    (tmp_path / "go").touch()
    assert [item.result for item in job.map(work.waits_for_go, executor=executor)] == ["a"]
    wait_until(lambda: len(answers) == 2)
    wait_until(lambda: not any(worker.state.executing for worker in client.cluster.workers.values()))
    assert calls(tmp_path) == {("a", 1): 1}
    assert answers == [(True, None), (False, None)]


def test_a_result_that_was_fetched_is_kept_where_its_worker_dies(
    store: CheckpointStore, client: Any, tmp_path: Path
) -> None:
    """Dask takes the task for lost before the loop has the result in hand; the result was paid for, and counts."""

    async def is_lost(key: str) -> None:
        client.futures[key].lose()

    AfterTheFetch(client, is_lost)
    job = store.open_job("f", chunks=chunks(tmp_path, "ab"))
    (tmp_path / "go").touch()
    assert len(list(job.map(work.waits_for_go, executor=executors.dask(client), wait=0))) == 2
    assert calls(tmp_path) == {("a", 1): 1, ("b", 1): 1}


def test_a_result_that_cannot_be_fetched_is_a_failed_try(store: CheckpointStore, client: Any, tmp_path: Path) -> None:
    """The loop hears of it, and waits for no result that does not come."""

    async def breaks(_: str) -> None:
        raise OSError("the scheduler is gone")

    async def is_gone(key: str) -> None:
        raise OSError(f"nothing is known of {key}")

    AfterTheFetch(client, breaks)
    job = store.open_job("f", chunks=chunks(tmp_path, "a"))
    (tmp_path / "go").touch()
    executor = executors.dask(client)
    client.cluster.scheduler.handlers["checkpoint_store_outcome"] = is_gone
    assert list(job.map(work.waits_for_go, executor=executor, on_error="record", max_attempts=1)) == []
    assert "OSError: the scheduler is gone" in str(job.failed_chunks()[0].error)


def test_a_result_outlives_the_worker_that_is_killed_before_its_result_is_fetched(
    store: CheckpointStore, tmp_path: Path
) -> None:
    """The only copy was in the memory of that worker's process: the call failed, and was paid for again."""
    killed: list[int] = []
    with ExitStack() as stack:
        client = dask_client(stack, 2, processes=True)
        gather, scheduler = client._gather, client.cluster.scheduler

        async def gather_late(futures: list[Any], *args: Any, **options: Any) -> Any:
            if not killed:
                (worker,) = scheduler.tasks[futures[0].key].who_has
                killed.append(json.loads((tmp_path / "worker-a-1").read_text()))
                os.kill(killed[0], signal.SIGKILL)
                await asyncio.to_thread(wait_until, lambda: worker.address not in scheduler.workers)
            return await gather(futures, *args, **options)

        client._gather = gather_late
        job = store.open_job("f", chunks=chunks(tmp_path, "a"))
        (tmp_path / "go").touch()
        items = list(job.map(work.waits_for_go, executor=executors.dask(client), on_error="record", wait=0))
    assert [item.result for item in items] == ["a"]
    assert len(killed) == 1
    assert calls(tmp_path) == {("a", 1): 1}


def test_a_result_comes_home_where_dask_gives_its_call_up(store: CheckpointStore, client: Any, tmp_path: Path) -> None:
    """The worker is lost between the end of the call and its news of that, and Dask makes no further try."""
    executor = executors.dask(client)
    scheduler = client.cluster.scheduler
    scheduler.allowed_failures = 0
    keep = scheduler.handlers["checkpoint_store_end"]

    async def its_worker_is_lost(key: str, outcome: bytes) -> None:
        keep(key, outcome)
        await scheduler.remove_worker(scheduler.tasks[key].processing_on.address, stimulus_id="test")

    scheduler.handlers["checkpoint_store_end"] = its_worker_is_lost
    job = store.open_job("f", chunks=chunks(tmp_path, "a"))
    (tmp_path / "go").touch()
    items = list(job.map(work.waits_for_go, executor=executor, on_error="record", max_attempts=1))
    assert [item.result for item in items] == ["a"]
    assert calls(tmp_path) == {("a", 1): 1}


def test_a_result_comes_home_from_a_cluster_without_workers(
    store: CheckpointStore, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker is left, and none follows: the loop has the result all the same, and does not wait for a worker."""
    monkeypatch.setattr(clusters, "_KEPT_CHECK_INTERVAL_SECONDS", 0.05)
    executor = executors.dask(client)
    scheduler = client.cluster.scheduler
    keep = scheduler.handlers["checkpoint_store_end"]

    async def all_workers_are_lost(key: str, outcome: bytes) -> None:
        keep(key, outcome)
        for address in list(scheduler.workers):
            await scheduler.remove_worker(address, stimulus_id="test")

    scheduler.handlers["checkpoint_store_end"] = all_workers_are_lost
    job = store.open_job("f", chunks=chunks(tmp_path, "a"))
    (tmp_path / "go").touch()
    assert [item.result for item in job.map(work.waits_for_go, executor=executor)] == ["a"]
    assert calls(tmp_path) == {("a", 1): 1}


@pytest.mark.storm
@pytest.mark.timeout(1800)
def test_workers_that_die_and_come_and_go_double_no_call(store: CheckpointStore, tmp_path: Path) -> None:
    """Every tenth chunk kills its worker at a random moment; others are retired; the cluster grows and shrinks meanwhile."""
    over = threading.Event()
    config = pytest.importorskip("dask").config
    with ExitStack() as stack:
        # A nanny may end with its worker. The cluster starts another one when it scales, once it takes the old one for lost.
        stack.enter_context(config.set({"distributed.deploy.lost-worker-timeout": "1s"}))
        client = dask_client(stack, 3, processes=True)
        job = store.open_job("f", chunks=[[str(tmp_path), str(number)] for number in range(STORM_CHUNKS)])

        def come_and_go() -> None:
            while not over.wait(5.0):
                workers = list(client.scheduler_info()["workers"])
                if random.random() < 0.5 and workers:
                    client.retire_workers([random.choice(workers)], close_workers=True, remove=True)
                client.cluster.scale(random.choice((2, 3, 4)))

        thread = threading.Thread(target=come_and_go)
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        executor = executors.dask(client)
        done = {item.index for item in job.map(work.dies_soon, executor=executor, workers=4, wait=0, max_attempts=50)}
    tries = calls(tmp_path)
    print(f"{sum(tries.values())} calls, {len({name for name, number in tries if number > 1})} chunks tried again")
    assert done == set(range(STORM_CHUNKS))
    assert {one: count for one, count in tries.items() if count > 1} == {}
