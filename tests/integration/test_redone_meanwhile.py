"""A sequential job: another process redoes a chunk just before the result of the next chunk is recorded."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ChunkOutOfOrder, JobNotFound, StorageFullError, current_attempt
from checkpoint_store.storage.group_commit import Writer

from .test_after_a_time_out import Slow, answer, kept, slow, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import CheckpointStore, Job

__all__ = ["slow"]
FROM_OLD = {"from": "old", "cost": 0.5}


def before_the_next_write(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let ``act`` happen when everything was looked at, and the next completion is to be written."""
    submit = Writer.submit

    def act_first(writer: Writer, *arguments: Any) -> bool:
        monkeypatch.setattr(Writer, "submit", submit)
        act()
        return submit(writer, *arguments)

    monkeypatch.setattr(Writer, "submit", act_first)


def redo_by(other: CheckpointStore, job_id: str, *, to_the_end: bool = True) -> None:
    """Let another store object redo chunk 0, whoever has chunk 1 in hand."""
    job = other.job(job_id)
    for runner in job.runners():
        job.release_runner(runner.runner)
    job.redo(0)
    if to_the_end:
        job.complete(0, "new")


def refused_and_kept(job: Job, *, new: bool) -> None:
    """The result that was made from the old one is not recorded; its text and cost are with its attempt."""
    assert (list(job.items()), job.remaining()) == ([(0, "new" if new else "old")], [range(int(new), 2)])
    assert job.costs().cost == 0.5
    (error,) = [attempt.error or "" for attempt in job.attempts() if attempt.chunk_index == 1]
    assert '"from":"old"' in error.replace(" ", "")


@pytest.mark.slow_variants
@pytest.mark.parametrize("to_the_end", [False, True], ids=["marked", "redone"])
@pytest.mark.parametrize("how", ["alone", "many", "loop"])
def test_a_result_is_not_recorded_behind_a_chunk_that_is_redone_at_that_moment(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, how: str, *, to_the_end: bool
) -> None:
    """A sequential result is refused if the chunk before it is redone at that moment; its cost counts."""
    job = open_store().open_job("book.txt", total_chunks=2, sequential=True)
    next(job.pending()).complete("old")
    other = open_store()
    chunks = iter(job.pending()) if how != "loop" else iter(())
    chunk = next(chunks, None)
    before_the_next_write(monkeypatch, lambda: redo_by(other, job.job_id, to_the_end=to_the_end))
    with pytest.raises(ChunkOutOfOrder) as refused:
        if chunk is None:
            list(job.map(lambda _: FROM_OLD))
        elif how == "many":
            job.complete_many([(1, FROM_OLD)])
        else:
            chunk.complete(FROM_OLD)
    assert (refused.value.missing_index, refused.value.is_stale) == (0, to_the_end)
    del chunk, chunks
    job._execution.record_unrecorded()
    refused_and_kept(job, new=to_the_end)
    for again in job.pending():
        again.complete(f"{again.previous}, again")
    assert job.result(1) == ("new, again" if to_the_end else "None, again, again")


def test_a_late_result_is_not_recorded_behind_a_chunk_that_is_redone_at_that_moment(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, open_store: Opener
) -> None:
    """A late sequential result of a closed store is refused if the chunk before it is redone; its cost counts."""
    with open_store() as store:
        job = store.open_job("book.txt", total_chunks=2, sequential=True)
        job.complete(0, "old")
        timed_out(job, slow)
    other = open_store()
    before_the_next_write(monkeypatch, lambda: redo_by(other, job.job_id))
    answer(other.job(job.job_id), slow, caplog)
    job = other.job(job.job_id)
    assert (job.remaining(), kept(tmp_path), job.costs().cost) == ([range(1, 2)], [], 0.5)
    assert "was paid for in vain: chunk 0 was done again after it was begun" in caplog.text


@pytest.mark.slow_variants
@pytest.mark.parametrize("where", ["by the store object", "at the next open"])
def test_an_unrecorded_result_is_not_recorded_behind_a_chunk_that_is_redone_at_that_moment(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The disk was full when it came; the result is taken in at the moment of the redo."""
    store, other = open_store(), open_store()
    job = store.open_job("book.txt", total_chunks=2, sequential=True)
    next(job.pending()).complete("old")

    def full(*_: object) -> None:
        raise StorageFullError(store.path, "No space left on device", 0)

    with monkeypatch.context() as disk:
        disk.setattr(Writer, "submit", full)
        with pytest.raises(StorageFullError):
            list(job.map(lambda _: FROM_OLD))
        if where == "at the next open":
            with pytest.raises(StorageFullError):
                store.close()
    before_the_next_write(monkeypatch, lambda: redo_by(other, job.job_id))
    if where == "by the store object":
        job._execution.record_unrecorded()
    else:
        open_store().close()
    refused_and_kept(other.job(job.job_id), new=True)


def test_a_deleted_sequential_job_is_said_to_be_deleted(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted at the moment at which a result is recorded: no chunk of it is called missing."""
    job = open_store().open_job("book.txt", total_chunks=3, sequential=True)
    job.complete(0, "zero")
    before_the_next_write(monkeypatch, lambda: open_store().delete_job(job.job_id))
    with pytest.raises(JobNotFound):
        job.complete(1, "one")


def test_many_results_of_a_sequential_job_are_recorded_in_one_commit(store: CheckpointStore) -> None:
    """``complete_many`` records new and repeated results of a sequential job in a single commit."""
    job = store.open_job("book.txt", total_chunks=300, sequential=True)
    pairs = [(index, f"page {index}") for index in range(300)]
    job.complete_many(pairs[:100])
    job.complete_many(pairs)
    job.complete(7, "page 7")
    assert (list(job.items()), job.status) == (pairs, "completed")


@pytest.mark.parametrize("how", ["in this program", "in that moment"])
def test_a_result_is_not_recorded_behind_a_result_that_is_replaced(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A result that is corrected by hand is another one: what was made from the result of before is made anew."""
    job = open_store().open_job("book.txt", total_chunks=2, sequential=True)
    next(job.pending()).complete("old")
    other = open_store().job(job.job_id) if how == "in that moment" else job
    (chunk,) = job.pending()
    if how == "in that moment":
        before_the_next_write(monkeypatch, lambda: other.complete(0, "new", replace=True))
    else:
        job.complete(0, "new", replace=True)
    with pytest.raises(ChunkOutOfOrder) as refused:
        chunk.complete(FROM_OLD)
    assert refused.value.is_stale
    refused_and_kept(job, new=True)
    assert [item.result for item in job.map(lambda _: f"from {current_attempt().previous}")] == ["from new"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("act", ["redo", "replace", "remove"])
def test_results_are_not_recorded_together_behind_a_chunk_that_changes_at_that_moment(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """All of them or none: the first result was made from a result that the store no longer has."""
    job = open_store().open_job("book.txt", total_chunks=3, sequential=True)
    chunks = job.pending()
    next(chunks).complete("old")
    chunk, other = next(chunks), open_store()
    acts: dict[str, Callable[[], object]] = {
        "redo": lambda: redo_by(other, job.job_id),
        "replace": lambda: other.job(job.job_id).complete(0, "new", replace=True),
        "remove": lambda: remove_chunk(other, 0),
    }
    before_the_next_write(monkeypatch, acts[act])
    with pytest.raises(ChunkOutOfOrder) as refused:
        job.complete_many([(1, FROM_OLD), (2, "behind it")])
    assert (refused.value.missing_index, refused.value.is_stale) == (0, act != "remove")
    assert job.completed_ranges() == ([] if act == "remove" else [(0, 1)])
    del chunk, chunks


def test_a_result_by_hand_is_not_recorded_behind_a_chunk_that_is_removed_at_that_moment(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk just before counts, whatever else is complete."""
    job, other = open_store().open_job("book.txt", total_chunks=3, sequential=True), open_store()
    job.complete_many([(0, "a"), (1, "b")])
    before_the_next_write(monkeypatch, lambda: remove_chunk(other, 1))
    with pytest.raises(ChunkOutOfOrder, match="before chunk 1"):
        job.complete(2, "c")
    assert job.completed_ranges() == [(0, 1)]


def remove_chunk(store: CheckpointStore, index: int) -> None:
    """Let a person remove the result of a chunk at the prompt of sqlite3."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM completed_chunks WHERE chunk_index = ?", (index,))
