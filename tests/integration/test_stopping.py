"""Ending one loop from inside of the program: stop_when, and work that asks to end."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, InvalidArgumentError, JobPaused
from checkpoint_store.errors import StorageUnavailableError
from checkpoint_store.execution.execution import JobExecution
from checkpoint_store.loop.recording import Recorder


class AtOnce(Executor):
    """Does the work at once, and keeps whatever it raises in the future, as a thread does."""

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


def test_stop_when_ends_this_loop_as_a_pause_does(store: CheckpointStore) -> None:
    """Once it says so nothing more is begun; the job is paused, and a loop without it goes on with the rest."""
    job = store.open_job("talk.txt", total_chunks=5)
    done: list[int] = []
    done += [
        item.index for item in job.map(str, stop_when=lambda: job.progress().completed_chunks == 2, on_pause="return")
    ]
    assert (done, job.status) == ([0, 1], "paused")
    assert [item.index for item in job.map(str)] == [2, 3, 4]
    assert job.status == "completed"


def test_stop_when_is_asked_while_a_retry_is_waited_for(store: CheckpointStore) -> None:
    """A long pause before the next try is cut short, and the chunk, which is an error until then, is not failed."""

    def work(_: int) -> None:
        raise ConnectionError

    job = store.open_job("talk.txt", total_chunks=1)
    with pytest.raises(JobPaused):
        list(job.map(work, wait=3600, stop_when=lambda: bool(job.errors())))
    assert (job.status, job._execution.recorded.failure_counts()) == ("paused", (0, 0))


def test_stop_when_must_be_a_function(store: CheckpointStore) -> None:
    """What cannot be asked is refused before anything begins."""
    job = store.open_job("talk.txt", total_chunks=1)
    with pytest.raises(InvalidArgumentError, match="stop_when"):
        job.map(str, stop_when=True)  # type: ignore[arg-type]


def test_what_came_back_beside_an_interrupt_is_recorded(store: CheckpointStore) -> None:
    """A result that lands while other work asks to end is recorded, because it was paid for."""

    def work(index: int) -> str:
        if index == 0:
            raise KeyboardInterrupt
        return "paid for"

    job = store.open_job("talk.txt", total_chunks=3)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(work, executor=AtOnce(), workers=2))
    assert list(job.items()) == [(1, "paid for")]
    assert job.status == "paused"


@pytest.mark.slow
def test_a_late_result_is_yielded_also_where_the_store_cannot_be_read_after_it(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop yields a late result that it recorded, though the store cannot be read after that."""
    job = store.open_job("talk.srt", total_chunks=1)
    calls: list[int] = []

    def slow(index: int) -> int:
        calls.append(index)
        wait_until(lambda: [chunk.attempt for chunk in job.running_chunks()] != [1])
        return index

    look_at = JobExecution.look_at

    def broken_after(execution: JobExecution, index: int) -> tuple[bool, str | None]:
        if job.progress().completed_chunks:
            raise StorageUnavailableError(store.path, "the disk has a bad moment")
        return look_at(execution, index)

    monkeypatch.setattr(JobExecution, "look_at", broken_after)
    items = list(job.map(slow, workers=2, timeout_seconds=0.2, wait=3600, max_attempts=2))
    assert ([item.result for item in items], calls) == ([0], [0])


@pytest.mark.parametrize("workers", [1, 2])
def test_what_has_ended_is_recorded_however_often_the_loop_is_interrupted(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Ctrl-C comes again and again while the loop looks at what has ended: that was paid for, and no call is repeated."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    job = store.open_job("talk.srt", total_chunks=1)
    monkeypatch.setattr(Recorder, "_sort", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(lambda index: {"index": index, "cost": 0.5}, workers=workers))
    assert (job.result(0), job.costs().cost, job.in_doubt_chunks()) == ({"index": 0, "cost": 0.5}, 0.5, [])
