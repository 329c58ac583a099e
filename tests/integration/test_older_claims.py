"""A chunk object that a caller keeps is one try: it acts on that try, though a later try has the chunk by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ChunkAlreadyCompleted

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", total_chunks=1)


def outcomes(job: Job) -> list[tuple[int, str]]:
    return [(attempt.attempt, attempt.outcome) for attempt in job.attempts()]


def test_the_result_of_an_older_try_is_its_own(job: Job) -> None:
    """A chunk object of an older try completes its chunk, and the cost of the later try's answer counts."""
    older = next(job.pending())
    older.fail("no answer")
    later = next(job.pending())
    older.complete({"cost": 0.5})
    assert outcomes(job)[0] == (1, "completed")
    with pytest.raises(ChunkAlreadyCompleted):
        later.complete({"cost": 0.25})
    assert (job.result(0), job.costs().cost) == ({"cost": 0.5}, 0.75)


def test_an_older_try_does_not_answer_a_redo(job: Job) -> None:
    """A result of a try from before a redo does not answer the redo."""
    older = next(job.pending())
    older.complete("first")
    job.redo(0)
    with pytest.raises(ChunkAlreadyCompleted):
        older.complete("just as old")
    assert (job.to_redo(), job.result(0)) == ([0], "first")
    (later,) = job.pending()
    later.complete("second")
    assert (job.to_redo(), job.result(0)) == ([], "second")


def test_the_failure_of_an_older_try_ends_no_later_one(job: Job) -> None:
    """What it cost is counted with it, and the later try may still fail and be repeated as often as before."""
    older = next(job.pending())
    older.fail("no answer")
    later = next(job.pending())
    older.fail("still no answer", cost=0.5)
    assert outcomes(job) == [(1, "failed"), (2, "running")]
    later.complete("done")
    assert outcomes(job) == [(1, "failed"), (2, "completed")]
    assert (job.costs().cost, job.costs().failed_cost) == (0.5, 0.5)


def test_an_older_try_records_no_handle_for_a_redo(job: Job) -> None:
    """The service would give the earlier result once more, in place of another one."""
    older = next(job.pending())
    older.complete("first")
    job.redo(0)
    older.record_handle("batch-1")
    later = next(job.pending())
    assert later.handle is None
    later.record_handle("batch-2")
    older.record_handle(None)
    later.fail("no answer")
    assert next(job.pending()).handle == "batch-2"
