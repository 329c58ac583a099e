"""A sequential job: each chunk is done once all before it are complete, with the result of the one before it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import (
    ChunkFailed,
    ChunkOutOfOrder,
    InvalidArgumentError,
    PlanChanged,
    ServiceUnavailable,
    StateManager,
    current_attempt,
)

from .claims_tools import CLAIM
from .map_tools import Flaky

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore

PAGES = [f"page {number}" for number in range(6)]
TOLD = ["page 0", "page 0 page 1", "page 0 page 1 page 2", "page 0 page 1 page 2 page 3"]
"""What :func:`tell` makes of the first pages."""


def tell(page: str) -> str:
    """A story so far: the result of the page before, and this page."""
    previous = current_attempt().previous
    return page if previous is None else f"{previous} {page}"


def story(pages: list[str]) -> list[str]:
    """What :func:`tell` makes of these pages, one after the other."""
    return [" ".join(pages[: at + 1]) for at in range(len(pages))]


# -- the order, and the result before


def test_each_chunk_gets_the_result_before_it(store: CheckpointStore) -> None:
    """A translation of page 3 is made with the translation of page 2; the first page has none before it."""
    assert store.map(tell, PAGES, file_name="book.txt", sequential=True) == story(PAGES)


def test_a_loop_of_the_callers_own_has_it_too(store: CheckpointStore) -> None:
    """``chunk.previous`` is the earlier result, as the store gives it back."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    seen: list[Any] = []
    for chunk in job.pending():
        seen.append(chunk.previous)
        chunk.complete({"page": chunk.index, "words": (chunk.data,)})
    assert seen == [None, *({"page": index, "words": [PAGES[index]]} for index in range(5))]
    assert (job.sequential, job.status) == (True, "completed")


def test_other_jobs_have_no_previous_result(store: CheckpointStore) -> None:
    """Where chunks are done in any order, no chunk is told of another one's result."""
    job = store.open_job("book.txt", chunks=PAGES)
    for chunk in job.pending():
        assert chunk.previous is None
        chunk.complete("x")
    assert job.sequential is False


@pytest.mark.slow_variants
@pytest.mark.parametrize("make", [None, ThreadPoolExecutor, ProcessPoolExecutor], ids=["own", "threads", "processes"])
def test_more_workers_change_nothing(store: CheckpointStore, make: Any) -> None:
    """With four workers one chunk is in work at a time; a worker process has the earlier result, too."""
    if make is None:
        assert store.map(tell, PAGES, file_name="book.txt", sequential=True, workers=4) == story(PAGES)
        return
    with make(4) as pool:
        assert store.map(tell, PAGES, file_name="book.txt", sequential=True, executor=pool) == story(PAGES)


def test_with_asyncio_too(store: CheckpointStore) -> None:
    """``amap`` with eight workers awaits one call after the other."""
    at_once = 0

    async def tell_later(page: str) -> str:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        await asyncio.sleep(0.01)
        at_once -= 1
        return tell(page)

    async def main() -> list[str]:
        job = store.open_job("book.txt", chunks=PAGES, sequential=True)
        async for _ in job.amap(tell_later, workers=8):
            pass
        return list(job.results())

    assert asyncio.run(main()) == story(PAGES)


def test_where_only_the_number_is_known(store: CheckpointStore, open_store: Opener) -> None:
    """``total_chunks=`` has no texts to compare; the order holds all the same, also for who opens the job later."""
    job = store.open_job("book.txt", total_chunks=4, sequential=True)
    next(job.pending()).complete(0)
    again = open_store().job(job.job_id)
    results = [item.result for item in again.map(lambda index: [current_attempt().previous, index], workers=3)]
    assert results == [[0, 1], [[0, 1], 2], [[[0, 1], 2], 3]]


def test_a_chunk_in_another_hand_is_waited_for(store: CheckpointStore, open_store: Opener) -> None:
    """Two loops share a job: nobody begins a chunk while the one before it is in another loop's hand."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    first = next(job.pending())
    other = open_store().open_job("book.txt", chunks=PAGES, sequential=True)
    assert list(other.pending()) == []
    began = threading.Event()

    def work(page: str) -> str:
        began.set()
        return tell(page)

    loop = threading.Thread(target=lambda: list(other.map(work, workers=4)))
    loop.start()
    assert not began.wait(0.5)
    first.complete("page 0")
    loop.join(60)
    assert list(job.results()) == story(PAGES)


@pytest.mark.slow
def test_two_processes_hand_it_to_each_other(store: CheckpointStore, children: Children) -> None:
    """Two processes share a sequential job, a chunk at a time, and each gets the other's result."""
    job = store.open_job("book.txt", total_chunks=40, sequential=True)
    done = [int(line) for line in children.together(2, program(__file__, "tell_in_turns"), job.job_id)]
    assert sum(done) == 40
    assert [result[0] for result in job.results()] == list(range(40))


def test_a_shard_is_the_beginning(store: CheckpointStore) -> None:
    """``only=`` does the first pages in order; a part behind them is refused before anything is paid for."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    list(job.map(tell, only=range(3), workers=2))
    assert (list(job.results(missing="skip")), job.remaining()) == (story(PAGES)[:3], [range(3, 6)])
    with pytest.raises(InvalidArgumentError, match="leaves out earlier chunks"):
        job.map(tell, only=range(3, 6))


def test_a_killed_chunk_is_done_again_before_any_other(store: CheckpointStore, children: Children) -> None:
    """After a kill in page 2, page 2 is next, with page 1 before it."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    job.complete_many([(0, 0), (1, 1)])
    children.run(CLAIM, job.job_id, 1, "is killed", code=-9)
    chunk = next(job.pending())
    assert (chunk.index, chunk.previous, chunk.attempt and chunk.attempt.number) == (2, 1, 2)


# -- what ends it


def test_a_failed_chunk_ends_the_loop(store: CheckpointStore) -> None:
    """The pages behind it are not tried: they would have no result to go on from."""
    flaky = Flaky(ValueError("no"), c2=1)
    with pytest.raises(ValueError, match="no"):
        store.map(flaky, PAGES, file_name="book.txt", sequential=True, workers=3, max_attempts=1)
    assert flaky.calls == [0, 1, 2]


def test_a_failed_chunk_ends_the_loop_whatever_on_error_says(store: CheckpointStore) -> None:
    """``on_error="record"`` cannot go on with the others; the error says which chunk, and the next run says it again."""
    flaky = Flaky(ValueError("no"), c2=9)
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    for _ in range(2):
        with pytest.raises(ChunkFailed, match="chunk 2: ValueError: no") as failed:
            list(job.map(flaky, on_error="record", workers=3, max_attempts=1))
        assert failed.value.failed_chunks == 1
    assert (flaky.calls, job.status) == ([0, 1, 2], "failed")
    assert list(job.pending(max_attempts=1)) == []
    assert (job.plan().failed, job.plan().chunks_to_do) == ((2,), 0)
    job.retry_failed()
    assert job.plan().chunks_to_do == 4
    assert [chunk.index for chunk in job.pending()] == [2]


def test_a_chunk_that_recovers_goes_on(store: CheckpointStore) -> None:
    """A page that fails twice is tried a third time, and then the next page is done."""
    flaky = Flaky(c1=2)
    assert store.map(flaky, PAGES, file_name="book.txt", sequential=True, wait=0.01) == [p.upper() for p in PAGES]
    assert flaky.calls == [0, 1, 1, 1, 2, 3, 4, 5]


@pytest.mark.slow_variants
@pytest.mark.parametrize("status", [500, 503])
def test_an_outage_of_one_chunk(store: CheckpointStore, status: int) -> None:
    """No other chunk can be tried: a 500 is the chunk's own after three of them, and a 503 is never its fault."""

    class ServiceError(Exception):
        status_code = status

    flaky = Flaky(ServiceError("away"), c2=10**9)
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    with pytest.raises(ServiceError if status == 500 else ServiceUnavailable):
        list(job.map(flaky, wait=0.01, outage_seconds=60.0 if status == 500 else 0.5))
    assert set(flaky.calls) == {0, 1, 2}
    assert [record.chunk_index for record in job.failed_chunks()] == ([2] if status == 500 else [])
    if status == 500:
        assert flaky.calls == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("fails", [False, True])
def test_a_chunk_left_undone_ends_a_loop_of_the_callers_own(store: CheckpointStore, fails: bool) -> None:
    """The loop yields no other chunk, and the next one begins with the chunk that was left."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    seen = []
    for chunk in job.pending():
        seen.append(chunk.index)
        if chunk.index < 2:
            chunk.complete("x")
        elif fails:
            chunk.fail("no")
    assert seen == [0, 1, 2]
    assert next(job.pending()).index == 2


# -- the caller's own completions


def test_a_result_out_of_order_is_refused(store: CheckpointStore) -> None:
    """A result whose beginning is missing is not recorded; the error names the chunk that is missing."""
    job = store.open_job("book.txt", chunks=PAGES, sequential=True)
    with pytest.raises(ChunkOutOfOrder, match=r"chunk 2 of job .* before chunk 0") as refused:
        job.complete(2, "x")
    assert (refused.value.chunk_index, refused.value.missing_index) == (2, 0)
    with pytest.raises(ChunkOutOfOrder, match="before chunk 1"):
        job.complete_many([(0, "a"), (2, "c")])
    assert job.completed_ranges() == []
    job.complete_many([(1, "b"), (0, "a"), (2, "c")])
    job.complete(3, "d")
    job.complete(1, "b")
    assert job.completed_ranges() == [(0, 4)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("many", [False, True])
def test_a_result_that_was_made_from_a_replaced_result_is_refused(open_store: Opener, *, many: bool) -> None:
    """``job`` and ``chunk`` refuse a sequential result whose earlier result another store object has replaced."""
    job = open_store().open_job("book.txt", chunks=PAGES, sequential=True)
    for chunk in job.pending():
        if chunk.index == 1:
            break
        chunk.complete("old")
    other = open_store().job(job.job_id)
    other.release_runner(job.runners()[0].runner)
    other.redo([0])
    other.complete(0, "new", replace=True)
    with pytest.raises(ChunkOutOfOrder, match="got another result after this result was begun"):
        job.complete_many([(1, "from old")]) if many else job.complete(1, "from old")
    assert list(job.items()) == [(0, "new")]
    del chunk
    for chunk in job.pending():
        chunk.complete(f"from {chunk.previous}")
        break
    assert job.result(1) == "from new"


def test_a_state_manager_keeps_the_order(store: CheckpointStore, tmp_path: Path) -> None:
    """The face of one current job refuses a chunk out of order, too."""
    store.open_job("book.txt", chunks=PAGES, sequential=True)
    with StateManager(tmp_path / "talks.json") as manager:
        manager.update_chunk_complete(0, "a")
        with pytest.raises(ChunkOutOfOrder, match="before chunk 1"):
            manager.update_chunk_complete(2, "c")
        state = manager.load()
        assert state is not None
        assert list(state.completed_chunks) == [0]


# -- the plan


def test_a_changed_chunk_changes_everything_behind_it(store: CheckpointStore) -> None:
    """After an edit of page 2, ``reuse`` keeps pages 0 and 1, and does the others anew."""
    store.map(tell, PAGES, file_name="book.txt", sequential=True)
    edited = [*PAGES[:2], "new page", *PAGES[3:]]
    with pytest.raises(PlanChanged) as changed:
        store.open_job("book.txt", chunks=edited, sequential=True)
    assert changed.value.reusable_results == 2
    assert [difference.field for difference in changed.value.differences] == ["chunks"]
    calls: list[str] = []

    def work(page: str) -> str:
        calls.append(page)
        return tell(page)

    results = store.map(work, edited, file_name="book.txt", sequential=True, on_change="reuse")
    assert (calls, results) == (edited[2:], story(edited))


@pytest.mark.slow_variants
@pytest.mark.parametrize("edited", [["zero", *PAGES], PAGES[1:], PAGES[::-1]], ids=["inserted", "removed", "turned"])
def test_a_changed_first_chunk_leaves_nothing(store: CheckpointStore, edited: list[str]) -> None:
    """What was made behind another beginning is another result, also where its own page is the same."""
    store.map(tell, PAGES, file_name="book.txt", sequential=True)
    assert store.plan("book.txt", chunks=edited, sequential=True, on_change="reuse").kept == 0


def test_a_change_that_is_undone_costs_nothing(store: CheckpointStore) -> None:
    """The first job goes on, and is complete."""
    store.map(tell, PAGES, file_name="book.txt", sequential=True)
    store.open_job("book.txt", chunks=["new page", *PAGES[1:]], sequential=True, on_change="reuse")
    assert store.plan("book.txt", chunks=PAGES, sequential=True).action == "complete"


@pytest.mark.slow_variants
@pytest.mark.parametrize("before", [True, False])
def test_being_sequential_is_part_of_the_plan(store: CheckpointStore, before: bool) -> None:
    """A script that says ``sequential=True`` since yesterday is told so, and nothing of the old job is handed out."""
    store.map(lambda page: page, PAGES, file_name="book.txt", sequential=before)
    with pytest.raises(PlanChanged, match=f"sequential: {before} -> {not before}") as changed:
        store.open_job("book.txt", chunks=PAGES, sequential=not before)
    assert [difference.field for difference in changed.value.differences] == ["sequential"]
    assert (changed.value.reusable_results, changed.value.ignoring) == (0, ())
    with pytest.raises(PlanChanged, match="sequential"):
        store.open_job("book.txt", total_chunks=6, sequential=not before)
    assert list(store.open_job("book.txt", chunks=PAGES, sequential=before).results()) == PAGES


def test_results_come_from_one_job(store: CheckpointStore) -> None:
    """Two jobs did the beginning, each in its own words: what is kept was made from what is kept before it."""
    first = store.open_job("book.txt", chunks=PAGES, sequential=True)
    first.complete_many([(index, f"first {index}") for index in range(4)])
    second = store.open_job("book.txt", chunks=PAGES, sequential=True, fresh=True)
    second.complete_many([(index, f"second {index}") for index in range(2)])
    edited = [*PAGES[:5], "the end"]
    third = store.open_job("book.txt", chunks=edited, sequential=True, on_change="reuse")
    assert list(third.items()) == [(index, f"first {index}") for index in range(4)]


def test_a_job_that_goes_on_takes_only_what_was_made_from_its_own_results(store: CheckpointStore) -> None:
    """Another job did more since: from the same results it is taken over, from others it is not."""
    first = store.open_job("book.txt", chunks=PAGES, sequential=True)
    first.complete_many([(0, "a"), (1, "b")])
    edited = [*PAGES[:5], "the end"]
    carried = store.open_job("book.txt", chunks=edited, sequential=True, on_change="reuse")
    carried.complete_many([(2, "c"), (3, "d")])
    other = store.open_job("book.txt", chunks=[*edited, "more"], sequential=True, fresh=True)
    other.complete_many([(index, "other") for index in range(5)])
    again = store.open_job("book.txt", chunks=PAGES, sequential=True, on_change="reuse")
    assert again.job_id == first.job_id
    assert list(again.results(missing="skip")) == ["a", "b", "c", "d"]


def test_settings_may_be_passed_over(store: CheckpointStore) -> None:
    """``reuse_ignoring`` keeps the unchanged beginning that was made with another model, all of it from one job."""
    old = store.open_job("book.txt", chunks=PAGES, sequential=True, model="small")
    old.complete_many([(index, f"small {index}") for index in range(4)])
    edited = [*PAGES[:3], "new", *PAGES[4:]]
    options: dict[str, Any] = {"chunks": edited, "sequential": True, "model": "large", "on_change": "reuse"}
    assert store.plan("book.txt", **options).kept == 0
    assert store.plan("book.txt", **options).kept_elsewhere == 3
    job = store.open_job("book.txt", **options, reuse_ignoring=("model",))
    assert list(job.results(missing="skip")) == ["small 0", "small 1", "small 2"]


def test_a_chunk_changed_by_its_work_stands_for_what_it_was(store: CheckpointStore) -> None:
    """Work that writes into its chunk, a dict, makes no other plan of the job."""
    pages: list[Any] = [{"page": index} for index in range(3)]

    def work(page: dict[str, Any]) -> int:
        page["seen"] = True
        return int(page["page"])

    store.map(work, pages, file_name="book.txt", sequential=True)
    fresh = [{"page": index} for index in range(4)]
    assert store.plan("book.txt", chunks=fresh, sequential=True, on_change="reuse").kept == 3


def test_a_sequential_job_grows(store: CheckpointStore) -> None:
    """New pages follow the last result, handles stay, and an edit of an old page is no growth."""
    store.map(tell, PAGES[:3], file_name="book.txt", sequential=True)
    grown = store.open_job("book.txt", chunks=PAGES[:5], sequential=True, on_change="extend")
    grown.record_handle([3], "batch-1")
    again = store.open_job("book.txt", chunks=PAGES, sequential=True, on_change="extend")
    assert (again.job_id, next(again.pending()).handle) == (grown.job_id, "batch-1")
    assert [item.index for item in again.map(tell)] == [3, 4, 5]
    assert list(again.results()) == story(PAGES)
    with pytest.raises(PlanChanged, match="chunk 1 is another one"):
        store.open_job("book.txt", chunks=["page 0", "new", *PAGES[2:], "more"], sequential=True, on_change="extend")
    with pytest.raises(PlanChanged, match="sequential"):
        store.open_job("book.txt", chunks=[*PAGES, "more"], on_change="extend")


def test_what_is_no_truth_value_is_refused(store: CheckpointStore) -> None:
    """The error names the argument, and nothing is done."""
    with pytest.raises(InvalidArgumentError, match="sequential"):
        store.open_job("book.txt", chunks=PAGES, sequential="yes")  # type: ignore[arg-type]
    assert store.jobs() == []
