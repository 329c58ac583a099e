"""Handles travel with a fingerprint as results do: an edit pays for no chunk again whose work a service holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, PlanChanged, StorageFullError
from checkpoint_store.maintenance import recover_store
from checkpoint_store.storage.verbs.handles import HandleStorage

from .claims_tools import rows

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import Job

CHUNKS = ["one", "two", "three", "four"]
EDITED = ["one", "two", "new", "three", "four"]


def handles(job: Job) -> dict[int, str | None]:
    """What the next tries of a job find."""
    return {chunk.index: chunk.handle for chunk in job.pending()}


def submitted(store: CheckpointStore, **options: Any) -> Job:
    """A job with one result, and a batch with two other chunks."""
    job = store.open_job("talk.txt", **({"chunks": CHUNKS} | options))
    job.complete(0, "ONE")
    job.record_handle([1, 3], "batch-1")
    return job


def test_an_edit_keeps_what_the_service_holds(store: CheckpointStore) -> None:
    """A chunk was inserted: one is carried over, and two are asked for, at their new places."""
    submitted(store)
    with pytest.raises(PlanChanged, match=r"keeps 1 result .*, and 2 handles of work that a service holds") as changed:
        store.open_job("talk.txt", chunks=EDITED)
    assert (changed.value.reusable_results, changed.value.reusable_handles) == (1, 2)
    plan = store.plan("talk.txt", chunks=EDITED, on_change="reuse")
    assert (plan.kept, plan.with_handle, plan.chunks_to_do) == (1, (1, 4), 4)
    job = store.open_job("talk.txt", chunks=EDITED, on_change="reuse")
    assert handles(job) == {1: "batch-1", 2: None, 3: None, 4: "batch-1"}
    job.record_handle([1], "batch-2")
    assert handles(store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse")) == {
        1: "batch-1",
        2: None,
        3: "batch-1",
    }


def test_a_job_with_handles_and_no_result_is_protected(store: CheckpointStore) -> None:
    """All chunks were submitted, and nothing came back yet: that is paid for as much as a result is."""
    store.open_job("talk.txt", chunks=CHUNKS).record_handle(range(4), "batch-1")
    with pytest.raises(PlanChanged) as changed:
        store.open_job("talk.txt", chunks=EDITED)
    assert (changed.value.reusable_results, changed.value.reusable_handles) == (0, 4)
    assert store.plan("talk.txt", chunks=EDITED, on_change="reuse").action == "reuse"
    assert handles(store.open_job("talk.txt", chunks=EDITED, on_change="reuse"))[4] == "batch-1"


def test_an_edit_that_is_undone_finds_them(store: CheckpointStore) -> None:
    """The first job goes on with its own handles."""
    first = submitted(store)
    store.open_job("talk.txt", chunks=EDITED, on_change="reuse")
    again = store.open_job("talk.txt", chunks=CHUNKS)
    assert (again.job_id, handles(again)) == (first.job_id, {1: "batch-1", 2: None, 3: "batch-1"})


def test_an_edit_that_is_undone_finds_what_was_submitted_for_the_edit(store: CheckpointStore) -> None:
    """The service holds chunk 2 for the job of the edit: the first job asks for that result, and pays nothing."""
    submitted(store)
    store.open_job("talk.txt", chunks=EDITED, on_change="reuse").record_handle([2, 3], "batch-2")
    assert store.plan("talk.txt", chunks=CHUNKS).with_handle == (1, 2, 3)
    assert handles(store.open_job("talk.txt", chunks=CHUNKS)) == {1: "batch-1", 2: "batch-2", 3: "batch-1"}


@pytest.mark.parametrize("how", [{"on_change": "restart"}, {"fresh": True}], ids=["restart", "fresh"])
def test_who_starts_from_nothing_gets_none(store: CheckpointStore, how: dict[str, Any]) -> None:
    """A job that starts from nothing gets neither results nor handles of an earlier job."""
    submitted(store)
    job = store.open_job("talk.txt", chunks=EDITED, **how)
    assert set(handles(job).values()) == {None}


def test_another_model_is_asked_anew(store: CheckpointStore) -> None:
    """What another model was asked for is another result, unless the caller passes over the model."""
    submitted(store, model="small")
    options: dict[str, Any] = {"chunks": CHUNKS, "model": "large", "on_change": "reuse"}
    assert store.plan("talk.txt", **options).with_handle == ()
    job = store.open_job("talk.txt", **options, reuse_ignoring=("model",))
    assert handles(job) == {1: "batch-1", 2: None, 3: "batch-1"}


def test_another_name_of_the_file_finds_them(store: CheckpointStore) -> None:
    """A renamed file costs nothing."""
    submitted(store)
    assert handles(store.open_job("renamed.txt", chunks=CHUNKS, on_change="reuse"))[1] == "batch-1"


def test_a_job_that_goes_on_takes_what_another_one_submitted_since(store: CheckpointStore) -> None:
    """A job that goes on with ``reuse`` takes later handles of another job for its chunks without a handle."""
    first = store.open_job("talk.txt", chunks=CHUNKS)
    first.complete(0, "ONE")
    first.record_handle(1, "own")
    other = store.open_job("talk.txt", chunks=EDITED, on_change="reuse")
    other.record_handle([1, 3], "batch-2")
    assert store.plan("talk.txt", chunks=CHUNKS, on_change="reuse").with_handle == (1, 2)
    again = store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse")
    assert (again.job_id, handles(again)) == (first.job_id, {1: "own", 2: "batch-2", 3: None})


def test_a_result_is_better_than_a_handle(store: CheckpointStore) -> None:
    """What came back since is carried over, and nobody asks for it."""
    job = submitted(store)
    job.complete(1, "TWO")
    carried = store.open_job("talk.txt", chunks=EDITED, on_change="reuse")
    assert (list(carried.items()), carried.plan().with_handle) == ([(0, "ONE"), (1, "TWO")], (4,))


def test_a_chunk_that_stands_twice_is_asked_for_in_both_places(store: CheckpointStore) -> None:
    """A chunk that stands twice gets its handle in both places, as it gets a result."""
    submitted(store)
    job = store.open_job("talk.txt", chunks=["two", "two", "one"], on_change="reuse")
    assert handles(job) == {0: "batch-1", 1: "batch-1"}


def test_a_batch_that_is_asked_for_in_two_places_costs_once(store: CheckpointStore) -> None:
    """A batch whose chunk stands in two places was paid for once, and costs and totals count it once."""
    submitted(store)
    job = store.open_job("talk.txt", chunks=["two", "new", "two", "one"], on_change="reuse")
    for chunk in job.pending():
        chunk.complete({"cost": 10, "text": "TWO", "chunk_index": chunk.index} if chunk.handle else {"cost": 1})
    job.complete(3, {"cost": 4}, replace=True)
    assert (job.costs().cost, job.totals("cost"), job.result(2)["chunk_index"]) == (15, {"cost": 15}, 2)
    later = store.open_job("talk.txt", chunks=["new", "two", "two", "one"], on_change="reuse")
    assert (later.costs().cost, later.costs().carried, later.totals("cost")) == (0, 15, {"cost": 15})


def test_a_batch_with_a_chunk_in_two_places_costs_twice(store: CheckpointStore) -> None:
    """A batch that held a chunk twice was paid for twice, however many places the chunk has in a later job."""
    job = store.open_job("talk.txt", chunks=["two", "one", "two"])
    job.record_handle([0, 2], "batch-1")
    for chunk in store.open_job("talk.txt", chunks=["two", "two", "two", "one"], on_change="reuse").pending():
        chunk.complete({"cost": 10 if chunk.handle else 1})
    for chunk in job.pending():
        chunk.complete({"cost": 10 if chunk.handle else 1})
    latest = store.latest_job()
    assert latest is not None
    assert (job.costs().cost, latest.costs().cost, latest.totals("cost")) == (21, 21, {"cost": 21})


def test_a_chunk_that_was_paid_for_anew_costs_anew(store: CheckpointStore) -> None:
    """The service gave another answer than the one that it held: the work was done again."""
    submitted(store)
    job = store.open_job("talk.txt", chunks=["two", "two"], on_change="reuse")
    for chunk in job.pending():
        chunk.complete({"cost": 10, "answer": chunk.index})
    assert job.costs().cost == 20


def test_a_batch_in_two_places_is_recorded_where_its_payer_cannot_be(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The results are durable, so no error is raised; the batch counts twice, and the log says why."""
    submitted(store)
    job = store.open_job("talk.txt", chunks=["two", "two"], on_change="reuse")

    def is_full(*_: object) -> None:
        raise StorageFullError(store.path, "disk full", 0)

    monkeypatch.setattr(HandleStorage, "note_payer", is_full)
    for chunk in job.pending():
        chunk.complete({"cost": 10})
    assert (job.status, job.costs().cost) == ("completed", 20)
    assert "who paid for its result is not recorded" in caplog.text


def test_handles_of_a_job_that_knew_only_the_number_travel_once_the_chunks_are_known(store: CheckpointStore) -> None:
    """The chunks are given with the next opening of the same job, and edited after that."""
    submitted(store, chunks=None, total_chunks=4)
    assert handles(store.open_job("talk.txt", chunks=CHUNKS)) == {1: "batch-1", 2: None, 3: "batch-1"}
    assert handles(store.open_job("talk.txt", chunks=EDITED, on_change="reuse"))[4] == "batch-1"


@pytest.mark.slow
def test_the_answer_to_a_handle_of_another_model_is_given_to_nobody_else(
    store: CheckpointStore, tmp_path: Path
) -> None:
    """One caller takes the work of another model, and says so. Another job of that caller's model takes none of it."""
    submitted(store, model="A")
    job = store.open_job("talk.txt", chunks=CHUNKS, model="B", on_change="reuse", reuse_ignoring=("model",))
    assert handles(job) == {1: "batch-1", 2: None, 3: "batch-1"}
    for chunk in job.pending():
        if chunk.index == 1:
            chunk.complete("made by A")
    other: dict[str, Any] = {"chunks": CHUNKS, "model": "B", "on_change": "reuse"}
    assert store.plan("other.txt", **other).with_handle == ()
    assert handles(store.open_job("other.txt", **other)) == dict.fromkeys(range(4))
    both = store.open_job("third.txt", **other, reuse_ignoring=("model",))
    assert handles(both) == {2: None, 3: "batch-1"}
    store.backup(tmp_path / "copy.db")
    with CheckpointStore(tmp_path / "other.db", state_file=None) as merged:
        merged.merge(tmp_path / "copy.db")
        assert merged.plan("fourth.txt", **other).kept == 0
        assert (store.check(), merged.check()) == ([], [])
    recover_store(tmp_path / "other.db")
    with CheckpointStore(tmp_path / "other.db", state_file=None) as recovered:
        assert recovered.plan("fourth.txt", **other).kept == 0


# -- of a chunk that is to be done again


def to_redo(store: CheckpointStore, *, sequential: bool = False) -> Job:
    """A complete job of which the last two chunks are to be done again."""
    job = store.open_job("talk.txt", chunks=CHUNKS, sequential=sequential)
    job.complete_many((index, text.upper()) for index, text in enumerate(CHUNKS))
    job.redo([2, 3])
    return job


@pytest.mark.parametrize("sequential", [False, True])
def test_an_edit_keeps_what_the_service_holds_for_a_redo(store: CheckpointStore, *, sequential: bool) -> None:
    """The mark of a chunk goes with its result to the job of the edit, and so does the handle of the redo."""
    to_redo(store, sequential=sequential).record_handle(2, "batch-1")
    later: dict[str, Any] = {"chunks": [*CHUNKS, "five"], "sequential": sequential}
    with pytest.raises(PlanChanged) as changed:
        store.open_job("talk.txt", **later)
    assert (changed.value.reusable_results, changed.value.reusable_handles) == (2, 1)
    plan = store.plan("talk.txt", **later, on_change="reuse")
    assert (plan.kept, plan.with_handle, plan.chunks_to_do) == (2, (2,), 3)
    job = store.open_job("talk.txt", **later, on_change="reuse")
    assert (job.to_redo(), next(job.pending()).handle) == ([2, 3], "batch-1")


@pytest.mark.slow_variants
@pytest.mark.parametrize("on_change", ["refuse", "reuse"])
def test_an_undone_edit_finds_what_was_submitted_for_a_redo(store: CheckpointStore, on_change: Any) -> None:
    """The job of the edit submitted the redo: the first job, when it is back, asks for that answer."""
    to_redo(store)
    job = store.open_job("talk.txt", chunks=EDITED, on_change="reuse")
    job.record_handle([1, 3], "batch-1")
    job.record_handle([4], "batch-2")
    job.complete(4, "done again")
    assert store.plan("talk.txt", chunks=CHUNKS, on_change=on_change).with_handle == (2,)
    first = store.open_job("talk.txt", chunks=CHUNKS, on_change=on_change)
    assert (handles(first), first.result(3)) == ({2: "batch-1"}, "done again")


def test_another_redo_is_asked_for_anew(store: CheckpointStore) -> None:
    """A handle answers the redo for which it was recorded, and no redo that was asked for elsewhere."""
    to_redo(store)
    job = store.open_job("talk.txt", chunks=EDITED, on_change="restart")
    job.complete_many((index, text.title()) for index, text in enumerate(EDITED))
    job.redo(3)
    job.record_handle(3, "batch-1")
    assert handles(store.open_job("talk.txt", chunks=CHUNKS, on_change="reuse")) == {2: None, 3: None}


# -- of a sequential job


def test_a_sequential_job_keeps_the_handle_behind_its_beginning(store: CheckpointStore) -> None:
    """Chunk 1 was submitted with the result of chunk 0: it stands where that result stands, and nowhere else."""
    job = store.open_job("talk.txt", chunks=CHUNKS, sequential=True)
    job.complete(0, "ONE")
    job.record_handle(1, "batch-1")
    later = [*CHUNKS[:3], "changed"]
    assert handles(store.open_job("talk.txt", chunks=later, sequential=True, on_change="reuse")) == {1: "batch-1"}
    earlier = ["changed", *CHUNKS[1:]]
    plan = store.plan("talk.txt", chunks=earlier, sequential=True, on_change="reuse")
    assert (plan.kept, plan.with_handle) == (0, ())


def test_a_handle_made_from_another_result_is_not_taken(store: CheckpointStore) -> None:
    """Two jobs did chunk 0, each in its own words; the one that goes on asks for its own chunk 1 only."""
    first = store.open_job("talk.txt", chunks=CHUNKS, sequential=True)
    first.complete(0, "first")
    second = store.open_job("talk.txt", chunks=[*CHUNKS, "five"], sequential=True, fresh=True)
    second.complete(0, "second")
    second.record_handle(1, "batch of second")
    assert handles(store.open_job("talk.txt", chunks=CHUNKS, sequential=True, on_change="reuse")) == {1: None}


def test_the_plan_of_a_sequential_job_counts_a_handle_behind_the_results_that_it_takes(store: CheckpointStore) -> None:
    """The plan takes over no result: it looks for the handle where the results are."""
    store.open_job("talk.txt", chunks=CHUNKS, sequential=True)
    other = store.open_job("other.txt", chunks=CHUNKS, sequential=True)
    other.complete_many([(0, "ONE"), (1, "TWO")])
    other.record_handle(2, "batch-1")
    same: dict[str, Any] = {"chunks": CHUNKS, "sequential": True, "on_change": "reuse"}
    plan = store.plan("talk.txt", **same)
    assert (plan.action, plan.kept, plan.with_handle) == ("resume", 2, (2,))
    assert handles(store.open_job("talk.txt", **same)) == {2: "batch-1"}


@pytest.mark.slow_variants
@pytest.mark.parametrize(("again", "kept"), [("ONE", "batch-1"), ("one more", None)], ids=["the same", "another"])
@pytest.mark.parametrize("by_hand", [False, True], ids=["redo", "by hand"])
def test_a_handle_behind_a_result_that_is_done_again(
    store: CheckpointStore, again: str, kept: str | None, *, by_hand: bool
) -> None:
    """The service works on chunk 1 from the earlier result of chunk 0: its answer is no answer to a new result."""
    job = store.open_job("talk.txt", chunks=CHUNKS, sequential=True)
    job.complete(0, "ONE")
    job.record_handle(1, "batch-1")
    if not by_hand:
        job.redo(0)
    job.complete(0, again, replace=by_hand)
    chunk = next(iter(job.pending()))
    assert (chunk.index, chunk.previous, chunk.handle) == (1, again, kept)


def test_a_handle_behind_a_result_that_another_job_did_again(store: CheckpointStore) -> None:
    """An edit takes the mark along, and is undone: the answer to the redo takes the place of what chunk 1 began with."""
    plan: dict[str, Any] = {"sequential": True, "on_change": "reuse"}
    job = store.open_job("talk.txt", chunks=CHUNKS, **plan)
    job.complete(0, "ONE")
    job.record_handle(1, "batch-1")
    job.redo(0)
    store.open_job("talk.txt", chunks=[*CHUNKS, "five"], **plan).complete(0, "one more")
    expected = store.plan("talk.txt", chunks=CHUNKS, **plan)
    assert (expected.action, expected.kept, expected.with_handle) == ("resume", 1, ())
    chunk = next(iter(store.open_job("talk.txt", chunks=CHUNKS, **plan).pending()))
    assert (chunk.index, chunk.previous, chunk.handle) == (1, "one more", None)


# -- copies of the store


@pytest.mark.slow
def test_backups_and_recoveries_keep_them(store: CheckpointStore, open_store: Opener, tmp_path: Path) -> None:
    """A backup has the handles; a store that is made anew from its rows has them, too."""
    job = submitted(store)
    store.backup(tmp_path / "copy.db")
    assert handles(open_store("copy.db").job(job.job_id)) == {1: "batch-1", 2: None, 3: "batch-1"}
    store.close()
    with closing(sqlite3.connect(store.path)) as damaged:
        damaged.execute("PRAGMA journal_mode = DELETE")
        damaged.execute("PRAGMA writable_schema = ON")
        damaged.execute("DELETE FROM sqlite_master WHERE name = 'runners'")
        damaged.commit()
    from checkpoint_store import StoreRecovered

    with pytest.warns(StoreRecovered):
        again = CheckpointStore(store.path)
    with again:
        assert handles(again.job(job.job_id)) == {1: "batch-1", 2: None, 3: "batch-1"}


def test_a_handle_that_is_none_is_found_by_the_check(store: CheckpointStore) -> None:
    """A row that another program spoilt is named, with its chunk."""
    job = submitted(store)
    store.close()
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("UPDATE chunk_handles SET handle = x'00' WHERE chunk_index = 3")
        other.commit()
    with CheckpointStore(store.path) as again:
        (problem,) = again.check()
        assert (problem.what, problem.job_id, problem.chunk_index) == ("row in chunk_handles", job.job_id, 3)
        assert rows(again.path, "SELECT count(*) FROM chunk_handles") == [(2,)]


def test_a_new_job_says_that_a_service_holds_its_work_elsewhere(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A renamed file, opened as always, begins anew: one warning says what ``reuse`` would take."""
    store.open_job("talk.txt", chunks=CHUNKS).record_handle([1, 3], "batch-1")
    store.open_job("renamed.txt", chunks=CHUNKS)
    assert "handles for 2 of its chunks under another name, which on_change='reuse' takes" in caplog.text


def test_a_handle_behind_a_missing_result_is_not_taken(store: CheckpointStore) -> None:
    """In a sequential job, chunk 2 was submitted from a result of chunk 1 that nobody has: it is done anew."""
    job = store.open_job("talk.txt", chunks=CHUNKS, sequential=True)
    job.complete(0, "ONE")
    job.record_handle([2], "batch-1")
    edited = [*CHUNKS[:3], "changed"]
    assert store.plan("talk.txt", chunks=edited, sequential=True, on_change="reuse").with_handle == ()
