"""What a run did is a record: what was done and tried again, what was waited for, and why it ended."""

from __future__ import annotations

import dataclasses
import json
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import BudgetReached, CheckpointStore, ChunkFailed, Job, RunRecord
from checkpoint_store.model.loop_records import Durations

if TYPE_CHECKING:
    from conftest import Opener

CHUNKS = ["a", "b", "c", "d"]


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A new job of four chunks."""
    return store.open_job("f", chunks=CHUNKS)


def ran(job: Job) -> RunRecord:
    assert job.last_run is not None
    return job.last_run


class Busy(Exception):  # as services name theirs
    status_code = 429


def test_a_record_counts_what_was_done(job: Job) -> None:
    """Results, their cost and tokens, and how long the work took."""
    assert job.last_run is None

    def work(_: str) -> dict[str, Any]:
        time.sleep(0.01)
        return {"cost": "0.25", "usage": {"total_tokens": 5}}

    list(job.map(work, workers=2))
    record = ran(job)
    assert (record.job_id, record.completed_chunks, record.cost, record.tokens) == (job.job_id, 4, 1.0, 20)
    assert (record.ended, record.reason, record.retry_count) == ("completed", None, 0)
    times = (record.work_seconds_p50, record.work_seconds_p95, record.work_seconds_p99)
    assert all(seconds is not None and 0.009 <= seconds <= record.seconds * 1.02 for seconds in times)
    assert (record.waited_for_service_seconds, record.waited_for_limits_seconds) == (0.0, 0.0)


def test_a_record_counts_retries_by_their_kind(job: Job) -> None:
    """A run record counts retries by the service's status, or else by the exception's name."""
    errors = iter([Busy(), TimeoutError(), Busy()])

    def work(text: str) -> str:
        for error in errors:
            raise error
        return text

    list(job.map(work, wait=0, max_attempts=9))
    assert dict(ran(job).retries) == {"HTTP 429": 2, "TimeoutError": 1}
    assert (ran(job).retry_count, ran(job).cost, ran(job).tokens) == (3, None, None)
    assert "3 tried again (2 HTTP 429, 1 TimeoutError)" in ran(job).summary


def test_a_record_says_why_a_run_ended(job: Job) -> None:
    """A caller that leaves it, and one that stops it."""
    for _ in job.map(str.upper):
        break
    assert (ran(job).ended, ran(job).completed_chunks) == ("left", 1)
    seen: list[int] = []
    for item in job.map(str.upper, on_pause="return", stop_when=lambda: bool(seen)):
        seen.append(item.index)
    assert (seen, ran(job).ended, ran(job).reason) == ([1], "paused", "stop_when returned True")


def test_a_record_names_the_limit_that_ended_a_run(job: Job) -> None:
    """The record has the words of the error of the limit that ended the run."""
    with pytest.raises(BudgetReached):
        list(job.map(lambda _: {"cost": 1.0}, max_cost=1.5))
    assert ran(job).ended == "paused"
    assert "max_cost is 1.5" in str(ran(job).reason)


def test_a_record_names_the_failure_that_ended_a_run(job: Job) -> None:
    """The record of a run names the error of the chunk that stopped it, or the number of failed chunks."""

    def work(_: str) -> None:
        raise KeyError("absent")

    with pytest.raises(KeyError):
        list(job.map(work))
    assert (ran(job).ended, ran(job).reason) == ("failed", "KeyError: 'absent'")
    list(job.map(work, on_error="record"))
    assert ran(job).ended == "failed"
    with pytest.raises(ChunkFailed):
        list(job.map(work))
    assert "4 chunks" in str(ran(job).reason)


def test_a_record_says_which_chunks_a_run_leaves(store: CheckpointStore) -> None:
    """A run that no error ended names the number of failed chunks, and no other loops where no other loop is."""

    def work(chunk: str) -> str:
        if chunk == "b":
            raise ValueError(chunk)
        return chunk

    job = store.open_job("alone", chunks=CHUNKS)
    list(job.map(work, on_error="record"))
    assert (ran(job).ended, ran(job).reason) == ("failed", "1 chunk is failed")
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_an_interrupt_is_an_end(job: Job) -> None:
    """Raised in the caller's own body of the loop."""

    def work(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(job.map(work))
    assert ran(job).ended == "interrupted"


def test_every_job_object_of_a_store_has_the_record(store: CheckpointStore, open_store: Opener) -> None:
    """Each job object of a store object, even after ``store.map``, has the run record; other store objects lack it."""
    store.map(str.upper, CHUNKS, file_name="f")
    (job,) = store.jobs()
    assert ran(job).completed_chunks == 4
    (elsewhere,) = open_store().jobs()
    assert elsewhere.last_run is None


def test_a_record_is_a_value(job: Job) -> None:
    """A run record cannot be changed, is plain JSON, and can be pickled."""
    list(job.map(str.upper))
    record = ran(job)
    assert json.loads(json.dumps(dataclasses.asdict(record)))["completed_chunks"] == 4
    assert pickle.loads(pickle.dumps(record)) == record
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.seconds = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        record.retries["x"] = 1  # type: ignore[index]


def test_times_are_known_to_two_per_cent_in_bounded_memory() -> None:
    """A million times are a few hundred numbers."""
    times = Durations()
    assert times.percentile(50) is None
    for step in range(10_000):
        times.add(0.001 * (step + 1))
    for percent in (50, 95, 99, 100):
        assert times.percentile(percent) == pytest.approx(0.1 * percent, rel=0.02)
    assert len(times._counts) < 500
    times.add(0.0)
    assert times.percentile(0.001) is not None
