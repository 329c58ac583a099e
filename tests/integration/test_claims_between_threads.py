"""What two threads, or two blocks of one thread, do to the same claim at the same moment."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import StoreBusy
from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.storage.verbs.claims import ClaimStorage

from .claims_tools import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Opener

    from checkpoint_store import CheckpointStore
    from checkpoint_store.storage.records.records import Completion


def in_thread(work: Any) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_chunk_that_two_runners_had_is_claimed_once(store: CheckpointStore) -> None:
    """A crashed runner and the runner after it had the chunk, or it got a redo mark meanwhile: one call is paid for."""
    queue = store.open_job("talk.srt", total_chunks=10)._execution.queue(places=4)
    queue._next, queue._held_by_others = 10, [(7, 0), (7, 3), (7, 4)]
    claimed = queue.take(4)
    assert [chunk.index for chunk in claimed] == [7]
    queue.close(claimed)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_released_chunk_is_not_freed_in_the_hand_of_the_next_loop(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Another thread claims the chunk while it is being released: no third loop gets it as well."""
    job = store.open_job("talk.srt", total_chunks=1)
    claims, first, second = job._execution.claims, job._execution.queue(), job._execution.queue()
    (chunk,) = first.take(1)
    queue_release, claimed = claims.storage.queue_release, []
    thread = threading.Thread(target=lambda: claimed.extend(second.take(1)))

    def release(*given: Any, begun: bool) -> None:
        monkeypatch.setattr(claims.storage, "queue_release", queue_release)
        if moment == "after":
            queue_release(*given, begun=begun)
        thread.start()
        if moment == "before":
            queue_release(*given, begun=begun)

    monkeypatch.setattr(claims.storage, "queue_release", release)
    claims.release([chunk])
    thread.join()
    claimed = claimed or second.take(1)
    assert [claims.in_hand.holds(taken) for taken in claimed] == [True]
    claims.storage.release(job.job_id)
    others = open_store().job("talk.srt")._execution.queue()
    assert others.take(1) == []
    for queue in (first, second, others):
        queue.close()


@pytest.mark.parametrize("drop", [in_thread, lambda drop: drop()])
def test_a_chunk_that_is_dropped_while_a_loop_takes_it_up_is_not_freed(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch, drop: Any
) -> None:
    """The chunk of a loop that has ended goes to the next loop, and its last reference goes meanwhile: one work on it."""
    job, claim = store.open_job("talk.srt", total_chunks=2), ClaimStorage.claim
    kept = list(itertools.islice(job.pending(), 1))

    def claim_and_drop(*given: Any) -> Any:
        found = claim(*given)
        drop(kept.clear)  # as a garbage collection may do, in this thread or in another one
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ClaimStorage, "claim", claim_and_drop)
        taken = next(loop := job.pending())
    others = [chunk.index for chunk in open_store().job("talk.srt").pending() if chunk.complete("theirs") is None]
    assert (taken.index, others) == (0, [1])
    loop.close()


def test_a_chunk_that_is_dropped_during_a_search_is_free_after_it(
    store: CheckpointStore, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for the end of the search, and the chunk goes to whoever asks next."""
    job, claim = store.open_job("talk.srt", total_chunks=3), ClaimStorage.claim
    kept = list(itertools.islice(job.pending(), 1))
    claims, loop = job._execution.claims, job._execution.queue()

    def drop_and_claim(*given: Any) -> Any:
        kept.clear()
        return claim(*given)

    with monkeypatch.context() as patch:
        patch.setattr(ClaimStorage, "claim", drop_and_claim)
        claims.claim(loop._loop, [(1, 2)], 1)
    assert [chunk.index for chunk in open_store().job("talk.srt").pending() if chunk.complete("theirs") is None] == [
        0,
        2,
    ]
    loop.close()


def test_a_with_block_in_the_body_of_a_loop_ends_nothing(store: CheckpointStore, open_store: Opener) -> None:
    """The body opens the same job to read its progress: the chunk in work stays its own, and the job runs on."""
    job, calls = store.open_job("talk.srt", total_chunks=4), list[int]()
    others = iter(open_store().job("talk.srt").pending())
    for chunk in job.pending():
        with store.job("talk.srt") as same:
            same.progress()
        assert same.status == "running"
        if chunk.index == 0:
            other = next(others)
            other.complete("theirs")
            calls.append(other.index)
        chunk.complete("ours")
        calls.append(chunk.index)
    assert sorted(calls) == [0, 1, 2, 3]


def test_an_error_in_such_a_block_is_told_by_the_job(store: CheckpointStore) -> None:
    """The job is failed, with the message, also if a loop around the block was never closed."""
    job = store.open_job("talk.srt", total_chunks=4)
    loop = job.pending()
    chunk = next(loop)
    with pytest.raises(ValueError, match="no such word"), store.job("talk.srt"):
        raise ValueError("no such word")
    assert (job.status, job.state().error_message) == ("failed", "ValueError: no such word")
    assert job._execution.claims.in_hand.attempt_at(chunk.index)[0] == 1


def test_a_with_block_around_a_loop_still_ends_it(store: CheckpointStore) -> None:
    """A block within the loop does not hide the end of the outer block: the job is paused, and nothing is claimed."""
    with store.open_job("talk.srt", total_chunks=4) as job:
        loop = job.pending()
        next(loop).complete("x")
        chunk = next(loop)
        with store.job("talk.srt"):
            pass
    assert (job.status, chunk.index) == ("paused", 1)
    assert rows(store.path, "SELECT chunk_index FROM attempts WHERE outcome = 'running'") == []


def test_a_chunk_claimed_ahead_is_free_if_the_store_cannot_be_asked_about_it(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that asks again, once the store answers, gets the chunk."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 1e9)
    job = store.open_job("talk.srt", total_chunks=3)
    queue = job._execution.queue()
    for index in (0, 1):
        (chunk,) = queue.take(1)
        queue.start(chunk)
        job.complete(index, "x")  # and chunk 2 is claimed along with that of chunk 1
    monkeypatch.setattr(chunk_queue, "_COMES_BACK_SECONDS", 0.0)

    def busy(*_: object) -> int:
        raise StoreBusy(store.path, 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(queue.claims.storage, "completed_in", busy)
        with pytest.raises(StoreBusy):
            queue.take(1)
    assert [chunk.index for chunk in queue.take(1)] == [2]
    queue.close()


# -- results that are not recorded yet


def test_two_threads_record_what_waits_and_lose_nothing(store: CheckpointStore) -> None:
    """A file of unrecorded results keeps all of them while two threads record and keep results."""
    job = store.open_job("talk.srt", total_chunks=10)
    first, second = (job._execution.completion(index, {"index": index}) for index in (1, 2))
    unrecorded = store._context.unrecorded
    is_waiting, may_fail = threading.Event(), threading.Event()

    def busy(_: Sequence[Completion]) -> None:
        is_waiting.set()
        may_fail.wait()
        raise StoreBusy(store.path, 1.0)

    def record(with_what: Any) -> None:
        with pytest.raises(StoreBusy):
            unrecorded.record(store._context.writing, with_what)

    unrecorded.keep([first])
    waits = threading.Thread(target=record, args=(busy,))
    waits.start()
    is_waiting.wait()
    also = threading.Thread(target=record, args=(busy,))
    also.start()
    unrecorded.keep([second])
    may_fail.set()
    waits.join()
    also.join()
    (path,) = store.path.parent.glob("*.unrecorded-*")
    assert [f'"chunk_index": {index}' in path.read_text() for index in (1, 2)] == [True, True]
    unrecorded.record(store._context.writing, store._context.record)
    assert [index for index, _ in job.items()] == [1, 2]
    assert list(store.path.parent.glob("*.unrecorded-*")) == []
