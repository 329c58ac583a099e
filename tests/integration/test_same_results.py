"""Threads, processes, Dask and asyncio, with tries that fail on the way, end with what a plain loop gives."""

from __future__ import annotations

import asyncio
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import current_attempt

from .test_executors import METHODS, dask_client

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job

WAYS = ["one thread", "threads", "thread pool", *METHODS, "dask", "dask processes", "asyncio"]


def clean(text: str) -> dict[str, Any]:
    """What every way has to give."""
    return {"text": text[::-1], "length": len(text), "cost": 0.25}


def clean_or_fail(text: str) -> dict[str, Any]:
    """The first try at every seventh chunk fails."""
    attempt = current_attempt()
    if attempt.chunk_index % 7 == 0 and attempt.number == 1:
        raise ConnectionError("not now")
    return clean(text)


async def clean_or_fail_later(text: str) -> dict[str, Any]:
    """The same for asyncio."""
    await asyncio.sleep(0)
    return clean_or_fail(text)


async def loop(job: Job) -> None:
    """All of it, for asyncio."""
    async for _ in job.amap(clean_or_fail_later, workers=3, wait=0):
        pass


def work_off(job: Job, way: str) -> None:
    """Do all of a job in one of the ways, two or three chunks at a time where there is a choice."""
    options: dict[str, Any] = {"wait": 0}
    with ExitStack() as stack:
        if way == "asyncio":
            asyncio.run(loop(job))
            return
        if way == "threads":
            options["workers"] = 3
        elif way == "thread pool":
            options["executor"] = stack.enter_context(ThreadPoolExecutor(3))
        elif way.startswith("dask"):
            processes = way == "dask processes"
            client = dask_client(stack, 2 if processes else 3, processes=processes)
            options["executor"] = client.get_executor(pure=False)
        elif way in METHODS:
            options["executor"] = stack.enter_context(ProcessPoolExecutor(3, mp_context=get_context(way)))
        for _ in job.map(clean_or_fail, **options):
            pass


def judge(store: CheckpointStore, way: str, total: int) -> None:
    """Work a job off, and compare it with a plain loop."""
    chunks = [f"chunk {index} of the talk" for index in range(total)]
    job = store.open_job("talk.srt", chunks=chunks)
    work_off(job, way)
    assert list(job.results()) == [clean(text) for text in chunks]
    assert (job.status, job.failed_chunks(), job.in_doubt_chunks(), job.running_chunks()) == ("completed", [], [], [])
    assert job.totals("cost") == {"cost": 0.25 * total}
    assert store.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_every_way_gives_what_a_plain_loop_gives(store: CheckpointStore, way: str) -> None:
    """Every result, in order, whoever had to be asked twice."""
    judge(store, way, 30)


@pytest.mark.storm
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_every_way_gives_what_a_plain_loop_gives_for_thousands(store: CheckpointStore, way: str) -> None:
    """Every kind of loop gives what a plain loop gives, for 3,000 chunks."""
    judge(store, way, 3000)
