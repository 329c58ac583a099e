"""An event loop that was closed over a loop of chunks: nobody can go on with that loop, and nobody waits for it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from conftest import Children

    from checkpoint_store.job import Job


async def double(index: int) -> int:
    """Return twice the index."""
    await asyncio.sleep(0)
    return 2 * index


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Nothing is left behind: a task of a closed event loop would speak in whatever test it is collected in."""
    yield
    gc.collect()


@pytest.fixture
def abandoned(tmp_path: Path) -> Iterator[None]:
    """A loop over a job, one chunk of which is done; its event loop is closed, and its generator is not."""
    kept: list[Any] = []

    async def begin(job: Job) -> None:
        kept.append(job.amap(double))
        assert (await anext(kept[0])).result == 0

    event_loop = asyncio.new_event_loop()
    store = CheckpointStore(tmp_path / "abandoned.db")
    event_loop.run_until_complete(begin(store.open_job("talk.srt", total_chunks=3)))
    event_loop.close()
    store.close()
    yield
    kept.clear()


@pytest.mark.usefixtures("abandoned")
def test_ctrl_c_ends_the_program_at_once() -> None:
    """The first press counts: it is not kept for a loop that never looks again."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("abandoned")
def test_a_later_loop_is_not_paused(store: CheckpointStore) -> None:
    """A program that survived the signal begins another loop, which works through all its chunks."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    job = store.open_job("other.srt", total_chunks=3)
    assert [item.result for item in job.map(lambda index: index)] == [0, 1, 2]


KINDS_AT_THE_END = ["map"] if (3, 12) <= sys.version_info < (3, 12, 3) else ["map", "amap"]
"""The loops that can go on once the main thread has ended: Python 3.12.0 to 3.12.2 start no thread then (gh-113964)."""


def in_a_thread_that_ends(job: Job, begin: Callable[[Job, list[Any]], Coroutine[Any, Any, object]]) -> list[Any]:
    """Run an event loop in a thread until this has begun, and close the event loop; return what was kept."""
    kept: list[Any] = []

    def run() -> None:
        event_loop = asyncio.new_event_loop()
        event_loop.run_until_complete(begin(job, kept))
        event_loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return kept


async def keep_an_item(job: Job, kept: list[Any]) -> None:
    """Take an item of a loop; the results of the calls beside it come afterwards, and are not recorded."""
    taken, came = asyncio.Event(), asyncio.Semaphore(0)

    async def work(index: int) -> int:
        if index:
            await taken.wait()
        came.release()
        return 2 * index

    kept.append(job.amap(work, workers=3))
    await anext(kept[0])
    taken.set()
    for _ in range(3):
        await came.acquire()
    await asyncio.sleep(0)  # the calls return


async def keep_calls(job: Job, kept: list[Any]) -> None:
    """Wait for a loop whose first two calls are under way in threads."""
    begun, ends = threading.Barrier(3), [threading.Event(), threading.Event()]

    def work(index: int) -> int:
        begun.wait()
        ends[index].wait()
        return 2 * index

    kept += [job.amap(work, workers=2), ends]
    kept.append(asyncio.ensure_future(anext(kept[0])))
    await asyncio.to_thread(begun.wait)


@pytest.mark.slow
def test_another_loop_gets_the_chunks_after_an_item(store: CheckpointStore) -> None:
    """Results that came before the event loop was closed are recorded, and no loop waits for them in vain."""
    job, calls = store.open_job("talk.srt", total_chunks=6), []
    kept = in_a_thread_that_ends(job, keep_an_item)
    for _ in job.map(lambda index: calls.append(index) or 2 * index):
        pass
    assert (calls, list(job.results())) == ([3, 4, 5], [0, 2, 4, 6, 8, 10])
    del kept


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_loop_gets_the_chunks_after_a_call(store: CheckpointStore) -> None:
    """Results that come after the event loop was closed are recorded, and no loop waits for them in vain."""
    job, calls = store.open_job("talk.srt", total_chunks=4), []
    kept = in_a_thread_that_ends(job, keep_calls)
    kept[1][0].set()
    while not job.is_completed(0):
        time.sleep(0.001)
    kept[1][1].set()
    for _ in job.map(lambda index: calls.append(index) or 2 * index):
        pass
    assert (calls, list(job.results())) == ([2, 3], [0, 2, 4, 6])
    del kept


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", KINDS_AT_THE_END)
def test_the_main_thread_ended_over_a_loop(tmp_path: Path, children: Children, kind: str) -> None:
    """A loop in another thread gets the chunks of that loop; what was paid for is recorded before."""
    said = children.run(program(__file__, "end_main_over_a_loop"), kind)
    assert sorted(said.split()) == ["0", "1", "2", "3"]
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        assert list(store.job("talk.srt").results()) == [0, 1, 2, 3]
