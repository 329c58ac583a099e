"""Completions that come together: one commit, and one change of their job's row, which counts all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store.model.codec.digest import digest
from checkpoint_store.storage.records.records import ClaimRequest, Completion

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.storage.storage import Storage

TOTAL = 6
EARLY, LATE = "2100-01-01T00:00:00.000Z", "2100-01-01T00:00:09.000Z"


@pytest.fixture
def storage(store: CheckpointStore) -> Storage:
    """The verbs of one store object."""
    return store._context.storage


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


def completion(job: Job, index: int, at: str = EARLY, attempt: int | None = None) -> Completion:
    return Completion(job.job_id, index, at, "1", digest(job.job_id, index, "1"), None, attempt, 0.5)


def rows_changed(storage: Storage) -> int:
    connection = storage.database.writer.connection
    assert connection is not None
    return connection.total_changes


def test_a_batch_changes_its_job_once(storage: Storage, job: Job) -> None:
    """Five results that come together are five rows of each kind, and one change of the job, not five."""
    job.complete(0, 1)
    before = rows_changed(storage)
    storage.complete([completion(job, index) for index in range(1, TOTAL)])
    assert rows_changed(storage) - before == 2 * 5 + 1
    assert (job.progress().completed_chunks, job.status) == (TOTAL, "completed")


def test_a_job_was_updated_at_the_latest_time_of_its_batch(storage: Storage, job: Job) -> None:
    """A batch whose completions are not in the order of their times sets the latest time at the job."""
    storage.complete([completion(job, 0), completion(job, 1, LATE), completion(job, 2)])
    assert (job.progress().completed_chunks, job.state().updated_at, job.status) == (3, LATE, "running")


def test_completions_of_two_jobs_in_a_batch_are_counted_each_for_its_own(
    store: CheckpointStore, storage: Storage, job: Job
) -> None:
    """Threads that complete chunks of two jobs share a commit, and no count."""
    other = store.open_job("other.srt", total_chunks=2)
    storage.complete([completion(job, 0), completion(other, 0), completion(job, 1), completion(other, 1, LATE)])
    assert (job.progress().completed_chunks, other.progress().completed_chunks) == (2, 2)
    assert (job.status, other.status, other.state().updated_at, store.check()) == ("running", "completed", LATE, [])


def test_an_attempt_that_is_not_there_keeps_no_batch_from_being_recorded(storage: Storage, job: Job) -> None:
    """A batch is recorded even if a merge or a recovery left no row for the attempt of a result."""
    runner_id = storage.claims.runners.register(job.job_id, exclusive=False)
    storage.claims.claim(ClaimRequest(job.job_id, runner_id, [(0, TOTAL)], 2, None, (), ()))
    before = rows_changed(storage)
    storage.complete([completion(job, 0, attempt=1), completion(job, 1, attempt=1), completion(job, 4, attempt=7)])
    assert rows_changed(storage) - before == 2 * 3 + 1 + 2
    assert sorted(dict(job.items())) == [0, 1, 4]


def test_a_batch_that_is_complete_in_part_is_counted_exactly(storage: Storage, job: Job) -> None:
    """In a batch that is complete in part, repeated results change nothing, and the others are counted."""
    storage.complete([completion(job, 1)])
    storage.complete([completion(job, index) for index in range(4)])
    assert (job.progress().completed_chunks, job.status) == (4, "running")


def test_the_last_chunks_of_a_job_with_a_redo_mark_do_not_complete_it(storage: Storage, job: Job) -> None:
    """A batch does not complete a job of which another chunk is to be done again."""
    storage.complete([completion(job, 0)])
    job.redo([0])
    storage.complete([completion(job, index) for index in range(1, TOTAL)])
    assert (job.status, job.progress().remaining_chunks) == ("running", 1)
