"""The verb that claims, for a job whose chunks are done in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store.storage.records.records import Claim, ClaimRequest, ClaimSearchResult
from checkpoint_store.storage.verbs.claims import ClaimStorage

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

TOTAL = 6


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A sequential job of six chunks."""
    return store.open_job("talk.srt", total_chunks=TOTAL, sequential=True)


@pytest.fixture
def storage(store: CheckpointStore) -> ClaimStorage:
    """What one store object does."""
    return ClaimStorage(store._context.storage.database)  # type: ignore[arg-type]


def claim(
    storage: ClaimStorage, job: Job, runner_id: int, *spans: tuple[int, int], in_hand: tuple[int, ...] = ()
) -> ClaimSearchResult:
    return storage.claim(ClaimRequest(job.job_id, runner_id, spans, 4, None, in_hand, frozenset(), in_order=True))


def test_one_chunk_is_claimed_however_many_are_wanted(job: Job, storage: ClaimStorage) -> None:
    """The lowest incomplete chunk is claimed; while it is in hand, nobody claims another chunk."""
    runner_id = storage.runners.register(job.job_id, exclusive=False)
    found = claim(storage, job, runner_id, (0, TOTAL))
    assert (found.claims, found.next_index) == ([Claim(0, 1)], 0)
    found = claim(storage, job, runner_id, (0, TOTAL), in_hand=(0,))
    assert (found.claims, found.held, found.next_index) == ([], [(0, runner_id)], 0)
    job.complete(0, "x")
    assert claim(storage, job, runner_id, (0, TOTAL)).claims == [Claim(1, 1)]


def test_another_runner_is_waited_for(job: Job, storage: ClaimStorage, open_store: Opener) -> None:
    """The chunk of a living runner is said to be held; that of a dead one is claimed."""
    other = ClaimStorage(open_store()._context.storage.database)  # type: ignore[arg-type]
    other_id = other.runners.register(job.job_id, exclusive=False)
    assert claim(other, job, other_id, (0, TOTAL)).claims == [Claim(0, 1)]
    runner_id = storage.runners.register(job.job_id, exclusive=False)
    assert claim(storage, job, runner_id, (0, TOTAL)).held == [(0, other_id)]
    other.runners.drop(other_id)
    assert claim(storage, job, runner_id, (0, TOTAL)).claims in ([Claim(0, 1)], [Claim(0, 2)])


def test_a_span_waits_for_what_stands_before_it(job: Job, storage: ClaimStorage) -> None:
    """A span waits for all chunks before it, even those in no span of the request."""
    runner_id = storage.runners.register(job.job_id, exclusive=False)
    job.complete_many([(0, "a"), (1, "b")])
    found = claim(storage, job, runner_id, (1, 2), (4, TOTAL))
    assert (found.claims, found.held, found.next_index) == ([], [], 4)
    job.complete_many([(2, "c"), (3, "d")])
    assert claim(storage, job, runner_id, (1, 2), (4, TOTAL)).claims == [Claim(4, 1)]
