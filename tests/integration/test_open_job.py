"""Opening a job: found, resumed, refused, carried over or begun, by any number of processes at once."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, PlanChanged

from .open_job_tools import work_through

if TYPE_CHECKING:
    from conftest import Children, Opener

OPEN_PLAN = program(__file__, "open_plan")
PLAN: dict[str, Any] = {
    "chunks": ["one", "two", "three"],
    "model": "m-1",
    "provider": "p-1",
    "config": {"chunk_size": 2000, "language": "en"},
}


def texts(job: Job) -> list[str]:
    return [result["text"] for result in job.results()]


# -- one and the same


@pytest.mark.slow
def test_many_processes_that_reuse_at_once_begin_one_job(children: Children, open_store: Opener) -> None:
    """The second process finds the job that the first began by reuse."""
    with open_store() as store:
        work_through(store.open_job("lecture.srt", chunks=["a", "b"]))
    plan = {"chunks": ["a", "x", "b"], "on_change": "reuse"}
    assert len(set(children.together(4, OPEN_PLAN, "lecture.srt", json.dumps([plan])))) == 1
    assert len(open_store().jobs()) == 2


def test_same_plan_resumes_the_same_job(store: CheckpointStore, open_store: Opener) -> None:
    """Reopened, only what is left is pending."""
    job = store.open_job("f", **PLAN)
    job.complete(1, "done")
    again = open_store().open_job("f", **PLAN)
    assert again.job_id == job.job_id
    assert [(chunk.index, chunk.data) for chunk in again.pending()] == [(0, "one"), (2, "three")]


def test_order_of_config_keys_is_no_part_of_the_plan(store: CheckpointStore) -> None:
    """A config is compared as JSON data."""
    job = store.open_job("f", total_chunks=1, config={"a": 1, "b": {"c": 2, "d": 3}})
    again = store.open_job("f", total_chunks=1, config={"b": {"d": 3, "c": 2}, "a": 1})
    assert again.job_id == job.job_id


@pytest.mark.parametrize("end", ["pause", "fail", "nothing"])
def test_a_job_goes_on_whatever_its_status(store: CheckpointStore, end: str) -> None:
    """Paused, failed or killed: opening it sets it running and forgets the error."""
    job = store.open_job("f", **PLAN)
    job.complete(0, "done")
    if end == "pause":
        job.pause()
    elif end == "fail":
        job.fail("boom")
    again = store.open_job("f", **PLAN)
    assert (again.job_id, again.status, again.error_message) == (job.job_id, "running", None)


def test_a_completed_job_spends_nothing(store: CheckpointStore) -> None:
    """Opened again it stays completed, and nothing is pending."""
    job = store.open_job("f", **PLAN)
    work_through(job)
    again = store.open_job("f", **PLAN)
    assert (again.job_id, again.status, list(again.pending())) == (job.job_id, "completed", [])
    assert texts(again) == ["ONE", "TWO", "THREE"]


def test_a_job_without_chunks_is_completed_at_once(store: CheckpointStore) -> None:
    """A job without chunks is completed as soon as it is opened."""
    job = store.open_job("empty", chunks=[])
    assert (job.status, list(job.pending()), list(job.results()), job.progress().percent) == ("completed", [], [], 100)


def test_files_have_their_own_jobs(store: CheckpointStore) -> None:
    """A job is looked for by the name of its file."""
    ids = {store.open_job(name, total_chunks=1).job_id for name in ("a", "A", "a ", "%", "ä")}
    assert len(ids) == 5


# -- another plan


@pytest.mark.parametrize(
    ("changes", "field", "old", "new"),
    [
        ({"model": "m-2"}, "model", "'m-1'", "'m-2'"),
        ({"model": None}, "model", "'m-1'", "None"),
        ({"provider": "p-2"}, "provider", "'p-1'", "'p-2'"),
        ({"config": {"chunk_size": 2001, "language": "en"}}, "config.chunk_size", "2000", "2001"),
        ({"config": {"chunk_size": 2000}}, "config.language", "'en'", "(absent)"),
        ({"config": {"chunk_size": 2000, "language": "en", "x": 0}}, "config.x", "(absent)", "0"),
        ({"config": {"chunk_size": 2000, "language": True}}, "config.language", "'en'", "True"),
    ],
)
def test_each_differing_field_is_named_with_both_values(
    store: CheckpointStore, changes: dict[str, Any], field: str, old: str, new: str
) -> None:
    """The error names each field that differs, with both values, and no other field."""
    store.open_job("f", **PLAN).complete(0, "done")
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", **PLAN | changes)
    assert [(d.field, d.old, d.new) for d in caught.value.differences] == [(field, old, new)]
    assert f"{field}: {old} -> {new}" in str(caught.value)


@pytest.mark.parametrize("chunks", [["one", "two", "3"], ["one", "three", "two"], ["one", "two", "three "]])
def test_changed_chunks_are_another_plan(store: CheckpointStore, chunks: list[str]) -> None:
    """Chunks that were edited, or put into another order, are another plan."""
    store.open_job("f", **PLAN).complete(0, "done")
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", **PLAN | {"chunks": chunks})
    assert [difference.field for difference in caught.value.differences] == ["chunks"]


def test_another_number_of_chunks_is_another_plan(store: CheckpointStore) -> None:
    """A job that gives only ``total_chunks`` is refused as changed when that number differs."""
    store.open_job("f", total_chunks=3).complete(0, "done")
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", total_chunks=4)
    assert [(d.field, d.old, d.new) for d in caught.value.differences] == [("total_chunks", "3", "4")]


def test_true_is_not_one_in_a_plan(store: CheckpointStore) -> None:
    """Python finds them equal; a config that says True means something else."""
    store.open_job("f", total_chunks=1, config={"x": 1}).complete(0, "done")
    with pytest.raises(PlanChanged):
        store.open_job("f", total_chunks=1, config={"x": True})


def test_plan_changed_says_what_could_be_kept(store: CheckpointStore) -> None:
    """``PlanChanged`` has the file, the job, the number of reusable results, and the settings to ignore for more."""
    job = store.open_job("f", **PLAN)
    job.complete(0, 1)
    job.complete(2, 3)
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", **PLAN | {"chunks": ["one", "new", "two", "three"], "model": "m-2"})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.file_name, error.job_id, error.reusable_results) == ("f", job.job_id, 0)
    assert (error.ignoring, error.kept_ignoring) == (("model",), 2)
    assert "reuse_ignoring=('model',)" in str(error)
    assert {difference.field for difference in error.differences} == {"model", "total_chunks", "chunks"}
    assert "'reuse'" in str(error)
    assert "'restart'" in str(error)


def test_plan_changed_shortens_long_texts(store: CheckpointStore) -> None:
    """A prompt of 10,000 characters does not fill the screen."""
    store.open_job("f", total_chunks=1, config={"prompt": "a" * 10_000}).complete(0, "done")
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", total_chunks=1, config={"prompt": "b" * 10_000})
    assert len(str(caught.value)) < 1000


def test_plan_changed_changes_nothing(store: CheckpointStore) -> None:
    """The refused open leaves jobs, status and state file as they were."""
    job = store.open_job("f", **PLAN)
    job.complete(0, "done")
    job.fail("boom")
    before = job.state()
    with pytest.raises(PlanChanged):
        store.open_job("f", **PLAN | {"model": "m-2"})
    assert [one.job_id for one in store.jobs()] == [job.job_id]
    assert job.state() == before


# -- reuse


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("chunks", "done_again"),
    [
        (["new", "one", "two", "three"], ["new"]),
        (["one", "new", "two", "three"], ["new"]),
        (["one", "two", "three", "new"], ["new"]),
        (["one", "TWO", "three"], ["TWO"]),
        (["one", "three"], []),
        (["three", "two", "one"], []),
        (["two", "two", "one", "two"], []),
        (["x", "y"], ["x", "y"]),
        ([], []),
    ],
    ids=["first", "inserted", "last", "edited", "removed", "turned", "repeated", "all new", "none"],
)
def test_reuse_does_only_changed_chunks_again(store: CheckpointStore, chunks: list[str], done_again: list[str]) -> None:
    """``reuse`` does only the changed chunks again, and each kept result stands at the new place of its chunk."""
    work_through(store.open_job("f", **PLAN))
    job = store.open_job("f", **PLAN | {"chunks": chunks}, on_change="reuse")
    assert work_through(job) == done_again
    assert texts(job) == [chunk.upper() for chunk in chunks]
    assert job.status == "completed"


def test_identical_chunks_keep_their_own_results(store: CheckpointStore) -> None:
    """Where equal chunks gave different results, each place keeps its own."""
    job = store.open_job("f", chunks=["same", "same", "x"])
    job.complete_many([(0, "first"), (1, "second")])
    again = store.open_job("f", chunks=["same", "same", "y"], on_change="reuse")
    assert list(again.items()) == [(0, "first"), (1, "second")]


def test_reuse_moves_a_results_own_chunk_index(store: CheckpointStore) -> None:
    """A result that says which chunk it is of says so of the new place; the old job's stays."""
    job = store.open_job("f", chunks=["a", "b"])
    job.complete(1, {"chunk_index": 1, "text": "B", "z": 1})
    moved = store.open_job("f", chunks=["new", "a", "b"], on_change="reuse")
    assert list(moved.items()) == [(2, {"chunk_index": 2, "text": "B", "z": 1})]
    assert moved.state().results() == {2: {"chunk_index": 2, "text": "B", "z": 1}}
    assert list(store.job(job.job_id).items()) == [(1, {"chunk_index": 1, "text": "B", "z": 1})]


def test_reuse_leaves_a_foreign_chunk_index_alone(store: CheckpointStore) -> None:
    """``reuse`` leaves a result's own ``chunk_index`` alone if it counts from 1 or from elsewhere."""
    job = store.open_job("f", chunks=["a", "b"])
    job.complete(1, {"chunk_index": 2})
    moved = store.open_job("f", chunks=["new", "a", "b"], on_change="reuse")
    assert list(moved.items()) == [(2, {"chunk_index": 2})]


def test_reuse_keeps_the_earlier_job(store: CheckpointStore) -> None:
    """``reuse`` changes neither the chunks nor the results of the earlier job."""
    job = store.open_job("f", **PLAN)
    work_through(job)
    before = job.state()
    store.open_job("f", **PLAN | {"chunks": ["other"]}, on_change="reuse")
    assert job.state() == before


def test_reuse_goes_on_after_a_kill(store: CheckpointStore, open_store: Opener) -> None:
    """on_change speaks only where the plan differs: the second run finds the job that the first began."""
    work_through(store.open_job("f", **PLAN))
    changed = PLAN | {"chunks": ["one", "new", "newer"]}
    first = store.open_job("f", **changed, on_change="reuse")
    first.complete(1, {"text": "NEW"})
    second = open_store().open_job("f", **changed, on_change="reuse")
    assert second.job_id == first.job_id
    assert work_through(second) == ["newer"]


def test_a_second_edit_reuses_what_was_carried_over(store: CheckpointStore) -> None:
    """Fingerprints are carried over with the results."""
    work_through(store.open_job("f", chunks=["a", "b", "c"]))
    store.open_job("f", chunks=["x", "a", "b", "c"], on_change="reuse")
    third = store.open_job("f", chunks=["c", "b", "y"], on_change="reuse")
    assert list(third.items()) == [(0, {"text": "C"}), (1, {"text": "B"})]


def test_reuse_leaves_out_chunks_without_a_result(store: CheckpointStore, manager_state: dict[str, Any]) -> None:
    """A chunk that was completed without a result is done again."""
    path = store.path.with_name("old.json")
    path.write_text(json.dumps(manager_state), encoding="utf-8")
    store.import_state(path)
    store.open_job("f", chunks=["a", "b"])
    job = store.open_job("f", chunks=["a", "b", "c"], on_change="reuse")
    assert work_through(job) == ["a", "b", "c"]


@pytest.fixture
def manager_state() -> dict[str, Any]:
    """A state whose chunks have no results."""
    moment = "2026-01-01T00:00:00Z"
    return {
        "version": "1.0",
        "job_id": "old",
        "status": "running",
        "file_name": "f",
        "total_chunks": 2,
        "completed_chunks": [0, 1],
        "processed_results": [],
        "started_at": moment,
        "updated_at": moment,
    }


def test_reuse_knows_chunks_that_the_caller_changed_in_place(store: CheckpointStore) -> None:
    """A chunk is identified as it was handed out, not as its processor left it."""
    chunks: list[Any] = [{"text": "a"}, {"text": "b"}]
    for chunk in store.open_job("f", chunks=chunks).pending():
        chunk.data["cleaned"] = chunk.data["text"].upper()
        chunk.complete(chunk.data)
    job = store.open_job("f", chunks=[{"text": "a"}, {"text": "new"}, {"text": "b"}], on_change="reuse")
    assert [chunk.index for chunk in job.pending()] == [1]


def test_a_list_that_its_caller_empties_goes_on(store: CheckpointStore) -> None:
    """The job has its own list of the chunks."""
    chunks = ["a", "b"]
    job = store.open_job("f", chunks=chunks)
    chunks.clear()
    assert work_through(job) == ["a", "b"]


# -- restart, fresh


def test_restart_begins_from_nothing_and_deletes_nothing(store: CheckpointStore) -> None:
    """The earlier job stays, with its results."""
    old = store.open_job("f", **PLAN)
    work_through(old)
    new = store.open_job("f", **PLAN | {"model": "m-2"}, on_change="restart")
    assert (new.job_id != old.job_id, new.progress().completed_chunks, texts(old)) == (True, 0, ["ONE", "TWO", "THREE"])


@pytest.mark.slow_variants
@pytest.mark.parametrize("on_change", ["restart", "reuse", "refuse"])
def test_on_change_speaks_only_where_the_plan_differs(store: CheckpointStore, on_change: Any) -> None:
    """A script that says so and is killed goes on with what it began."""
    job = store.open_job("f", **PLAN)
    job.complete(0, 1)
    assert store.open_job("f", **PLAN, on_change=on_change).job_id == job.job_id


def test_fresh_begins_a_new_job_whatever_there_is(store: CheckpointStore) -> None:
    """``fresh=True`` begins a new job even for an unchanged plan, and the next plain open finds the new job."""
    old = store.open_job("f", **PLAN)
    work_through(old)
    new = store.open_job("f", **PLAN, fresh=True)
    assert [chunk.index for chunk in new.pending()] == [0, 1, 2]
    assert store.open_job("f", **PLAN).job_id == new.job_id
    assert texts(old) == ["ONE", "TWO", "THREE"]


def test_the_newest_job_is_the_one_opened_last(store: CheckpointStore) -> None:
    """Order is never asked of a clock."""
    first = store.open_job("a", total_chunks=1)
    second = store.open_job("b", total_chunks=1)
    assert store.latest_job() is not None
    assert [job.job_id for job in store.jobs()] == [second.job_id, first.job_id]
    store.open_job("a", total_chunks=1)
    assert [job.job_id for job in store.jobs()] == [first.job_id, second.job_id]


# -- only the number of chunks is known


def test_a_job_of_a_number_adopts_its_chunks_later(store: CheckpointStore) -> None:
    """Opened with total_chunks, then with the chunks: the same job, and its results can be reused after an edit."""
    job = store.open_job("f", total_chunks=2)
    job.complete(0, {"text": "A"})
    adopted = store.open_job("f", chunks=["a", "b"])
    assert adopted.job_id == job.job_id
    edited = store.open_job("f", chunks=["new", "a"], on_change="reuse")
    assert list(edited.items()) == [(1, {"text": "A"})]


def test_adopted_chunks_are_part_of_the_plan(store: CheckpointStore) -> None:
    """After that, other chunks are another plan."""
    store.open_job("f", total_chunks=2)
    store.open_job("f", chunks=["a", "b"]).complete(0, "done")
    with pytest.raises(PlanChanged):
        store.open_job("f", chunks=["a", "c"])


def test_chunks_completed_by_number_are_identified_when_the_chunks_are_back(store: CheckpointStore) -> None:
    """A run without the chunks at hand, between two with them, loses nothing at the next edit."""
    store.open_job("f", chunks=["a", "b"])
    store.open_job("f", total_chunks=2).complete(0, {"text": "A"})
    store.open_job("f", chunks=["a", "b"])
    edited = store.open_job("f", chunks=["a", "new"], on_change="reuse")
    assert list(edited.items()) == [(0, {"text": "A"})]


def test_pending_has_no_data_where_only_the_number_is_known(store: CheckpointStore) -> None:
    """With ``total_chunks`` alone, the ``data`` of a chunk is None."""
    assert [(chunk.index, chunk.data) for chunk in store.open_job("f", total_chunks=2).pending()] == [
        (0, None),
        (1, None),
    ]
