"""A job of this very plan goes on, however many others were opened since; nothing is refused where nothing is done."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, PlanChanged
from checkpoint_store.storage.records.open_requests import OpenRequest
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.plans import earlier_job

if TYPE_CHECKING:
    import sqlite3

    from conftest import Children, Opener

WHOLE = [f"chunk {index}" for index in range(20)]
EVERY_WAY = pytest.mark.parametrize("on_change", ["refuse", "reuse", "restart"])


def do_all(job: Job) -> int:
    """Complete what is left; return how many calls that took."""
    return sum(1 for _ in job.map(lambda chunk: {"text": chunk}))


def finished(store: CheckpointStore, **plan: Any) -> Job:
    job = store.open_job("f", **plan)
    do_all(job)
    return job


# -- one bad run, and back


@pytest.mark.slow_variants
@EVERY_WAY
@pytest.mark.parametrize(
    "other",
    [
        {"chunks": []},
        {"chunks": WHOLE[:3]},
        {"chunks": [*WHOLE[:5], "edited", *WHOLE[6:]]},
        {"chunks": [*WHOLE, "more"]},
        {"chunks": WHOLE[::-1]},
        {"chunks": WHOLE, "model": "other"},
        {"chunks": WHOLE, "provider": "other"},
        {"chunks": WHOLE, "config": {"temperature": 1}},
        {"total_chunks": 7},
    ],
    ids=["empty", "cut off", "edited", "longer", "turned", "model", "provider", "config", "another number"],
)
def test_a_finished_plan_is_paid_for_once_whatever_came_between(
    store: CheckpointStore, other: dict[str, Any], on_change: Any
) -> None:
    """An empty, cut-off or edited input, another model: going back costs nothing, in any number of turns."""
    first = finished(store, chunks=WHOLE)
    second = store.open_job("f", **other, on_change="restart")
    do_all(second)
    for plan, job in (({"chunks": WHOLE}, first), (other, second), ({"chunks": WHOLE}, first)):
        said = store.plan("f", **plan, on_change=on_change)
        assert (said.action, said.job_id, said.chunks_to_do) == ("complete", job.job_id, 0)
        again = store.open_job("f", **plan, on_change=on_change)
        assert (again.job_id, again.status, do_all(again)) == (job.job_id, "completed", 0)
    assert len(store.jobs()) == 2


def test_a_map_after_a_cut_off_input_gets_its_results_back(store: CheckpointStore) -> None:
    """The one-line loop: the whole input again costs no call, and gives the results of the first run."""
    calls = []

    def clean(text: str) -> str:
        calls.append(text)
        return text.upper()

    results = [store.map(clean, chunks, file_name="f", on_change="reuse") for chunks in (WHOLE, WHOLE[:4], [], WHOLE)]
    assert results[3] == results[0] == [text.upper() for text in WHOLE]
    assert len(calls) == len(WHOLE)


def test_a_half_done_plan_goes_on_after_another_was_begun(store: CheckpointStore) -> None:
    """Model A is paused in the middle, B is tried, A again: A's rest is done, and nothing of it twice."""
    first = store.open_job("f", chunks=WHOLE, model="a")
    first.complete_many((index, "done") for index in range(15))
    first.pause()
    do_all(store.open_job("f", chunks=WHOLE, model="b", on_change="restart"))
    assert store.job(first.job_id).plan(WHOLE).action == "resume"
    again = store.open_job("f", chunks=WHOLE, model="a")
    assert (again.job_id, again.status, do_all(again)) == (first.job_id, "running", 5)


def test_a_restart_that_is_killed_goes_on_with_what_it_restarted(store: CheckpointStore, open_store: Opener) -> None:
    """The same script again, with on_change="restart" in it, pays only for the rest; before its first result, too."""
    finished(store, chunks=WHOLE, model="a")
    begun = store.open_job("f", chunks=WHOLE, model="b", on_change="restart")
    assert store.open_job("f", chunks=WHOLE, model="b", on_change="restart").job_id == begun.job_id
    begun.complete_many((index, "done") for index in range(19))
    again = open_store().open_job("f", chunks=WHOLE, model="b", on_change="restart")
    assert (again.job_id, do_all(again)) == (begun.job_id, 1)


def test_of_several_jobs_of_one_plan_the_newest_goes_on(store: CheckpointStore) -> None:
    """What fresh=True began stands before what was done before it, also after other plans."""
    finished(store, chunks=WHOLE)
    fresh = store.open_job("f", chunks=WHOLE, fresh=True)
    finished(store, chunks=WHOLE[:2], on_change="restart")
    assert store.open_job("f", chunks=WHOLE).job_id == fresh.job_id


def test_a_deleted_job_of_the_plan_is_not_missed(store: CheckpointStore) -> None:
    """A plan whose job was deleted is compared with the jobs that are left."""
    first = finished(store, chunks=WHOLE)
    second = finished(store, chunks=WHOLE[:4], on_change="reuse")
    store.delete_job(first.job_id)
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", chunks=WHOLE)
    assert (caught.value.job_id, caught.value.reusable_results) == (second.job_id, 4)


def test_an_earlier_job_that_goes_on_is_the_newest_and_the_current_one(store: CheckpointStore) -> None:
    """Everything that tells of jobs agrees: the list, the latest, the current, and the state file."""
    first = finished(store, chunks=WHOLE, model="a")
    second = finished(store, chunks=WHOLE, model="b", on_change="restart")
    store.open_job("f", chunks=WHOLE, model="a")
    assert [job.job_id for job in store.jobs(file_name="f")] == [first.job_id, second.job_id]
    latest, current = store.latest_job(), store.current_job()
    assert latest is not None
    assert current is not None
    assert latest.job_id == current.job_id == first.job_id
    store.close()
    assert store.state_file is not None
    assert json.loads(store.state_file.read_text("utf-8"))["job_id"] == first.job_id


# -- jobs whose chunks are not known


def test_a_job_by_number_goes_on_after_another_number(store: CheckpointStore) -> None:
    """Where only numbers are given, the number is the plan."""
    first = store.open_job("f", total_chunks=5)
    first.complete(0, "done")
    store.open_job("f", total_chunks=2, on_change="restart").complete(0, "done")
    assert store.open_job("f", total_chunks=5).job_id == first.job_id
    adopted = store.open_job("f", chunks=WHOLE[:5])
    assert (adopted.job_id, do_all(adopted)) == (first.job_id, 4)


def imported(store: CheckpointStore, total: int, done: int, **more: Any) -> Job:
    """Take in a state file of a processor that knew nothing of stores."""
    path = store.path.with_name("old.json")
    state = {
        "version": "1.0",
        "job_id": "old",
        "status": "running",
        "file_name": "f",
        "total_chunks": total,
        "completed_chunks": list(range(done)),
        "processed_results": [{"text": "old"}] * done,
        "started_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    path.write_text(json.dumps(state | more), encoding="utf-8")
    return store.import_state(path)


def test_an_imported_job_goes_on_after_a_cut_off_run(store: CheckpointStore) -> None:
    """An imported job is known by its number of chunks, model, provider and config; an empty model matches any."""
    old = imported(store, 20, 18, model="", provider="")
    finished(store, chunks=WHOLE[:3], on_change="restart")
    again = store.open_job("f", chunks=WHOLE)
    assert (again.job_id, do_all(again)) == (old.job_id, 2)


def test_a_job_known_to_be_of_these_chunks_is_surer_than_an_imported_one(store: CheckpointStore) -> None:
    """A job with results that is known to have these chunks goes on before an imported job."""
    known = store.open_job("f", chunks=WHOLE)
    old = imported(store, 20, 2)
    assert store.open_job("f", total_chunks=20).job_id == old.job_id
    assert store.plan("f", chunks=WHOLE).job_id == old.job_id
    do_all(known)
    assert store.plan("f", chunks=WHOLE).job_id == known.job_id


# -- nothing to refuse


@EVERY_WAY
def test_a_plan_corrected_before_the_first_result_begins_a_new_job(store: CheckpointStore, on_change: Any) -> None:
    """A slip in the model or the command, seen in the first minute, is no reason to ask."""
    slip = store.open_job("f", chunks=WHOLE, model="gpt-4-mini")
    slip.fail_chunk(0, "404: no such model")
    said = store.plan("f", chunks=WHOLE, model="gpt-4o-mini", on_change=on_change)
    assert (said.action, said.job_id, said.chunks_to_do, said.differences) == ("new", None, 20, ())
    job = store.open_job("f", chunks=WHOLE, model="gpt-4o-mini", on_change=on_change)
    assert job.job_id != slip.job_id
    assert store.open_job("f", chunks=WHOLE, model="gpt-4-mini").job_id == slip.job_id


def test_the_newest_job_that_has_results_is_compared(store: CheckpointStore) -> None:
    """Begun and empty jobs since then protect nothing, and take nothing from reuse."""
    done = finished(store, chunks=WHOLE)
    store.open_job("f", chunks=[], on_change="reuse")
    store.open_job("f", chunks=WHOLE, model="begun and left", on_change="restart")
    edited = [*WHOLE, "more"]
    with pytest.raises(PlanChanged) as caught:
        store.open_job("f", chunks=edited)
    assert (caught.value.job_id, caught.value.reusable_results) == (done.job_id, 20)
    assert [difference.field for difference in caught.value.differences] == ["total_chunks", "chunks"]
    said = store.job(done.job_id).plan(edited, on_change="reuse")
    assert (said.action, said.kept, said.chunks_to_do) == ("reuse", 20, 1)
    assert do_all(store.open_job("f", chunks=edited, on_change="reuse")) == 1


# -- several at once, and many


@pytest.mark.slow
def test_processes_that_open_two_plans_at_once_get_one_job_each(children: Children, open_store: Opener) -> None:
    """Half of them say A, half say B, ten times in turn: two jobs, and each gets its own."""
    with open_store() as store:
        finished(store, chunks=["x"])
    printed = [line.split() for line in children.together(6, program(__file__, "open_in_turns"))]
    assert [len(ids) for ids in printed] == [1] * 6
    assert len({ids[0] for ids in printed}) == 2
    assert len(open_store().jobs()) == 3


def test_the_oldest_of_many_jobs_is_found_by_the_index(store: CheckpointStore) -> None:
    """Ten thousand jobs of one file cost milliseconds: each statement reads an index, in order, and sorts nothing."""
    first = finished(store, chunks=["a"])
    statements: list[str] = []

    def work(connection: sqlite3.Connection) -> list[str]:
        plan = job_statements.find_job(connection, first.job_id, store.path).plan
        connection.set_trace_callback(statements.append)
        for wanted in (plan, dataclasses.replace(plan, model="another")):
            request = OpenRequest(wanted, None, None, "refuse", fresh=False)
            assert earlier_job.earlier_job(connection, request, store.path) is not None
        connection.set_trace_callback(None)
        explained = [connection.execute(f"EXPLAIN QUERY PLAN {text}").fetchall() for text in statements]
        return [step[3] for steps in explained for step in steps]

    steps = store._context.storage.database.read(work)
    assert len(steps) >= 3
    of_its_chunks = ("chunk_handles", "completed_chunks", "chunk_redos")
    by_index = ("SEARCH jobs USING INDEX", *(f"SEARCH {table} USING PRIMARY KEY" for table in of_its_chunks))
    assert [step for step in steps if not step.startswith(("CORRELATED ", *by_index))] == []


# -- a job that had chunks left, and whose plan is back


def work_on(store: CheckpointStore, chunks: str, *, at_most: int | None = None, **plan: Any) -> str:
    """Complete the chunks that are left, or the first of them; return those that were paid for."""
    paid = ""
    for chunk in store.open_job("f", chunks=list(chunks), **plan).pending():
        chunk.complete({"text": chunk.data})
        paid += chunk.data
        if len(paid) == at_most:
            break
    return paid


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("edited", "sequential", "paid", "rest"),
    [
        ("abCdef", False, "Cdef", "c"),
        ("Abcdef", False, "Acdef", ""),
        ("abcd", False, "cd", "ef"),
        ("abcdefg", False, "cdefg", ""),
        ("ABCDef", False, "ABCDef", "cd"),
        ("abcDef", True, "cDef", "def"),
        ("abcd", True, "cd", "ef"),
        ("abcdefg", True, "cdefg", ""),
    ],
)
def test_an_undone_edit_takes_what_the_job_of_the_edit_paid_for(
    store: CheckpointStore, open_store: Opener, edited: str, paid: str, rest: str, *, sequential: bool
) -> None:
    """Who said `reuse` for the edit pays for no chunk twice, there or back, also if the first job was half done."""
    assert work_on(store, "abcdef", at_most=2, sequential=sequential) == "ab"
    assert work_on(store, edited, on_change="reuse", sequential=sequential) == paid
    planned = open_store(read_only=True).plan("f", chunks=list("abcdef"), sequential=sequential)
    assert planned.chunks_to_do == len(rest)
    assert work_on(store, "abcdef", sequential=sequential) == rest
    assert work_on(store, edited, sequential=sequential) == ""
    job = store.open_job("f", chunks=list("abcdef"), sequential=sequential)
    assert [result["text"] for result in job.results()] == list("abcdef")
    assert store.check() == []


def test_a_job_of_another_setting_gives_nothing_back(store: CheckpointStore) -> None:
    """What another model was paid for is not taken for the first model's, also if the caller reused across models."""
    work_on(store, "abcd", at_most=1, model="A")
    assert work_on(store, "abcd", model="B", on_change="reuse", reuse_ignoring=["model"]) == "bcd"
    assert work_on(store, "abcd", model="A") == "bcd"


@pytest.mark.parametrize("on_change", ["restart", "refuse"])
def test_who_restarted_gets_no_results_of_the_restarted_job(store: CheckpointStore, on_change: Any) -> None:
    """Nobody said that the two jobs may share results: the first goes on with its own."""
    work_on(store, "abcd", at_most=1)
    assert work_on(store, "aBcd", on_change="restart") == "aBcd"
    assert work_on(store, "abcd", on_change=on_change) == "bcd"
