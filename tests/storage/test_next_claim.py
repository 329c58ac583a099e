"""What a completion claims along: the next chunk of its runner, where nobody has tried that chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ChunkAlreadyCompleted
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec.digest import digest
from checkpoint_store.storage.records.records import ClaimRequest, Completion, FailedAttempt, NextClaim
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job
    from checkpoint_store.storage.storage import Storage

TOTAL = 5


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of five chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL)


@pytest.fixture
def storage(store: CheckpointStore) -> Storage:
    """The verbs of its store."""
    return store._context.storage


@pytest.fixture
def runner_id(storage: Storage, job: Job) -> int:
    """A runner that has claimed the first chunk."""
    runner_id = storage.claims.runners.register(job.job_id, exclusive=False)
    storage.claims.claim(ClaimRequest(job.job_id, runner_id, [(0, TOTAL)], 1, None, (), ()))
    return runner_id


def completion(job: Job, index: int, text: str = "1", attempt: int | None = 1, *, replace: bool = False) -> Completion:
    return Completion(job.job_id, index, now(), text, digest(job.job_id, index, text), None, attempt, 0.5, replace)


def running(storage: Storage) -> list[tuple[int, int, int]]:
    asked = "SELECT chunk_index, number, runner_id FROM attempts WHERE outcome = 'running'"
    return storage.database.read(lambda connection: connection.execute(asked).fetchall())


def test_an_untried_chunk_is_claimed(storage: Storage, job: Job, runner_id: int) -> None:
    """The completion is recorded, and the next chunk is the runner's."""
    assert storage.complete([completion(job, 0)], NextClaim(1, runner_id))
    assert (running(storage), job.result(0)) == ([(1, 1, runner_id)], 1)


def test_an_attempt_that_is_not_there_is_told_from_a_claim(storage: Storage, job: Job, runner_id: int) -> None:
    """A completion that ends no attempt changes as many rows as one that claims nothing."""
    assert storage.complete([completion(job, 3)], NextClaim(4, runner_id))
    assert running(storage) == [(0, 1, runner_id), (4, 1, runner_id)]
    assert not storage.complete([completion(job, 2)], NextClaim(4, runner_id))


def test_a_chunk_that_was_tried_is_not_claimed(storage: Storage, job: Job, runner_id: int) -> None:
    """If the next chunk is complete, failed or in another's hand, the completion alone is recorded."""
    ClaimStorage(storage.database).fail(
        FailedAttempt(job.job_id, 1, None, None, "no", None, attempts_max=3, is_counted=True, tries_again=False)
    )
    storage.complete([completion(job, 2, attempt=None)])
    for index, tried in ((0, 1), (3, 2), (4, 3)):
        assert not storage.complete([completion(job, index)], NextClaim(tried, runner_id))
    assert (running(storage), job.progress().completed_chunks) == ([], 4)


def test_what_is_recorded_already_claims_nothing(storage: Storage, job: Job, runner_id: int) -> None:
    """A repeated result changes nothing, another one is refused, and one that replaces it claims nothing."""
    storage.complete([completion(job, 0)])
    assert not storage.complete([completion(job, 0)], NextClaim(1, runner_id))
    with pytest.raises(ChunkAlreadyCompleted):
        storage.complete([completion(job, 0, "2")], NextClaim(1, runner_id))
    assert not storage.complete([completion(job, 0, "2", replace=True)], NextClaim(1, runner_id))
    assert (running(storage), job.result(0)) == ([], 2)


def test_several_completions_claim_nothing(storage: Storage, job: Job, runner_id: int) -> None:
    """Only a lone completion claims the next chunk."""
    assert not storage.complete([completion(job, 0), completion(job, 1)], NextClaim(2, runner_id))
    assert running(storage) == []
