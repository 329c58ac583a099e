"""Work that waits for the thread in which its own store is closed: nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, StoreClosed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def by_thread(close: Callable[[], None]) -> None:
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()


def by_pool(close: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(close).result()


def by_a_thread_of_a_thread(close: Callable[[], None]) -> None:
    by_thread(lambda: by_pool(close))


@pytest.mark.slow_variants
@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("wait", [by_thread, by_pool, by_a_thread_of_a_thread])
def test_close_in_a_thread_that_the_work_waits_for_returns(
    wait: Callable[[Callable[[], None]], None], workers: int, tmp_path: Path
) -> None:
    """``close`` in a thread that the work waits for returns, and the store closes after the work's result is stored."""
    store = CheckpointStore(tmp_path / "talks.db")
    job = store.open_job("talk.srt", total_chunks=10_000)
    calls: list[int] = []

    def work(index: int) -> int:
        calls.append(index)
        if index == 1:
            wait(store.close)
        threading.Event().wait(0.01)  # so that the other worker does not finish the job meanwhile
        return index

    with pytest.raises(StoreClosed):
        list(job.map(work, workers=workers))
    wait_until(lambda: store._context is not None and store._context.loops.is_closed)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as reading:
        again = reading.job(job.job_id)
        assert [index for index, _ in again.items()] == sorted(calls)
        assert (again.status, again.in_doubt_chunks()) == ("paused", [])


@pytest.mark.timeout(60)
def test_close_in_a_thread_that_nobody_waits_for_waits_for_the_work(tmp_path: Path) -> None:
    """The store is closed, and everything recorded, when it returns; an error of closing is raised there."""
    store = CheckpointStore(tmp_path / "talks.db")
    job = store.open_job("talk.srt", total_chunks=8)
    both = threading.Barrier(2, timeout=60)
    begun, closing, seen = threading.Event(), threading.Event(), list[tuple[bool, list[int]]]()

    def work(index: int) -> int:
        both.wait()
        begun.set()
        assert closing.wait(60)
        threading.Event().wait(0.3)  # longer than it takes to look whether the work waits
        return index

    def close() -> None:
        closing.set()
        store.close()
        with CheckpointStore(tmp_path / "talks.db", read_only=True) as reading:
            seen.append((store._context.loops.is_closed, [index for index, _ in reading.job(job.job_id).items()]))  # type: ignore[union-attr]

    closer = threading.Thread(target=lambda: begun.wait(60) and close())
    closer.start()
    with pytest.raises(StoreClosed):
        list(job.map(work, workers=2))
    closer.join(60)
    assert seen == [(True, [0, 1])]
