"""``only``: a loop works on a part of a job, and leaves the rest to others."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkFailed, ChunksPassedOver, InvalidArgumentError, JobPaused
from checkpoint_store.model.chunks import shard_of

from .map_tools import CHUNKS, Flaky, upper

if TYPE_CHECKING:
    from collections.abc import Collection

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of twelve chunks."""
    return store.open_job("talk", chunks=CHUNKS)


def done_by(job: Job, only: Collection[int], **options: Any) -> list[int]:
    """The chunks that a loop over a shard completed, in order."""
    return sorted(item.index for item in job.map(upper, only=only, **options))


@pytest.mark.parametrize("workers", [1, 4])
def test_a_loop_works_on_its_shard_alone(job: Job, workers: int) -> None:
    """The chunks of a shard are done, and no other one is paid for."""
    assert done_by(job, range(3, 7), workers=workers) == [3, 4, 5, 6]
    assert job.completed_ranges() == [(3, 7)]


def test_a_shard_that_is_done_ends_the_loop_without_an_error(job: Job) -> None:
    """The job is at rest: nobody works on it, and no pause was asked for, so that any other loop goes on."""
    done_by(job, range(6))
    assert (job.status, job.is_active, job.error_message) == ("paused", False, None)
    assert job.last_run is not None
    assert job.last_run.ended == "completed"
    assert done_by(job, range(6, 12)) == [6, 7, 8, 9, 10, 11]
    assert job.status == "completed"


def test_a_shard_may_be_any_indices(job: Job) -> None:
    """A range with steps, a set or a list in any order names chunks, each of them once."""
    assert done_by(job, range(0, 12, 4)) == [0, 4, 8]
    assert done_by(job, {11, 1, 4}) == [1, 11]
    assert done_by(job, [7, 3, 7]) == [3, 7]


def test_an_empty_shard_is_no_work(job: Job) -> None:
    """Where there are more machines than chunks, a machine has nothing to do; that is no error."""
    assert done_by(job, range(12, 12)) == []
    assert job.progress().completed_chunks == 0


def test_a_shard_across_the_windows_of_a_large_job_is_found(store: CheckpointStore) -> None:
    """A search that goes through a job in windows finds each chunk of a shard, in whichever window it is."""
    job = store.open_job("large", total_chunks=20_000)
    wanted = [0, 4095, 4096, 12_287, 19_999]
    assert sorted(item.index for item in job.map(str, only=wanted)) == wanted


def test_a_shard_in_asyncio_and_in_one_line(store: CheckpointStore) -> None:
    """``amap`` and ``store.map`` take the same option; the places of the others' chunks hold None."""

    async def work() -> list[int]:
        job = store.open_job("async", chunks=CHUNKS)
        return sorted([item.index async for item in job.amap(upper, only=range(2, 4))])

    assert asyncio.run(work()) == [2, 3]
    assert store.map(upper, ["a", "b", "c"], file_name="line", only=[1]) == [None, "B", None]


def test_a_failed_chunk_of_another_shard_is_not_this_loops(job: Job) -> None:
    """A loop raises for its own chunks; the job's status says that a chunk is failed all the same."""
    list(job.map(Flaky(ValueError("bad"), c1=9), only=range(4), on_error="record", max_attempts=1))
    assert job.status == "failed"
    with pytest.raises(ChunkFailed):
        done_by(job, range(4), max_attempts=1)
    assert done_by(job, range(6, 8)) == [6, 7]
    assert (job.status, str(job.error_message)[:8]) == ("failed", "1 failed")


def test_a_loop_warns_of_failed_chunks_of_its_own_shard_only(job: Job) -> None:
    """A chunk that failed in another shard is passed over by nobody here, also where a chunk of this shard fails."""
    list(job.map(Flaky(ValueError("bad"), c1=9), only=range(4), on_error="record", max_attempts=1))
    list(job.map(Flaky(ValueError("bad"), c6=9), only=range(6, 8), on_error="record", max_attempts=1))
    assert [record.chunk_index for record in job.failed_chunks()] == [1, 6]
    with pytest.warns(ChunksPassedOver, match="1 chunk failed .*chunk 6"):
        list(job.map(upper, only=range(6, 9), on_error="record", max_attempts=1))


@pytest.mark.parametrize("is_whole", [False, True])
def test_the_warning_of_failed_chunks_names_the_line_of_the_loop(store: CheckpointStore, *, is_whole: bool) -> None:
    """Python shows a warning once for each line: of two loops that pass over chunks, both are seen."""

    def run() -> None:
        if is_whole:
            store.map(Flaky(ValueError("bad"), c1=9), CHUNKS, file_name="f", on_error="record", max_attempts=1)
        else:
            job = store.open_job("f", chunks=CHUNKS)
            list(job.map(Flaky(ValueError("bad"), c1=9), on_error="record", max_attempts=1))

    run()
    with pytest.warns(ChunksPassedOver, match="chunk 1: ValueError: bad") as caught:
        run()
    assert [warning.filename for warning in caught] == [__file__]


def test_a_pause_in_a_shard_says_how_much_of_the_shard_is_left(job: Job) -> None:
    """What is left to others is not counted."""
    flaky = Flaky()
    with pytest.raises(JobPaused) as caught:
        list(job.map(flaky, only=range(4), stop_when=lambda: len(flaky.calls) == 2))
    assert caught.value.remaining_chunks == 2


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("only", "says"),
    [
        (range(10, 13), "chunk 12, but the chunks are 0 to 11"),
        ([12], "chunk 12"),
        ([-1], "no index of a chunk"),
        ([True], "no index of a chunk"),
        ([1.0], "no index of a chunk"),
        (["1"], "no index of a chunk"),
        (range(-2, 3), "no index of a chunk"),
        ("0-4", "no collection of chunk indices"),
        (5, "no collection of chunk indices"),
        (iter([1]), "no collection of chunk indices"),
        (slice(0, 5), "no collection of chunk indices"),
        (range(10**12), "has more than"),
        (range(10**30), "has more than"),
        (range(0, 10**30, 2), "has more than"),
    ],
)
def test_what_is_no_shard_is_refused_before_the_first_call(open_store: Opener, job: Job, only: Any, says: str) -> None:
    """A mistaken shard costs nothing: no call is made, and ``store.map`` begins no job."""
    calls: list[str] = []
    with pytest.raises(InvalidArgumentError, match=says):
        job.map(calls.append, only=only)
    with pytest.raises(InvalidArgumentError, match=says):
        open_store().map(calls.append, CHUNKS, file_name="other", only=only)
    assert (calls, len(open_store().jobs())) == ([], 1)


def test_a_look_at_a_shard_of_many_pieces_costs_as_much_as_at_one_piece() -> None:
    """Every second chunk of a large job is a shard: no look at it copies all of its pieces."""
    pieces = shard_of(range(0, 100_000, 2))
    assert pieces is not None
    tracemalloc.start()
    try:
        assert pieces.between(2, 5) == [(2, 3), (4, 5)]
        assert (3 in pieces, 4 in pieces, 99_999 in pieces) == (False, True, False)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 10_000


def test_a_shard_is_kept_as_spans() -> None:
    """A million chunks in one range take no memory; a text of a shard stays short."""
    whole = shard_of(range(1_000_000))
    assert whole is not None
    assert (whole.spans, len(whole), str(whole), 999_999 in whole, 10**6 in whole) == (
        ((0, 1_000_000),), 1_000_000, "0-999999", True, False,
    )  # fmt: skip
    odd = shard_of(range(1, 1000, 2))
    assert odd is not None
    assert (odd.between(3, 6), str(odd).endswith("15, …"), odd.count_in([(0, 4), (10, 12)])) == (
        [(3, 4), (5, 6)], True, 3,
    )  # fmt: skip
    assert list(shard_of([4, 2, 3, 9]) or ()) == [2, 3, 4, 9]
