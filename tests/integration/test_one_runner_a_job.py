"""However many threads begin at one job at the same moment, the store object is one runner of it."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.execution.claims.claims_by_job import ClaimsByJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store import CheckpointStore
    from checkpoint_store.execution.claims.claims import Claims

THREADS = 8


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_begin_together_share_their_claims(store: CheckpointStore, hasty: None) -> None:
    """Threads that begin at a job together are a single runner, which sees the completion of each of its claims."""
    context = store.open_job("talk.srt", total_chunks=4)._context
    barrier = threading.Barrier(THREADS)

    def ask(job_id: str) -> Claims:
        barrier.wait(60)
        return context.claims_of(job_id)

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(100):
            assert len(set(pool.map(ask, [f"job {number}"] * THREADS))) == 1


def test_claims_that_nobody_needs_take_no_room(store: CheckpointStore) -> None:
    """A service that works on thousands of jobs, one after the other, keeps nothing of those that are done."""
    context = store.open_job("talk.srt", total_chunks=4)._context
    for number in range(20):
        assert context.claims_of(f"job {number}").job_id == f"job {number}"
        assert len(context.claims._refers) <= 2
    assert len(context.claims) == 0


def test_making_claims_may_ask_for_others(store: CheckpointStore) -> None:
    """Making the claims of a job may ask for other claims, as a finalizer does in the middle of it."""
    context = store.open_job("talk.srt", total_chunks=4)._context
    by_job = ClaimsByJob()
    kept: list[Claims] = []

    def make() -> Claims:
        kept.append(by_job.of("another job", lambda: context.claims_of("another job")))
        return context.claims_of("a job")

    made = by_job.of("a job", make)
    assert (made.job_id, by_job.at_hand("a job"), by_job.at_hand("another job")) == ("a job", made, kept[0])
