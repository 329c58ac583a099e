"""A deadline, a budget or an outage stops a loop only if chunks are left that the loop could still try."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkFailed, DeadlineReached

from .test_unrecorded_costs import failure

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job

LIMITS = pytest.mark.parametrize("limits", [{"deadline_seconds": 0.01}, {"max_cost": 1.0}], ids=["deadline", "budget"])


def with_a_result(store: CheckpointStore, total_chunks: int, *, sequential: bool = False) -> Job:
    job = store.open_job("talk.srt", total_chunks=total_chunks, sequential=sequential)
    job.complete(0, {"cost": 0.5})
    return job


def answer(_: int) -> dict[str, Any]:
    time.sleep(0.02)  # longer than the deadline
    return {"cost": 0.5}


def fail(_: int) -> None:
    time.sleep(0.02)
    raise failure(0.5)


@LIMITS
def test_a_loop_whose_shard_is_complete_ends_quietly(store: CheckpointStore, limits: dict[str, Any]) -> None:
    """A loop whose shard is complete ends quietly, whatever its limits: the rest belongs to other machines."""
    job = with_a_result(store, total_chunks=4)
    assert [item.index for item in job.map(answer, only=range(2), **limits)] == [1]


@LIMITS
def test_a_loop_that_can_try_no_chunk_any_more_ends(store: CheckpointStore, limits: dict[str, Any]) -> None:
    """The last chunk is failed: neither more time nor more money would help, as an error would say."""
    job = with_a_result(store, total_chunks=2)
    assert list(job.map(fail, retry_on=(), on_error="record", **limits)) == []
    assert job.status == "failed"


@LIMITS
def test_a_sequential_loop_stops_at_its_failed_chunk(store: CheckpointStore, limits: dict[str, Any]) -> None:
    """No chunk behind it can be tried, whatever the limit: the error is about the chunk."""
    job = with_a_result(store, total_chunks=3, sequential=True)
    with pytest.raises(ChunkFailed):
        list(job.map(fail, retry_on=(), on_error="record", **limits))
    assert job.status == "failed"


def test_a_chunk_behind_a_failed_one_is_left_to_try_if_its_job_is_in_any_order(store: CheckpointStore) -> None:
    """The deadline says so, and the next run goes on with it."""
    job = store.open_job("talk.srt", total_chunks=2)
    with pytest.raises(DeadlineReached):
        list(job.map(fail, retry_on=(), on_error="record", deadline_seconds=0.01))


@pytest.mark.slow_variants
@pytest.mark.parametrize("limits", [{"deadline_seconds": 0.01}, {"max_cost": 0.75}], ids=["deadline", "budget"])
def test_a_loop_ends_if_somebody_completes_the_chunk_that_waits_for_its_retry(
    store: CheckpointStore, limits: dict[str, Any]
) -> None:
    """Nothing is left to wait for: it does not hang at a limit that no chunk needs any more."""
    job = store.open_job("talk.srt", total_chunks=1)

    def complete(event: Any) -> None:
        if event.kind == "retried":
            job.complete(0, {"cost": 0.0})

    deadline = time.monotonic() + 20
    items = job.map(fail, wait=0.1, on_event=complete, stop_when=lambda: time.monotonic() > deadline, **limits)
    assert list(items) == []
    assert (job.status, time.monotonic() < deadline) == ("completed", True)
