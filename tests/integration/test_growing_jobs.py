"""A job that grows: ``on_change="extend"``. One job, nothing copied, and what was paid for stays."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, JobPaused, PlanChanged
from checkpoint_store.model.codec.digest import digest
from checkpoint_store.storage.files import unrecorded as unrecorded_files

from .open_job_tools import work_through

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children, Opener

THREE = ["one", "two", "three"]
FIVE = [*THREE, "four", "five"]


@dataclass
class Line:
    text: str
    seconds: float


def rows(store: CheckpointStore, table: str) -> int:
    with closing(sqlite3.connect(store.path)) as raw:
        (count,) = raw.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


# -- what grows


def test_a_job_grows_by_the_chunks_that_follow(store: CheckpointStore) -> None:
    """A job that grows works on its new chunks only."""
    job = store.open_job("feed", chunks=THREE)
    work_through(job)
    grown = store.open_job("feed", chunks=FIVE, on_change="extend")
    assert (grown.job_id, grown.status, grown.total_chunks) == (job.job_id, "running", 5)
    assert work_through(grown) == ["four", "five"]
    assert [result["text"] for result in grown.results()] == [text.upper() for text in FIVE]
    assert grown.status == "completed"


def test_ten_appends_are_one_row_and_copy_nothing(store: CheckpointStore) -> None:
    """After ten appends there is one job, and each result is stored once."""
    for count in range(1, 11):
        work_through(store.open_job("feed", chunks=[f"text {number}" for number in range(count)], on_change="extend"))
    assert (rows(store, "jobs"), rows(store, "chunk_results"), rows(store, "completed_chunks")) == (1, 10, 10)
    assert store.check() == []


def test_a_number_of_chunks_grows(store: CheckpointStore) -> None:
    """Three of three are done; five are to be done: two are left."""
    job = store.open_job("feed", total_chunks=3)
    job.complete_many((index, index) for index in range(3))
    grown = store.open_job("feed", total_chunks=5, on_change="extend")
    assert (grown.job_id, grown.remaining()) == (job.job_id, [range(3, 5)])


def test_chunks_that_were_only_counted_are_the_first_ones(store: CheckpointStore, open_store: Opener) -> None:
    """A job that was opened by its number grows with chunks, which are those of its results from then on."""
    store.open_job("feed", total_chunks=2).complete(0, "done")
    grown = open_store().open_job("feed", chunks=THREE, on_change="extend")
    assert [chunk.data for chunk in grown.pending()] == ["two", "three"]
    with pytest.raises(PlanChanged, match="chunk 0 is another one"):
        store.open_job("feed", chunks=["other", *FIVE], on_change="extend")


def test_a_job_without_results_grows_too(store: CheckpointStore) -> None:
    """A runner may be at work on it: a second job beside it would be paid for as well."""
    job = store.open_job("feed", chunks=THREE)
    assert store.open_job("feed", chunks=FIVE, on_change="extend").job_id == job.job_id


def test_an_empty_job_grows(store: CheckpointStore) -> None:
    """A folder that is still empty, a feed before its first word."""
    job = store.open_job("feed", chunks=[])
    grown = store.open_job("feed", chunks=THREE, on_change="extend")
    assert (grown.job_id, grown.status) == (job.job_id, "running")


def test_extend_begins_a_job_where_there_is_none(store: CheckpointStore) -> None:
    """The same call serves the first time and every time after it."""
    assert work_through(store.open_job("feed", chunks=THREE, on_change="extend")) == THREE


def test_the_same_plan_changes_nothing(store: CheckpointStore) -> None:
    """Nothing new came: the job is complete, and stays so."""
    work_through(store.open_job("feed", chunks=THREE))
    before = store.jobs()[0].state()
    again = store.open_job("feed", chunks=THREE, on_change="extend")
    assert (again.state(), list(again.pending())) == (before, [])


def test_a_paused_and_a_failed_job_grow(store: CheckpointStore) -> None:
    """Opening goes on with a job whatever its status; so does letting it grow."""
    store.open_job("a", chunks=THREE).pause()
    store.open_job("b", chunks=THREE).fail("no room")
    for name in "ab":
        grown = store.open_job(name, chunks=FIVE, on_change="extend")
        assert (grown.status, grown.error_message, work_through(grown)) == ("running", None, FIVE)


def test_objects_grow_by_their_fingerprints(store: CheckpointStore) -> None:
    """``fingerprint=`` says what identifies a chunk here as everywhere."""
    first = [Line("one", 0.1), Line("two", 0.2)]
    job = store.open_job("feed", chunks=first, fingerprint=lambda line: line.text)
    job.complete(0, "done")
    later = [Line("one", 0.15), Line("two", 0.25), Line("three", 0.3)]
    grown = store.open_job("feed", chunks=later, fingerprint=lambda line: line.text, on_change="extend")
    assert (grown.job_id, grown.remaining()) == (job.job_id, [range(1, 3)])


def test_chunks_may_come_from_a_generator(store: CheckpointStore) -> None:
    """What a source has given so far is read as it is: a generator is used up once."""

    def so_far(count: int) -> Iterator[str]:
        yield from FIVE[:count]

    jobs = [store.open_job("feed", chunks=so_far(count), on_change="extend") for count in (2, 4, 5)]
    assert {job.job_id for job in jobs} == {jobs[0].job_id}
    assert jobs[2].total_chunks == 5


def test_a_grown_job_is_found_by_its_plan(store: CheckpointStore) -> None:
    """After the growth the very plan is the new one: every later open finds it without saying ``extend``."""
    job = store.open_job("feed", chunks=THREE)
    work_through(job)
    store.open_job("feed", chunks=FIVE, on_change="extend")
    assert store.open_job("feed", chunks=FIVE).job_id == job.job_id
    with pytest.raises(PlanChanged):
        store.open_job("feed", chunks=THREE)


def test_an_edit_that_is_undone_is_not_paid_for_again(store: CheckpointStore) -> None:
    """The job of the edit has the chunks that came since: the first job does not grow past them, and `reuse` has all."""
    work_through(store.open_job("feed", chunks=THREE, on_change="extend"))
    edited = ["one", "TWO", "three", "four"]
    work_through(store.open_job("feed", chunks=edited, on_change="reuse"))
    with pytest.raises(PlanChanged, match="chunk 1 is another one") as refused:
        store.open_job("feed", chunks=FIVE, on_change="extend")
    assert refused.value.reusable_results == 4
    assert work_through(store.open_job("feed", chunks=FIVE, on_change="reuse")) == ["five"]


def test_what_was_reused_from_is_not_paid_for_again(store: CheckpointStore, open_store: Opener) -> None:
    """A run with a cut-off input comes in between: the job that grows takes what the whole one had, and says so."""
    whole = store.open_job("feed", chunks=["a", "b", "c", "d"])
    work_through(whole)
    store.open_job("feed", chunks=["a", "b"], on_change="reuse")
    everything = ["a", "b", "c", "d", "e"]
    plan = open_store(read_only=True).plan("feed", chunks=everything, on_change="extend")
    assert (plan.action, plan.kept, plan.chunks_to_do) == ("extend", 4, 1)
    grown = store.open_job("feed", chunks=everything, on_change="extend")
    assert work_through(grown) == ["e"]
    assert [result["text"] for result in grown.results()] == list("ABCDE")
    assert store.check() == []


def test_what_was_submitted_before_a_cut_off_run_is_not_paid_for_again(
    store: CheckpointStore, open_store: Opener
) -> None:
    """The whole job has only the last chunks, and handles: the job that grows takes both, as its own run was reuse."""
    whole = store.open_job("feed", chunks=["a", "b", "c", "d"])
    whole.complete(2, "C")
    whole.record_handle(3, "batch-1")
    store.open_job("feed", chunks=["a", "b"], on_change="reuse")
    everything = ["a", "b", "c", "d", "e"]
    plan = open_store(read_only=True).plan("feed", chunks=everything, on_change="extend")
    assert (plan.action, plan.kept, plan.with_handle) == ("extend", 1, (3,))
    grown = store.open_job("feed", chunks=everything, on_change="extend")
    assert {chunk.index: chunk.handle for chunk in grown.pending()} == {0: None, 1: None, 3: "batch-1", 4: None}


def test_what_nobody_asked_to_reuse_is_not_taken(store: CheckpointStore) -> None:
    """Another file's results, and those of a job that was begun anew because they were bad, are for ``reuse`` alone."""
    work_through(store.open_job("other", chunks=["a", "b"]))
    work_through(store.open_job("feed", chunks=["a"], on_change="extend"))
    assert work_through(store.open_job("feed", chunks=["a", "b", "a"], on_change="extend")) == ["b", "a"]
    work_through(store.open_job("feed", chunks=["a"], on_change="restart"))
    assert work_through(store.open_job("feed", chunks=["a", "b"], on_change="extend")) == ["b"]


def test_a_job_that_was_begun_afresh_grows(store: CheckpointStore) -> None:
    """The newest job is meant, also before it has a result; a wrong setting of the first minute is passed over."""
    work_through(store.open_job("feed", chunks=THREE))
    fresh = store.open_job("feed", chunks=THREE, fresh=True)
    assert store.open_job("feed", chunks=FIVE, on_change="extend").job_id == fresh.job_id
    with_results = store.job("feed")
    with_results.complete(0, "paid")
    store.open_job("feed", chunks=FIVE, model="wrong", fresh=True)
    assert store.open_job("feed", chunks=[*FIVE, "six"], on_change="extend").job_id == with_results.job_id


def test_map_does_what_is_new(store: CheckpointStore) -> None:
    """``store.map`` in a loop: each call pays for what came since the last one, and returns everything."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        return text.upper()

    for chunks in (THREE, FIVE, FIVE):
        results = store.map(work, chunks, file_name="feed", on_change="extend")
        assert results == [text.upper() for text in chunks]
    assert calls == FIVE


# -- what is refused


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"chunks": ["one", "TWO", "three", "four"]}, {"chunks"}),
        ({"chunks": ["one", "three", "two", "four"]}, {"chunks"}),
        ({"chunks": ["zero", *THREE]}, {"chunks"}),
        ({"chunks": ["one", "two", "other"]}, {"chunks"}),
        ({"chunks": ["one", "two"]}, {"total_chunks"}),
        ({"chunks": FIVE, "model": "other"}, {"model"}),
        ({"chunks": FIVE, "config": {"t": 1}}, {"config.t"}),
        ({"total_chunks": 5}, {"chunks"}),
        ({"total_chunks": 2}, {"total_chunks"}),
    ],
    ids=str,
)
def test_what_is_no_growth_is_refused(store: CheckpointStore, plan: dict[str, Any], says: set[str]) -> None:
    """An edit, another order, fewer chunks, another setting: the error names just that, and nothing changed."""
    job = store.open_job("feed", chunks=THREE)
    work_through(job)
    before = job.state()
    with pytest.raises(PlanChanged, match="cannot be extended") as refused:
        store.open_job("feed", on_change="extend", **plan)
    assert {difference.field for difference in refused.value.differences} == says
    assert (job.state(), len(store.jobs())) == (before, 1)
    assert store.plan("feed", on_change="extend", **plan).action == "refuse"


def test_the_refusal_names_the_chunk_that_was_edited(store: CheckpointStore) -> None:
    """Whoever changed a line of an input finds out which."""
    work_through(store.open_job("feed", chunks=THREE))
    with pytest.raises(PlanChanged, match="chunk 1 is another one"):
        store.open_job("feed", chunks=["one", "TWO", "three", "four"], on_change="extend")


def test_an_old_view_of_the_input_is_refused_before_there_are_results(store: CheckpointStore) -> None:
    """A second process with fewer chunks does not begin a job beside the one that grew."""
    store.open_job("feed", chunks=THREE)
    store.open_job("feed", chunks=FIVE, on_change="extend")
    with pytest.raises(PlanChanged, match="total_chunks"):
        store.open_job("feed", chunks=THREE, on_change="extend")
    assert len(store.jobs()) == 1


def test_a_plan_says_what_extending_would_do(store: CheckpointStore) -> None:
    """Nothing is written to find out."""
    job = store.open_job("feed", chunks=THREE)
    work_through(job)
    plan = job.plan(FIVE, on_change="extend")
    assert (plan.action, plan.job_id, plan.kept, plan.chunks_to_do) == ("extend", job.job_id, 3, 2)
    assert store.jobs()[0].total_chunks == 3


# -- who is at work meanwhile


def test_a_loop_under_way_goes_on_with_what_came(store: CheckpointStore) -> None:
    """The loop of the same program sees the new chunks at its next claim."""
    job = store.open_job("feed", chunks=THREE)
    loop = job.map(str.upper)
    assert next(loop).index == 0
    store.open_job("feed", chunks=FIVE, on_change="extend")
    assert [item.result for item in loop] == ["TWO", "THREE", "FOUR", "FIVE"]
    assert (job.status, job.total_chunks) == ("completed", 5)


@pytest.mark.slow
def test_a_pending_loop_goes_on_with_what_came(store: CheckpointStore) -> None:
    """A caller's own loop, too, and with more each time."""
    done = []
    for chunk in store.open_job("feed", chunks=["0"]).pending():
        chunk.complete(chunk.data)
        done.append(chunk.data)
        if len(done) < 20:
            store.open_job("feed", chunks=[str(number) for number in range(len(done) + 1)], on_change="extend")
    assert done == [str(number) for number in range(20)]


@pytest.mark.slow
def test_a_feeding_thread_and_a_loop(open_store: Opener) -> None:
    """A thread lets the job grow while a loop works: the loop that follows does the rest, and nothing twice."""
    store, calls, heard = open_store(), [], threading.Event()

    def work(text: str) -> str:
        calls.append(text)
        heard.set()
        return text

    texts = [f"text {number}" for number in range(60)]
    job = store.open_job("feed", chunks=texts[:1], on_change="extend")

    def feed() -> None:
        for count in range(2, 61):
            store.open_job("feed", chunks=texts[:count], on_change="extend")
            heard.wait(1)
            heard.clear()

    with ThreadPoolExecutor(1) as pool:
        feeder = pool.submit(feed)
        while not feeder.done() or (feeder.exception() is None and job.remaining()):
            for _ in job.map(work, workers=2):
                pass
    feeder.result()
    assert (sorted(calls), store.check()) == (sorted(texts), [])


FEED = program(__file__, "work_on_feed")


def test_another_process_sees_the_new_chunks_at_its_next_claim(children: Children, store: CheckpointStore) -> None:
    """A runner that reads its chunks by their index goes on with those that came, without a new start."""
    other = children.start(FEED, "by index")
    assert children.next_line(other) == "0"
    store.open_job("feed", total_chunks=5, on_change="extend")
    assert children.finish(other, "\n" * 9).split() == ["1", "2", "3", "4"]
    assert store.job("feed").status == "completed"


def test_a_process_that_has_fewer_chunks_ends_with_those(children: Children, store: CheckpointStore) -> None:
    """A runner cannot work on data that it was never given: it ends without an error, and leaves the rest."""
    other = children.start(FEED, "by text")
    assert children.next_line(other) == "one"
    grown = store.open_job("feed", chunks=FIVE, on_change="extend")
    assert children.finish(other, "\n" * 9).splitlines()[-1] == "['one', 'two', 'three']"
    assert work_through(grown) == ["four", "five"]


def test_a_job_object_from_before_takes_results_of_new_chunks(store: CheckpointStore, open_store: Opener) -> None:
    """Another store object let the job grow; what this one records of the new chunks is accepted and read."""
    job = store.open_job("feed", total_chunks=2)
    open_store().open_job("feed", total_chunks=4, on_change="extend")
    job.complete_many((index, index) for index in range(4))
    assert (list(job.results()), job.total_chunks, job.status) == ([0, 1, 2, 3], 4, "completed")


def test_a_pause_still_ends_the_loop_of_a_growing_job(store: CheckpointStore) -> None:
    """Growth does not take a pause back that somebody asked for since."""
    texts = [str(number) for number in range(2000)]

    def work(text: str) -> str:
        time.sleep(0.001)
        return text

    loop = store.open_job("feed", chunks=texts[:2]).map(work)
    next(loop)
    store.open_job("feed", chunks=texts, on_change="extend").pause()
    with pytest.raises(JobPaused):
        list(loop)


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["list", "number"])
def test_processes_that_extend_at_once_grow_one_job(children: Children, tmp_path: Path, kind: str) -> None:
    """Whoever comes first lets it grow, whoever has less is refused: one job, of the longest plan."""
    lengths = range(1, 5)
    plans = [{"chunks": list(map(str, range(n)))} if kind == "list" else {"total_chunks": n} for n in lengths]
    plans = [plan | {"on_change": "extend"} for plan in plans]
    printed = children.together(4, program(__file__, "open_plan"), "feed", json.dumps(plans))
    with CheckpointStore(tmp_path / "talks.db") as store:
        (job,) = store.jobs()
        assert isinstance(job, Job)
        assert ({line.strip() for line in printed}, job.total_chunks) == ({job.job_id}, 4)


# -- in order


def test_a_sequential_job_grows(store: CheckpointStore) -> None:
    """Each new chunk gets the result before it; those that were paid for stay, and so does their order."""
    seen = []
    for texts in (THREE, FIVE):
        for chunk in store.open_job("talk", chunks=texts, sequential=True, on_change="extend").pending():
            seen.append((chunk.data, chunk.previous))
            chunk.complete(chunk.data.upper())
    assert seen == list(zip(FIVE, [None, "ONE", "TWO", "THREE", "FOUR"], strict=True))
    assert len(store.jobs()) == 1


@pytest.mark.parametrize("plan", [{"chunks": FIVE}, {"total_chunks": 5}], ids=["chunks", "number"])
def test_a_job_does_not_become_sequential_by_growing(store: CheckpointStore, plan: dict[str, Any]) -> None:
    """Results that were made without the ones before them are no beginning of a job that depends on its order."""
    before = {"chunks": THREE} if "chunks" in plan else {"total_chunks": 3}
    store.open_job("talk", **before).complete(0, "one")
    with pytest.raises(PlanChanged, match="cannot be extended") as refused:
        store.open_job("talk", **plan, sequential=True, on_change="extend")
    assert [difference.field for difference in refused.value.differences] == ["sequential"]


@pytest.mark.parametrize("chunks", [THREE, None], ids=["chunks", "number"])
def test_a_result_that_a_full_disk_kept_back_fits_the_grown_job(
    open_store: Opener, tmp_path: Path, chunks: list[str] | None
) -> None:
    """A process that could not record what it paid for has ended, and the job grew since: the result is taken in."""

    def plan(count: int) -> dict[str, Any]:
        return {"total_chunks": count} if chunks is None else {"chunks": FIVE[:count]}

    with open_store() as store:
        job = store.open_job("feed", **plan(3))
        kept = unrecorded_files.UnrecordedResult(
            job._execution.completion(1, {"paid": 1}), unrecorded_files.plan_digest(job._execution.recorded.record())
        )
        path = tmp_path / unrecorded_files.new_name(store.path)
        store.open_job("feed", on_change="extend", **plan(5))
    unrecorded_files.write(path, [kept])
    assert list(open_store().job("feed").items()) == [(1, {"paid": 1})]
    assert not path.exists()


def test_a_kept_result_of_no_chunk_stays_in_its_file(open_store: Opener, tmp_path: Path) -> None:
    """A file that names a chunk which the job does not have is not believed."""
    with open_store() as store:
        job = store.open_job("feed", chunks=THREE)
        plan = unrecorded_files.plan_digest(job._execution.recorded.record())
        beyond = job._execution.completion(1, {"paid": 1})._replace(chunk_index=7)
        beyond = beyond._replace(digest=digest(job.job_id, 7, str(beyond.text)))
        path = tmp_path / unrecorded_files.new_name(store.path)
    unrecorded_files.write(path, [unrecorded_files.UnrecordedResult(beyond, plan)])
    assert list(open_store().job("feed").items()) == []
    assert path.exists()


def test_a_refusal_names_extend_only_where_a_job_may_grow(store: CheckpointStore) -> None:
    """Who has only more chunks reads that the job can grow; who changed the model, or has no more chunks, does not."""
    job = store.open_job("talk.srt", chunks=["one", "two"], model="small")
    job.complete(0, {"text": "ONE"})
    with pytest.raises(PlanChanged, match=r"'extend' lets the job grow.*; 'restart'"):
        store.open_job("talk.srt", chunks=["one", "two", "three"], model="small")
    edited, shorter = ["un", "two", "three"], ["one"]
    for chunks, model in (
        (["one", "two", "three"], "large"),
        (["one", "deux"], "small"),
        (edited, "small"),
        (shorter, "small"),
    ):
        with pytest.raises(PlanChanged) as refused:
            store.open_job("talk.srt", chunks=chunks, model=model)
        assert "extend" not in str(refused.value)
