"""A loop that would wait for a chunk which its own thread, or its own work, took by ``pending()`` and kept."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, JobPaused, PendingChunk
from checkpoint_store.execution.claims import long_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children, Opener

CHUNKS = list("abcd")


class Keeper:
    """Takes one chunk of a job by ``pending()``, and keeps it and its loop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.kept: list[Any] = []

    def __call__(self, *_: object) -> float:
        if not self.kept:
            loop = self.job.pending()
            self.kept = [next(loop), loop]
        return 0.0


class Submitting(Executor):
    """An executor that does the work where it is submitted, after another call."""

    def __init__(self, first: Callable[[], object]) -> None:
        self.first = first

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.first()
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def failing_once() -> Callable[[str], str]:
    """Work that fails at its first call."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        if len(calls) == 1:
            raise ValueError(text)
        return text

    return work


WAYS: dict[str, Callable[[Keeper], dict[str, Any]]] = {
    "submit": lambda keep: {"executor": Submitting(keep)},
    "a maker": lambda keep: {"executor": lambda: (keep(), Submitting(int))[1]},
    "wait": lambda keep: {"wait": keep},
    "cost": lambda keep: {"cost": keep, "max_cost": 9},
    "on_event": lambda keep: {"on_event": keep},
    "stop_when": lambda keep: {"stop_when": keep},
}


@pytest.mark.slow_variants
@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", WAYS)
def test_a_loop_ends_that_would_wait_for_its_own_thread(open_store: Opener, way: str) -> None:
    """A loop does the other chunks and then ends if its own thread keeps a chunk of another store object."""
    job = open_store().open_job("talk.srt", chunks=CHUNKS)
    keep = Keeper(open_store().job(job.job_id))
    with pytest.raises(JobPaused, match="1 chunk left: 1 chunk of") as raised:
        list(job.map(failing_once(), **({"wait": 0} | WAYS[way](keep))))
    told = str(raised.value)
    assert f"1 chunk of pending(), from chunk {keep.kept[0].index} on, was kept" in told
    assert told.endswith("complete them, or drop them; then run the loop again.")
    keep.kept[0].complete("by hand")
    assert list(job.map(str.upper)) == []
    assert job.status == "completed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_loop_ends_that_would_wait_for_its_own_work(store: CheckpointStore, workers: int) -> None:
    """The work has returned, and the chunk that it took is still kept; the other chunks are done."""
    job = store.open_job("talk.srt", chunks=CHUNKS)
    keep = Keeper(job)

    def work(text: str) -> str:
        keep()
        return text

    with pytest.raises(JobPaused, match="1 chunk left"):
        list(job.map(work, workers=workers))
    assert job.progress().completed_chunks == 3


def test_a_loop_ends_that_would_wait_for_the_only_thread(children: Children) -> None:
    """The loop that gave the chunks away has ended. Nobody else is there who could complete them."""
    kept, status = children.run(program(__file__, "keep_chunks")).splitlines()
    assert "2 chunks of pending(), from chunk 0 on, were kept" in kept
    assert status == "completed"


class Looks:
    """Lets something happen once a loop has waited for a while."""

    def __init__(self) -> None:
        self.has_waited = threading.Event()
        self._count = 0

    def __call__(self) -> bool:
        self._count += 1
        if self._count == 3:
            self.has_waited.set()
        return False


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_loop_waits_for_chunks_that_a_pool_completes(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop that gave them to the pool has ended; another one, of the same thread, says what it waits for."""
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    job, looks = open_store().open_job("talk.srt", chunks=CHUNKS), Looks()

    def finish(chunk: PendingChunk) -> None:
        assert looks.has_waited.wait(60)
        chunk.complete("by the pool")

    with ThreadPoolExecutor(len(CHUNKS)) as pool:
        for chunk in job.pending():
            pool.submit(finish, chunk)
        del chunk
        assert list(open_store().job(job.job_id).map(str, stop_when=looks)) == []
    assert (job.status, list(job.results())) == ("completed", ["by the pool"] * 4)
    assert "this loop waits for 4 chunks, from chunk 0 on, that pending() gave to this program" in caplog.text


@pytest.mark.slow_variants
@pytest.mark.timeout(60)
@pytest.mark.parametrize("loop", ["amap", "apending"])
def test_a_task_waits_for_a_chunk_of_another_task(store: CheckpointStore, loop: str) -> None:
    """A loop of a task waits for the chunk of another task, and the event loop of both goes on."""
    job, looks = store.open_job("talk.srt", chunks=["a"]), Looks()

    async def slow(text: str) -> str:
        await asyncio.to_thread(looks.has_waited.wait, 60)
        return text

    async def first(begun: asyncio.Event) -> None:
        if loop == "amap":
            async for _ in job.amap(slow, workers=1, on_event=lambda _: begun.set()):
                pass
            return
        async for chunk in job.apending():
            begun.set()
            await job.acomplete(chunk.index, await slow(chunk.data))

    async def both() -> list[Any]:
        begun = asyncio.Event()
        task = asyncio.create_task(first(begun))
        await begun.wait()
        items = [item async for item in job.amap(slow, workers=1, stop_when=looks)]
        await task
        return items

    asyncio.run(both())
    assert (job.status, list(job.results())) == ("completed", ["a"])


@pytest.mark.timeout(60)
def test_a_loop_ends_that_would_wait_for_its_own_task(open_store: Opener) -> None:
    """A loop ends that would wait for a chunk which the same task holds in an outer loop."""
    job = open_store().open_job("talk.srt", chunks=CHUNKS)
    other = open_store().job(job.job_id)

    async def work(text: str) -> str:
        return text

    async def nested() -> str:
        async with aclosing(job.apending()) as chunks:
            async for _ in chunks:
                with pytest.raises(JobPaused, match="1 chunk left") as raised:
                    _ = [item async for item in other.amap(work)]
                return str(raised.value)
        return ""

    assert "1 chunk of pending(), from chunk 0 on, was kept" in asyncio.run(nested())


@pytest.mark.timeout(60)
def test_a_loop_ends_that_would_wait_for_a_loop_in_whose_body_its_event_loop_runs(store: CheckpointStore) -> None:
    """The loop around the event loop has a chunk in hand, and cannot go on before the event loop has ended."""
    job = store.open_job("talk.srt", chunks=CHUNKS)

    async def work(text: str) -> str:
        return text

    async def all_others() -> list[str]:
        return [item.result async for item in job.amap(work, on_pause="return")]

    around = job.pending()
    chunk = next(around)
    assert asyncio.run(all_others()) == CHUNKS[1:]
    chunk.complete("by hand")
    assert (list(around), job.status) == ([], "completed")


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_loop_waits_for_a_chunk_that_work_in_hand_took(store: CheckpointStore, open_store: Opener) -> None:
    """Work may take more chunks of its job and complete them; another loop waits for them while the work goes on."""
    job, other = store.open_job("talk.srt", chunks=CHUNKS), open_store().job("talk.srt")
    taken, looks = threading.Event(), Looks()

    def work(text: str) -> str:
        more = list(job.pending())
        taken.set()
        assert looks.has_waited.wait(60)
        for chunk in more:
            chunk.complete("by hand")
        return text

    thread = threading.Thread(target=lambda: list(job.map(work)))
    thread.start()
    assert taken.wait(60)
    assert list(other.map(str, stop_when=looks)) == []
    thread.join(60)
    assert (job.status, job.result(0), job.result(3)) == ("completed", "a", "by hand")
