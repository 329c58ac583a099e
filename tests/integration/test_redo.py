"""Complete chunks that are done again: the earlier results stay until the new ones are there, and money stays counted."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import (
    BudgetReached,
    CheckpointStore,
    ChunkAlreadyCompleted,
    ChunkInWork,
    ChunkNotCompleted,
    ChunkOutOfOrder,
    ChunkOutOfRange,
    InvalidArgumentError,
    JobIncomplete,
    JobNotFound,
    PlanChanged,
    ProcessingState,
    StorageUnavailableError,
)
from checkpoint_store.storage.verbs.redos import MarkVerbs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import Job

CHUNKS = list("abcdef")


def worker() -> Callable[[str], dict[str, Any]]:
    """Return paid work that tells which call it was."""
    calls = count(1)
    return lambda chunk: {"chunk": chunk, "call": next(calls), "cost": 0.25}


@pytest.fixture
def work() -> Callable[[str], dict[str, Any]]:
    """Paid work that tells which call it was."""
    return worker()


@pytest.fixture
def job(store: CheckpointStore, work: Callable[[str], dict[str, Any]]) -> Job:
    """A complete job of six chunks, by calls 1 to 6."""
    opened = store.open_job("talk.srt", chunks=CHUNKS)
    list(opened.map(work))
    return opened


def calls_of(job: Job) -> list[int]:
    """Return by which call each result was made."""
    return [result["call"] for result in job.results()]


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return what a person sees at the sqlite3 prompt."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(statement).fetchall()


def test_complete_chunks_are_left_again_and_keep_their_results(job: Job, store: CheckpointStore) -> None:
    """The job is paused, and says everywhere that these chunks are left."""
    assert job.redo([1, 3, 4]) == 3
    assert (job.status, job.progress().remaining_chunks, job.plan().chunks_to_do) == ("paused", 3, 3)
    assert job.remaining() == [range(1, 2), range(3, 5)]
    assert job.completed_ranges() == [(0, 1), (2, 3), (5, 6)]
    assert (job.to_redo(), job.is_completed(1)) == ([1, 3, 4], False)
    assert [found.job_id for found in store.incomplete_jobs()] == [job.job_id]
    assert calls_of(job) == [1, 2, 3, 4, 5, 6]
    assert [index for index, _ in job.items()] == list(range(6))
    assert rows(store.path, 'SELECT completed, "left", percent FROM job_progress') == [(3, 3, 50.0)]
    assert store.check() == []


def test_the_next_loop_does_them_again_and_the_new_results_stand(
    job: Job, store: CheckpointStore, work: Callable[[str], dict[str, Any]]
) -> None:
    """The next loop does exactly the redone chunks again, and with the last of them the job is completed."""
    job.redo(range(1, 3))
    done = job.map(work)
    assert next(done).index == 1
    assert (calls_of(job), job.to_redo()) == ([1, 7, 3, 4, 5, 6], [2])
    assert [item.index for item in done] == [2]
    assert (calls_of(job), job.status, job.to_redo()) == ([1, 7, 8, 4, 5, 6], "completed", [])
    assert store.check() == []


def test_the_same_result_again_is_a_new_result(job: Job) -> None:
    """The chunk was done again, and is not left any longer."""
    result = job.result(2)
    job.redo(2)
    job.complete(2, result)
    assert (job.status, job.to_redo()) == ("completed", [])


def test_any_loop_finds_them(job: Job, store: CheckpointStore, work: Callable[[str], dict[str, Any]]) -> None:
    """``pending``, a job that is opened anew, and ``complete_many`` work on the chunks to be done again."""
    job.redo([0, 5])
    for chunk in job.pending():
        assert chunk.data == CHUNKS[chunk.index]
        chunk.complete(work(chunk.data))
    assert calls_of(job) == [7, 2, 3, 4, 5, 8]
    job.redo([0, 5])
    again = store.open_job("talk.srt", chunks=CHUNKS)
    assert (again.job_id, again.status) == (job.job_id, "running")
    again.complete_many([(0, work("a")), (5, work("f"))])
    assert (calls_of(job), job.status) == ([9, 2, 3, 4, 5, 10], "completed")


def test_a_loop_at_work_takes_up_chunks_that_it_has_passed_by(
    job: Job, open_store: Opener, work: Callable[[str], dict[str, Any]]
) -> None:
    """A loop at work takes up chunks that are redone behind it, by any store object and as often as asked."""
    job.redo([2, 4])
    other = open_store().job(job.job_id)
    taken = []
    for chunk in job.pending():
        taken.append(chunk.index)
        chunk.complete(work(chunk.data))
        if len(taken) in (2, 4):
            assert job.status == "completed"
            other.redo([0, 2])
            assert job.status == "running"
    assert taken == [2, 4, 0, 2, 0, 2]
    assert (calls_of(job), job.status) == ([11, 2, 12, 4, 8, 6], "completed")


@pytest.mark.slow
def test_a_loop_that_many_chunks_are_given_back_to_does_not_look_for_marks_at_each(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads every mark of the job. For ten thousand chunks the loop would read ten thousand marks each time."""
    job, reads, look = store.open_job("large.srt", total_chunks=200), list[float](), MarkVerbs.all_of

    def slow_look(verbs: MarkVerbs, job_id: str) -> frozenset[Any]:
        reads.append(time.monotonic())
        time.sleep(0.02)
        return look(verbs, job_id)

    def work(index: int) -> dict[str, int]:
        if index == 199 and not job.is_completed(199) and not job.to_redo():
            job.redo(range(199))
            monkeypatch.setattr(MarkVerbs, "all_of", slow_look)
        return {"call": len(reads)}

    job.complete_many((index, "first") for index in range(199))
    assert sum(1 for _ in job.map(work)) == 200
    assert len(reads) <= 2 + (reads[-1] - reads[0]) / 0.2


def test_asking_twice_changes_nothing(job: Job, store: CheckpointStore) -> None:
    """What is to be done again already is so."""
    assert job.redo([1, 2]) == 2
    before = rows(store.path, "SELECT * FROM chunk_redos")
    assert (job.redo([2, 2, 1]), job.redo([2, 3]), job.redo([])) == (0, 1, 0)
    assert rows(store.path, "SELECT * FROM chunk_redos")[:2] == before


@each_case(
    ("indices", "error", "message"),
    [
        ([1, 6], ChunkOutOfRange, "6"),
        ([1, -1], ChunkOutOfRange, "-1"),
        ([True], ChunkOutOfRange, "True"),
        (["1"], ChunkOutOfRange, "'1'"),
        (None, InvalidArgumentError, "None"),
    ],
)
def test_what_is_no_chunk_is_refused(job: Job, indices: Any, error: type[Exception], message: str) -> None:
    """``redo`` refuses what is no chunk with its value, and marks no other chunk either."""
    with pytest.raises(error, match=message):
        job.redo(indices)
    assert (job.to_redo(), job.status) == ([], "completed")


def test_a_chunk_that_is_not_complete_is_refused(store: CheckpointStore) -> None:
    """A chunk that is not complete cannot be marked to be done again."""
    job = store.open_job("half.srt", total_chunks=3)
    job.complete(0, "x")
    with pytest.raises(ChunkNotCompleted, match=r"chunk 1 of job .* is not complete"):
        job.redo([0, 1])
    assert job.to_redo() == []


def test_a_chunk_in_work_is_refused(open_store: Opener) -> None:
    """``redo`` refuses a chunk in work and names its runner; once the work was dropped, it is accepted."""
    first = open_store().open_job("talk.srt", total_chunks=2)
    in_hand = next(first.pending())
    other = open_store().job("talk.srt")
    other.complete(0, "by hand")
    with pytest.raises(ChunkInWork, match=r"chunk 0 of job .* process \d+ on ") as refused:
        other.redo([0])
    assert refused.value.chunk_index == 0
    del in_hand, refused
    assert other.redo([0]) == 1


def test_a_job_that_is_gone_or_was_replaced_is_refused(job: Job, store: CheckpointStore) -> None:
    """A later job of the file is what a run goes on with, so the error names it."""
    later = store.open_job("talk.srt", chunks=["other"], on_change="restart")
    with pytest.raises(InvalidArgumentError, match=later.job_id):
        job.redo([0])
    store.delete_job(later.job_id)
    with pytest.raises(JobNotFound):
        later.redo([])


def test_a_read_only_store_refuses_and_reads(job: Job, store: CheckpointStore) -> None:
    """A read-only store lists the chunks to be done again, and refuses ``redo``."""
    job.redo([1])
    with CheckpointStore(store.path, read_only=True) as reader:
        read = reader.job(job.job_id)
        assert (read.to_redo(), [chunk.index for chunk in read.pending()]) == ([1], [1])
        with pytest.raises(StorageUnavailableError, match="read"):
            read.redo([2])


def test_the_chunks_have_all_their_tries_again(store: CheckpointStore) -> None:
    """Earlier failures do not count; those of the redo do, and the earlier result stays where it fails for good."""
    job = store.open_job("talk.srt", total_chunks=1)
    for _ in range(2):
        job.fail_chunk(0, "not yet")
    job.complete(0, "first")
    job.redo(0)
    assert (job.errors(), job.failed_chunks()) == ([], [])
    for attempt in range(3):
        assert [chunk.index for chunk in job.pending()] == [0]
        job.fail_chunk(0, f"not now {attempt}")
    assert [(found.chunk_index, found.error) for found in job.failed_chunks()] == [(0, "not now 2")]
    assert rows(store.path, "SELECT chunk_index, error FROM failed_chunks") == [(0, "not now 2")]
    assert list(job.pending()) == []
    assert (list(job.results()), job.to_redo(), job.retry_failed()) == (["first"], [0], 1)
    for chunk in job.pending():
        chunk.complete("second")
    assert (list(job.results()), job.status) == (["second"], "completed")


def test_a_chunk_whose_redo_failed_can_be_asked_for_again(store: CheckpointStore) -> None:
    """Whoever asks once more wants it done: it has its tries back, and the one that has all of them still stays."""
    job = store.open_job("talk.srt", total_chunks=3)
    job.complete_many((index, "first") for index in range(3))
    job.redo([0, 1])
    for _ in range(3):
        job.fail_chunk(0, "not now")
    assert [chunk.index for chunk in job.pending()] == [1]
    assert job.redo([0, 1, 2]) == 2
    assert (job.failed_chunks(), job.redo([0, 1, 2])) == ([], 0)
    assert [chunk.index for chunk in job.pending()] == [0, 1, 2]


def test_a_handle_of_the_earlier_work_is_gone(store: CheckpointStore) -> None:
    """Whoever asked the service for it would get the earlier result again; a new handle counts."""
    job = store.open_job("talk.srt", total_chunks=1)
    job.record_handle(0, "batch-1")
    job.complete(0, "first")
    job.redo(0)
    (chunk,) = job.pending()
    assert chunk.handle is None
    chunk.record_handle("batch-2")
    del chunk
    assert [chunk.handle for chunk in job.pending()] == ["batch-2"]
    assert store.prune(keep_last=0).jobs == ()


def test_a_late_result_of_an_earlier_run_is_no_new_result(open_store: Opener) -> None:
    """What was begun before the redo was asked for never ends it, not even with another result."""
    sleeper = open_store().open_job("talk.srt", total_chunks=1)
    (late,) = sleeper.pending()
    job = open_store().job("talk.srt")
    (runner,) = job.runners()
    job.release_runner(runner.runner)
    job.complete(0, "first")
    job.redo(0)
    with pytest.raises(ChunkAlreadyCompleted):
        late.complete("late")
    assert (job.to_redo(), list(job.results())) == ([0], ["first"])
    (again,) = job.pending()
    again.complete("second")
    assert (job.to_redo(), list(job.results())) == ([], ["second"])


def test_a_late_result_of_the_redo_is_the_new_result(open_store: Opener) -> None:
    """A late result of a redo answers the redo, even if its runner was released meanwhile."""
    sleeper = open_store().open_job("talk.srt", total_chunks=1)
    sleeper.complete(0, "first")
    sleeper.redo(0)
    (late,) = sleeper.pending()
    job = open_store().job("talk.srt")
    job.release_runner(job.runners()[0].runner)
    assert [(found.chunk_index, found.attempt) for found in job.in_doubt_chunks()] == [(0, 1)]
    assert rows(job._context.reading.path, "SELECT chunk_index FROM in_doubt_chunks") == [(0,)]
    late.complete("late")
    assert (list(job.results()), job.to_redo(), list(job.pending())) == (["late"], [], [])


def test_a_sequential_job_is_redone_from_a_chunk_to_its_end(open_store: Opener) -> None:
    """Each chunk was made from those before it; the error names what belongs to it."""
    store = open_store()
    job = store.open_job("book.txt", chunks=CHUNKS, sequential=True)
    for chunk in job.pending():
        chunk.complete(f"{chunk.previous}{chunk.data}")
    with pytest.raises(InvalidArgumentError, match=r"leaves out chunk 3: .* sequential.* from the first one on: 2-5"):
        job.redo([2])
    job.redo(range(2, 6))
    with pytest.raises(ChunkOutOfOrder):
        job.complete(4, "out of order")
    other = open_store().open_job("book.txt", chunks=CHUNKS, sequential=True)
    told = []

    def tell(*, and_redo: list[int]) -> None:
        for chunk in other.pending():
            told.append((chunk.index, chunk.previous))
            chunk.complete(f"{chunk.previous}{chunk.data.upper()}")
            if chunk.index == 4 and and_redo:
                with pytest.raises(InvalidArgumentError, match="3-5"):
                    job.redo(and_redo[:1])
                job.redo(and_redo)  # chunk 5 is to be done again still

    tell(and_redo=[3, 4])
    tell(and_redo=[])
    assert told == [(2, "Noneab"), (3, "NoneabC"), (4, "NoneabCD"), (3, "NoneabC"), (4, "NoneabCD"), (5, "NoneabCDE")]
    assert (list(job.results())[-1], job.status) == ("NoneabCDEF", "completed")


def test_a_sequential_job_is_not_redone_behind_a_chunk_in_work(open_store: Opener) -> None:
    """``redo`` in a sequential job is refused while a later chunk is in work with the earlier result."""
    job = open_store().open_job("book.txt", total_chunks=3, sequential=True)
    loop = job.pending()
    next(loop).complete("one")
    in_hand = next(loop)
    with pytest.raises(ChunkInWork, match="chunk 1"):
        open_store().job("book.txt").redo([0])
    in_hand.complete("two")


def test_a_failed_or_paused_job_keeps_its_status(store: CheckpointStore) -> None:
    """``redo`` keeps the status of a failed or paused job, and takes up only a completed job."""
    job = store.open_job("talk.srt", total_chunks=2)
    job.complete(0, "x")
    job.fail("it broke")
    job.redo(0)
    assert (job.status, job.error_message) == ("failed", "it broke")
    assert calls_left(job) == [0, 1]


def calls_left(job: Job) -> list[int]:
    """Return the chunks that a loop would hand out."""
    return [index for left in job.remaining() for index in left]


def test_the_last_new_chunk_does_not_complete_a_job_with_chunks_to_redo(store: CheckpointStore) -> None:
    """Every chunk has a result then, and one of them is to be done again."""
    job = store.open_job("talk.srt", total_chunks=3)
    job.complete(0, "x")
    job.redo(0)
    job.complete(1, "y")
    job.complete_many([(2, "z")])
    assert (job.status, job.progress().remaining_chunks) == ("running", 1)
    with pytest.raises(JobIncomplete, match="1 chunk left"):
        job.finish()
    job.complete(0, "new")
    assert job.status == "completed"


def test_the_state_file_shows_the_earlier_results_and_what_is_to_be_done_again(
    job: Job, store: CheckpointStore
) -> None:
    """The state file has the earlier results and the chunks to be done again when ``redo`` returns."""
    job.redo([1, 4])
    assert store.state_file is not None
    state = ProcessingState.from_json(store.state_file.read_bytes())
    assert state == job.state()
    assert (state.status, list(state.redo_chunks), state.remaining_chunks) == ("paused", [1, 4], 2)
    assert (state.is_resumable, state.next_chunk_index) == (True, 1)
    assert [result["call"] for result in state.processed_results] == [1, 2, 3, 4, 5, 6]
    assert json.loads(store.state_file.read_bytes())["completed_chunks"] == [0, 1, 2, 3, 4, 5]


def test_reuse_takes_the_earlier_results_along_and_that_they_are_to_be_done_again(
    job: Job, store: CheckpointStore
) -> None:
    """Whoever edits the input meanwhile has not taken the redo back."""
    job.redo([1, 4])
    with pytest.raises(PlanChanged):
        store.open_job("talk.srt", chunks=["new", *CHUNKS])
    assert job.plan(["new", *CHUNKS], on_change="reuse").chunks_to_do == 3
    edited = store.open_job("talk.srt", chunks=["new", *CHUNKS], on_change="reuse")
    assert calls_left(edited) == [0, 2, 5]
    assert edited.plan().chunks_to_do == 3
    assert edited.to_redo() == [2, 5]
    assert edited.result(2)["call"] == 2


def test_a_budget_counts_what_the_earlier_results_cost(
    job: Job, store: CheckpointStore, work: Callable[[str], dict[str, Any]]
) -> None:
    """The cost of earlier results counts in the loop that redoes them, in later loops and on screens."""
    job.redo(range(6))
    with pytest.raises(BudgetReached) as reached:
        list(job.map(work, max_cost=2.3))
    assert (reached.value.spent, calls_of(job)) == (2.25, [7, 8, 9, 4, 5, 6])
    with pytest.raises(BudgetReached) as reached:
        list(job.map(work, max_cost=2.3))
    assert reached.value.spent == 2.25
    assert rows(store.path, "SELECT results, cost, failed_cost, replaced_cost FROM job_costs") == [
        (6, 2.25, None, 0.75)
    ]
    assert job.plan().spent == 2.25


@pytest.mark.slow_variants
@pytest.mark.parametrize("cost", ["usage.price", lambda result: result["usage"]["price"]], ids=["path", "function"])
def test_a_budget_finds_the_earlier_cost_where_it_is_told_to(store: CheckpointStore, cost: Any) -> None:
    """A budget finds the earlier cost in the field that ``cost`` names, not only in the usual one."""
    job = store.open_job("talk.srt", total_chunks=4)

    def work(index: int) -> dict[str, Any]:
        return {"index": index, "usage": {"price": 0.5}}

    list(job.map(work, cost=cost))
    job.redo(range(4))
    for _ in range(2):  # the second loop reads all costs anew
        with pytest.raises(BudgetReached) as reached:
            list(job.map(work, cost=cost, max_cost=3.2))
        assert (reached.value.spent, job.to_redo()) == (3.0, [2, 3])


def test_what_a_replaced_result_cost_stays_counted(store: CheckpointStore) -> None:
    """The cost of a replaced result stays counted, by a claim or by hand, once or several times."""
    job = store.open_job("talk.srt", total_chunks=2)
    (first, _) = job.pending()
    first.complete({"text": "a", "cost": 0.25})
    first.complete({"text": "b", "cost": 0.5}, replace=True)
    job.complete(1, {"text": "c", "cost": 1.0})
    job.complete(1, {"text": "d", "cost": 2.0}, replace=True)
    job.complete(1, {"text": "e", "cost": 0}, replace=True)
    assert rows(store.path, "SELECT cost, failed_cost, replaced_cost FROM job_costs") == [(3.75, None, 3.25)]
    assert job.totals("cost") == {"cost": 0.5}
    assert store.check() == []
