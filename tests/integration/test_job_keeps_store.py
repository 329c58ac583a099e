"""A store is open for as long as anything of it is in use; a closed one says how to open it again."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, Job, PendingChunk, StoreClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Opener

TOTAL = 3


def opened(folder: Path) -> Job:
    """A job whose store nobody has a name for."""
    return CheckpointStore(folder / "talks.db").open_job("talk.srt", total_chunks=TOTAL)


def use_job(job: Job) -> None:
    job.complete(0, "x")
    assert (job.result(0), job.status) == ("x", "running")


def use_chunk(job: Job) -> None:
    kept: list[PendingChunk] = [next(job.pending())]
    del job
    gc.collect()
    kept[0].complete("x")
    assert kept[0].job.result(0) == "x"


def use_results(job: Job) -> None:
    job.complete_many((index, "x") for index in range(TOTAL))
    results: Iterator[Any] = job.results()
    del job
    gc.collect()
    assert list(results) == ["x"] * TOTAL


def use_pending(job: Job) -> None:
    pending = job.pending()
    del job
    for chunk in pending:
        chunk.complete("x")


def use_map(job: Job) -> None:
    items = job.map(str, workers=2)
    del job
    assert sorted(item.index for item in items) == list(range(TOTAL))


def use_amap(job: Job) -> None:
    async def main(jobs: list[Job]) -> list[int]:
        async def work(index: int) -> int:
            return index

        return [item.index async for item in jobs.pop().amap(work)]

    assert sorted(asyncio.run(main([job]))) == list(range(TOTAL))


@pytest.mark.slow_variants
@pytest.mark.parametrize("use", [use_job, use_chunk, use_results, use_pending, use_map, use_amap])
def test_what_is_in_use_keeps_its_store_open(use: Callable[[Job], None], tmp_path: Path) -> None:
    """``def f(): return CheckpointStore(p).open_job(…)`` works; with the last use of it the store is closed whole."""
    before = open_files(), threading.active_count()
    jobs = [opened(tmp_path)]
    with pytest.warns(ResourceWarning, match="never closed"):
        use_and_forget(use, jobs)
    wait_until(lambda: threading.active_count() <= before[1])  # those of a loop end by themselves
    assert open_files() == before[0]
    assert list(tmp_path.glob("*.runner-*")) + list(tmp_path.glob("*-wal")) == []


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def use_and_forget(use: Callable[[Job], None], jobs: list[Job]) -> None:
    use(jobs.pop())
    gc.collect()


def test_map_of_a_store_without_a_name(tmp_path: Path) -> None:
    """``CheckpointStore(p).map(…)`` is one line that works."""
    with pytest.warns(ResourceWarning, match="never closed"):
        results = CheckpointStore(tmp_path / "talks.db").map(str.upper, ["a", "b"], file_name="talk.srt", workers=2)
    assert results == ["A", "B"]


def test_a_job_and_its_store_are_no_cycle(tmp_path: Path) -> None:
    """The store is closed when the last name is gone, not when the garbage is collected."""
    jobs = [opened(tmp_path)]
    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match="never closed"):
            jobs.clear()
    finally:
        gc.enable()


def test_a_closed_store_says_how_to_open_it_again(open_store: Opener, tmp_path: Path) -> None:
    """Every call on a closed store, writing or read-only, says how to open the store again."""
    store = open_store()
    job = store.open_job("talk.srt", chunks=["a", "b", "c"])
    chunk, results = next(job.pending()), job.results(missing="skip")
    store.close()
    reading = open_store(read_only=True)
    seen = reading.latest_job()
    assert seen is not None
    reading.close()
    asked: list[Callable[[], object]] = [
        store.jobs,
        lambda: store.open_job("g", total_chunks=1),
        lambda: store.map(str, ["a"], file_name="h"),
        lambda: store.backup(tmp_path / "copy.db"),
        store.check,
        store.info,
        job.progress,
        job.pause,
        lambda: job.complete(0, 1),
        lambda: job.fail_chunk(0, "no"),
        lambda: chunk.complete("x"),
        lambda: next(results),
        lambda: next(job.pending()),
        lambda: next(job.map(str)),
        reading.jobs,
        lambda: seen.status,
    ]
    for ask in asked:
        with pytest.raises(StoreClosed) as caught:
            ask()
        assert f"open it again with CheckpointStore('{tmp_path / 'talks.db'}')" in str(caught.value)
        assert "call again" not in str(caught.value)
