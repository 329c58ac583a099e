"""What is left: of a job as ranges, and of a store as a list of its incomplete jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.storage.verbs.jobs import JobVerbs

from .open_job_tools import work_through

if TYPE_CHECKING:
    from conftest import Opener

    from checkpoint_store import CheckpointStore


def test_what_is_left_is_said_as_ranges(store: CheckpointStore) -> None:
    """Whoever wants the indices needs no list of a million: each range is a stretch of chunks that are not complete."""
    job = store.open_job("f", total_chunks=10)
    assert job.remaining() == [range(10)]
    job.complete_many((index, index) for index in (0, 3, 4, 9))
    assert job.remaining() == [range(1, 3), range(5, 9)]
    job.complete_many((index, index) for index in (1, 2, 5, 6, 7, 8))
    assert job.remaining() == []
    assert store.open_job("empty", total_chunks=0).remaining() == []


def test_asking_what_is_left_claims_nothing(store: CheckpointStore) -> None:
    """A chunk that a loop has in hand, one that failed and one that nobody touched are left alike."""
    job = store.open_job("f", chunks=["a", "b", "c"])
    in_hand = next(iter(job.pending()))
    job.fail_chunk(1, "no")
    assert job.remaining() == [range(3)]
    assert job.running_chunks()[0].chunk_index == in_hand.index
    in_hand.complete("A")
    assert work_through(job) == ["b", "c"]


@pytest.mark.slow
def test_what_is_left_of_a_large_job_crosses_pages(store: CheckpointStore) -> None:
    """Ranges are whole where the rows are read in pages of a few thousand."""
    job = store.open_job("f", total_chunks=10_000)
    job.complete_many((index, 0) for index in range(10_000) if not 4000 <= index < 4200 and index != 9_999)
    assert job.remaining() == [range(4000, 4200), range(9_999, 10_000)]
    assert job.completed_ranges() == [(0, 4000), (4200, 9_999)]


def test_a_read_only_store_says_what_is_left(store: CheckpointStore, open_store: Opener) -> None:
    """Looking at a job needs no right to write it."""
    store.open_job("f", total_chunks=4).complete(1, "done")
    assert open_store(read_only=True).job("f").remaining() == [range(1), range(2, 4)]


def test_a_resume_prompt_reads_each_job_once(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt says "37 of 50" of each incomplete job: the list has the numbers, and no job is read again for its own."""
    for number in range(30):
        job = store.open_job(f"file {number}", total_chunks=50)
        job.complete_many((index, index) for index in range(number))
    listed = store.incomplete_jobs()

    def refuse(*_: Any) -> None:
        raise AssertionError("a row was read")

    with monkeypatch.context() as patch:
        patch.setattr(JobVerbs, "find", refuse)
        shown = [(job.file_name, job.progress().completed_chunks, job.progress().total_chunks) for job in listed]
    assert shown == [(f"file {number}", number, 50) for number in reversed(range(30))]


@pytest.mark.parametrize("by", ["itself", "another"])
def test_progress_of_a_listed_job_is_never_old(store: CheckpointStore, open_store: Opener, by: str) -> None:
    """What was recorded since the list was made shows, whoever recorded it."""
    store.open_job("f", total_chunks=2)
    (listed,) = store.incomplete_jobs()
    assert listed.progress().completed_chunks == 0
    (store if by == "itself" else open_store()).job("f").complete(0, "done")
    assert listed.progress().completed_chunks == 1
    listed.complete(1, "done")
    assert (listed.progress().completed_chunks, store.incomplete_jobs()) == (2, [])


def test_incomplete_jobs_are_the_newest_first_without_superseded_ones(store: CheckpointStore) -> None:
    """``incomplete_jobs`` has each file's job that goes on, whatever its status, and no superseded job."""
    first = store.open_job("talk", chunks=["a", "b"])
    first.complete(0, "A")
    other = store.open_job("other", chunks=["a", "b"])
    other.pause()
    second = store.open_job("talk", chunks=["a", "c"], on_change="restart")
    work_through(store.open_job("done", chunks=["a"]))
    second.fail("no room")
    assert [job.job_id for job in store.incomplete_jobs()] == [second.job_id, other.job_id]
