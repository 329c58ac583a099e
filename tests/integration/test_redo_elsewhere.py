"""A redo that is answered elsewhere: in a copy of the store, or in another job. It is not paid for once more."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.maintenance import recover_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store import Job

NAME = "talk.srt"


def work(name: str) -> dict[str, Any]:
    """A result that cost something."""
    return {"text": name, "cost": 0.25}


def texts(job: Job) -> list[str]:
    """Return what each chunk holds."""
    return [one["text"] for one in job.results()]


def costs(path: Path) -> tuple[Any, ...]:
    """Return what the job cost, and what of it went to failed tries and to replaced results."""
    with closing(sqlite3.connect(path)) as raw:
        (found,) = raw.execute("SELECT cost, failed_cost, replaced_cost FROM job_costs").fetchall()
    return tuple(found)


def do(path: Path, name: str, *, by_hand: bool = False) -> list[int]:
    """Do what is left of the job, and return which chunks those were."""
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job(NAME, chunks=list("abcd"))
        left = [chunk.index for chunk in job.pending()] if by_hand else []
        job.complete_many((index, work(name)) for index in left)
        return left + [chunk.index for chunk in job.pending() if chunk.complete(work(name)) is None]


def redo(path: Path, chunks: Iterable[int]) -> None:
    """Ask for chunks to be done again."""
    with CheckpointStore(path, state_file=None) as store:
        store.job(NAME).redo(chunks)


@pytest.mark.slow_variants
@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("again", ["first", "second"])
def test_what_a_copy_of_the_store_did_again_is_taken_in(tmp_path: Path, again: str, *, by_hand: bool) -> None:
    """Another machine was given the store for it. The money of both is counted once, however often it is merged."""
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    assert do(here, "first", by_hand=by_hand) == [0, 1, 2, 3]
    redo(here, [1, 2, 3])
    shutil.copy(here, there)
    redo(here, [0])
    assert do(there, again, by_hand=by_hand) == [1, 2, 3]
    redo(there, [3])
    with CheckpointStore(here, state_file=None) as store:
        (merged,) = store.merge(there).jobs
        assert (merged.added_chunks, merged.contradictions, merged.remaining_chunks) == (3, (), 2)
        job = store.job(NAME)
        assert (job.to_redo(), texts(job), job.status) == ([0, 3], ["first", again, again, again], "paused")
        (merged,) = store.merge(there).jobs
        assert (merged.added_chunks, merged.same_chunks, merged.added_attempts) == (0, 4, 0)
        assert store.check() == []
    assert costs(here) == (1.75, None, 0.75)
    assert do(here, "third") == [0, 3]
    assert costs(here) == (2.25, None, 1.25)


def test_a_job_whose_last_redo_is_merged_is_completed(tmp_path: Path) -> None:
    """The copy did the only chunk that was to be done again: nothing is left here, and the job says so."""
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    do(here, "first")
    redo(here, [1])
    shutil.copy(here, there)
    assert do(there, "again") == [1]
    with CheckpointStore(here) as store:
        (merged,) = store.merge(there).jobs
        assert (merged.remaining_chunks, merged.status, store.job(NAME).status) == (0, "completed", "completed")
        assert '"status": "completed"' in (tmp_path / "here.json").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("again", ["here", "there"])
def test_a_handle_from_before_a_redo_is_no_answer(tmp_path: Path, again: str) -> None:
    """One store still has the handle of the first work, the other asked for a redo: the redo gets no old answer."""
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    with CheckpointStore(here, state_file=None) as store:
        store.open_job(NAME, chunks=list("abcd")).record_handle([1, 2], "batch-1")
    shutil.copy(here, there)
    path = here if again == "here" else there
    do(path, "first")
    redo(path, [1, 2])
    with CheckpointStore(path, state_file=None) as store:
        store.job(NAME).record_handle(2, "batch-2")
    for _ in range(2):
        with CheckpointStore(here, state_file=None) as store:
            store.merge(there)
            job = store.job(NAME)
            assert {chunk.index: chunk.handle for chunk in job.pending()} == {1: None, 2: "batch-2"}


@pytest.mark.slow
def test_what_a_copy_did_before_the_redo_is_no_answer(tmp_path: Path) -> None:
    """A merged result from before a redo, or from an earlier redo, does not answer the redo."""
    here, there, older = tmp_path / "here.db", tmp_path / "there.db", tmp_path / "older.db"
    do(here, "first")
    shutil.copy(here, older)
    redo(here, [1])
    shutil.copy(here, there)
    do(there, "second")
    with CheckpointStore(here, state_file=None) as store:
        store.merge(there)
        job = store.job(NAME)
        job.redo(1)
        for other in (older, there):
            store.merge(other)
            assert (job.to_redo(), texts(job)) == ([1], ["first", "second", "first", "first"])
    assert do(here, "third") == [1]
    assert costs(here) == (1.5, None, 0.5)


def goes_on(
    path: Path, chunks: str, name: str, *, on_change: Any = "reuse", **settings: Any
) -> tuple[list[int], list[str]]:
    """Do what is left of the job of these chunks, as was planned, and return which those were, and what all hold."""
    with CheckpointStore(path, state_file=None) as store:
        planned = store.plan(NAME, chunks=list(chunks), on_change=on_change, **settings)
        job = store.open_job(NAME, chunks=list(chunks), on_change=on_change, **settings)
        done = [chunk.index for chunk in job.pending() if chunk.complete(work(name)) is None]
        assert (planned.chunks_to_do, job.status, job.to_redo(), store.check()) == (len(done), "completed", [], [])
        return done, texts(job)


@pytest.mark.slow
def test_an_edit_and_its_undoing_pay_for_a_redo_once(tmp_path: Path) -> None:
    """The job of the edit did the chunk again; the first job takes that, and says who paid for it."""
    path = tmp_path / "talks.db"
    do(path, "first")
    redo(path, [1, 3])
    assert goes_on(path, "abXd", "edit") == ([1, 2, 3], ["first", "edit", "edit", "edit"])
    assert goes_on(path, "abcd", "undone") == ([], ["first", "edit", "first", "edit"])
    assert goes_on(path, "abcd", "undone") == ([], ["first", "edit", "first", "edit"])
    with closing(sqlite3.connect(path)) as raw:
        paid = raw.execute("SELECT cost, carried, replaced_cost FROM job_costs").fetchall()
    assert paid == [(1.0, 0.5, 0.5), (0.75, 0.25, None)]
    redo(path, [1])
    assert goes_on(path, "abcd", "again") == ([1], ["first", "again", "first", "edit"])


@pytest.mark.slow_variants
@pytest.mark.parametrize("sequential", [False, True])
def test_a_plan_that_is_back_takes_the_answers_by_default(tmp_path: Path, *, sequential: bool) -> None:
    """The edit was opened with ``reuse``: its undoing takes the chunks that the edit did again without a further word."""
    path = tmp_path / "talks.db"
    goes_on(path, "abcd", "first", sequential=sequential)
    redo(path, [2, 3])
    goes_on(path, "abcX", "edit", sequential=sequential)
    again = goes_on(path, "abcd", "undone", on_change="refuse", sequential=sequential)
    assert again == ([3], ["first", "first", "edit", "undone"])


def test_a_plan_that_is_back_takes_no_answers_of_a_restarted_job(tmp_path: Path) -> None:
    """A job that was restarted shares no result, and so no redo, with the job before it."""
    path = tmp_path / "talks.db"
    do(path, "first")
    redo(path, [1])
    goes_on(path, "abcX", "restarted", on_change="restart")
    assert goes_on(path, "abcd", "undone", on_change="refuse") == ([1], ["first", "undone", "first", "first"])


@pytest.mark.slow
def test_an_edit_answers_no_redo_under_other_settings(tmp_path: Path) -> None:
    """A result of another model answers no redo, though it stands in another job of the file."""
    path = tmp_path / "talks.db"
    goes_on(path, "abcd", "first", model="one")
    redo(path, [1])
    other = {"model": "two", "reuse_ignoring": ["model"]}
    assert goes_on(path, "abcd", "two", **other) == ([1], ["first", "two", "first", "first"])
    assert goes_on(path, "abcd", "one", model="one") == ([1], ["first", "one", "first", "first"])


def test_chunks_with_the_same_text_are_each_answered_by_their_own(tmp_path: Path) -> None:
    """Where a text stands twice, each of its places was asked for, and has a result of its own."""
    path = tmp_path / "talks.db"
    goes_on(path, "aab", "first")
    redo(path, [0, 1])
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job(NAME, chunks=list("aabc"), on_change="reuse")
        for chunk in job.pending():
            chunk.complete(work(f"edit {chunk.index}"))
    assert goes_on(path, "aab", "undone") == ([], ["edit 0", "edit 1", "first"])


@pytest.mark.slow
def test_a_store_that_is_made_anew_knows_which_redo_was_answered(tmp_path: Path) -> None:
    """The first job takes the result of the edit's job also after a recovery."""
    path = tmp_path / "talks.db"
    do(path, "first")
    redo(path, [1])
    goes_on(path, "abcX", "edit")
    recover_store(path)
    assert goes_on(path, "abcd", "undone") == ([], ["first", "edit", "first", "first"])


@pytest.mark.slow
def test_a_sequential_job_takes_answers_up_to_the_first_that_is_missing(tmp_path: Path) -> None:
    """Each was made from those before it, there as here."""
    path = tmp_path / "talks.db"
    in_order = {"sequential": True}
    goes_on(path, "abcd", "first", **in_order)
    redo(path, [1, 2, 3])
    assert goes_on(path, "abcX", "edit", **in_order) == ([1, 2, 3], ["first", "edit", "edit", "edit"])
    assert goes_on(path, "abcd", "undone", **in_order) == ([3], ["first", "edit", "edit", "undone"])
    assert goes_on(path, "abcX", "undone", **in_order) == ([], ["first", "edit", "edit", "edit"])


@pytest.mark.slow
def test_a_sequential_job_takes_no_answers_behind_another_result(tmp_path: Path) -> None:
    """The job of the edit and the first one, which was still at work, each did a chunk: what follows is each one's own."""
    path = tmp_path / "talks.db"
    goes_on(path, "abcd", "first", sequential=True)
    redo(path, [1, 2, 3])
    with CheckpointStore(path, state_file=None) as store:
        mine = store.job(NAME)
        assert goes_on(path, "abcX", "edit", sequential=True)[0] == [1, 2, 3]
        for chunk in mine.pending():
            chunk.complete(work("mine"))
            break
    assert goes_on(path, "abcd", "undone", sequential=True) == ([2, 3], ["first", "mine", "undone", "undone"])


@pytest.mark.slow
@pytest.mark.parametrize("again", ["first", "again"])
def test_a_recovery_knows_who_paid_for_a_result_that_was_done_again(tmp_path: Path, again: str) -> None:
    """An older backup still has the chunk as carried over; this job paid for it since, and its budget counts that."""
    path = tmp_path / "talks.db"
    do(path, "first")
    goes_on(path, "abcX", "edit")
    shutil.copy(path, path.with_name("talks.db.backup-1.5-9999"))
    redo(path, [0, 1])
    assert goes_on(path, "abcX", again)[0] == [0, 1]

    def paid() -> list[Any]:
        with closing(sqlite3.connect(path)) as raw:
            return raw.execute("SELECT cost, carried FROM job_costs").fetchall()

    before = paid()
    recover_store(path)
    assert paid() == before == [(0.75, 0.25), (1.0, 0.0)]


@pytest.mark.slow
def test_an_older_copy_adds_no_cost_of_what_was_replaced(tmp_path: Path) -> None:
    """A merged older copy adds no cost of a replaced result, even if the attempt of that result was pruned here."""
    here, older = tmp_path / "here.db", tmp_path / "older.db"
    do(here, "first")
    shutil.copy(here, older)
    with CheckpointStore(here, state_file=None) as store:
        assert store.prune(older_than_days=0, keep_last=9, dry_run=False).attempts == 4
        store.job(NAME).redo([1])
    do(here, "second")
    for _ in range(2):
        with CheckpointStore(here, state_file=None) as store:
            assert store.merge(older).jobs[0].contradictions == (1,)
        assert costs(here) == (1.25, None, 0.25)
