"""One job: completing, reading back, totals, progress, damage, and how it ends."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest
from each_case import each_case
from pydantic import BaseModel

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunkNotCompleted,
    ChunkOutOfRange,
    InvalidArgumentError,
    InvalidResultError,
    Job,
    JobNotFound,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of four chunks."""
    return store.open_job("lecture.srt", chunks=["a", "b", "c", "d"])


# -- complete


def test_a_completed_chunk_is_there_for_everyone_when_complete_returns(job: Job, children: Children) -> None:
    """Another process sees it at once."""
    job.complete(2, {"text": "C"})
    source = """
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db", read_only=True) as store:
    print(list(store.latest_job().items()))
"""
    assert children.run(source) == "[(2, {'text': 'C'})]\n"


def test_the_same_result_again_changes_nothing(job: Job) -> None:
    """Repeating a completion after an error is safe."""
    job.complete(0, {"a": 1, "b": [1.5, None, "ü"]})
    before = job.state()
    job.complete(0, {"a": 1, "b": [1.5, None, "ü"]})
    assert job.state() == before


def test_another_result_is_refused_and_the_first_stays(job: Job) -> None:
    """The error names job and chunk."""
    job.complete(0, "first")
    with pytest.raises(ChunkAlreadyCompleted) as caught:
        job.complete(0, "second")
    assert (caught.value.job_id, caught.value.chunk_index, job.result(0)) == (job.job_id, 0, "first")


def test_replace_puts_another_result_in_its_place(job: Job) -> None:
    """``replace=True`` puts another result in the place of the first, and the chunk counts as complete once."""
    job.complete(0, "first")
    job.complete(0, "second", replace=True)
    assert (job.result(0), job.progress().completed_chunks) == ("second", 1)


def test_replace_completes_a_chunk_that_was_not(job: Job) -> None:
    """``replace=True`` for a chunk that is not complete is no error."""
    job.complete(0, "only", replace=True)
    assert list(job.items()) == [(0, "only")]


def test_the_last_chunk_completes_the_job(job: Job) -> None:
    """The last chunk completes the job without a further call, even a failed or paused job."""
    job.complete_many([(0, 1), (1, 2), (2, 3)])
    job.fail("boom")
    job.complete(3, 4)
    assert (job.status, job.error_message) == ("completed", None)


@each_case("index", [-1, 4, 2**70, True, 1.0, "1", None])
def test_a_chunk_that_the_job_does_not_have_is_refused(job: Job, index: Any) -> None:
    """``complete``, ``complete_many`` and ``result`` refuse a chunk that the job does not have."""
    for call in (
        lambda: job.complete(index, 1),
        lambda: job.complete_many([(0, 1), (index, 1)]),
        lambda: job.result(index),
    ):
        with pytest.raises(ChunkOutOfRange) as caught:
            call()
        assert (caught.value.chunk_index, caught.value.total_chunks) == (index, 4)
    assert job.progress().completed_chunks == 0


@each_case(
    "result",
    [
        {"x": float("nan")},
        {1: 2},
        {"x": [{"y": object()}]},
        b"bytes",
        "\ud800",
        10**5000,
    ],
    ids=["nan", "key", "object", "bytes", "surrogate", "digits"],
)
def test_a_result_that_would_not_come_back_is_refused(job: Job, result: Any) -> None:
    """The error names job and chunk, and nothing was written."""
    with pytest.raises(InvalidResultError) as caught:
        job.complete(1, result)
    assert (caught.value.job_id, caught.value.chunk_index) == (job.job_id, 1)
    assert job.progress().completed_chunks == 0


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "result",
    [
        None,
        True,
        0,
        -(2**70),
        1.0,
        -0.0,
        5e-324,
        "",
        "nul \0 and \u2028 and 🎤 and \x7f",
        [],
        {},
        {"": {"": [[]]}},
        {"chunk_index": 1, "text": "x"},
        {"chunk_index": 2, "text": "counted from 1"},
        {"chunk_index": -7},
        "x" * 3_000_000,
    ],
    ids=lambda result: repr(result)[:20],
)
def test_a_result_comes_back_as_it_was(job: Job, open_store: Opener, result: Any) -> None:
    """A result comes back with its type and value, also through another store object."""
    job.complete(1, result)
    (back,) = open_store().job(job.job_id).results(missing="skip")
    assert (type(back), repr(back)) == (type(result), repr(result))


def test_complete_many_is_all_or_none(job: Job) -> None:
    """``complete_many`` with a chunk that has another result records none of its chunks."""
    job.complete(2, "first")
    before = job.state()
    with pytest.raises(ChunkAlreadyCompleted):
        job.complete_many([(0, "new"), (2, "second"), (3, "new")])
    assert job.state() == before
    job.complete_many([(0, "new"), (2, "first"), (3, "new")])
    assert [index for index, _ in job.items()] == [0, 2, 3]


def test_complete_many_that_is_refused_takes_no_other_thread_down(job: Job, store: CheckpointStore) -> None:
    """Completions that share a commit with a refused one are recorded."""
    many = store.open_job("many", total_chunks=400)
    many.complete(399, "first")
    refused = threading.Barrier(8)

    def work(number: int) -> None:
        refused.wait()
        for index in range(number, 399, 8):
            many.complete(index, index)
            with pytest.raises(ChunkAlreadyCompleted):
                many.complete_many([(index, index), (399, f"another {index}")])

    in_threads(work, 8)
    assert dict(many.items()) == {**{index: index for index in range(399)}, 399: "first"}
    assert many.progress().completed_chunks == 400


def test_complete_many_of_nothing_does_nothing(job: Job) -> None:
    """An empty list is fine."""
    before = job.state()
    job.complete_many([])
    assert job.state() == before


def test_complete_many_whose_pairs_fail_records_nothing(job: Job) -> None:
    """The generator's own error arrives as it is."""

    def pairs() -> Any:
        yield 0, "x"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        job.complete_many(pairs())
    assert job.progress().completed_chunks == 0


def test_a_deleted_job_takes_no_more_chunks(store: CheckpointStore, job: Job, open_store: Opener) -> None:
    """The runner of a job that someone else deleted is told."""
    open_store().delete_job(job.job_id)
    for call in (lambda: job.complete(0, 1), lambda: job.complete_many([(0, 1), (1, 2)]), job.pause, job.state):
        with pytest.raises(JobNotFound):
            call()
    assert store.jobs() == []


def in_threads(work: Any, count: int) -> None:
    """Run ``work(number)`` in threads, and raise what one of them raises."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# -- pending


def test_pending_passes_over_what_another_thread_completes(job: Job) -> None:
    """``pending()`` passes over a chunk that another thread completes while the loop runs."""
    seen = []
    for chunk in job.pending():
        seen.append(chunk.index)
        in_threads(lambda _, after=chunk.index + 1: job.complete(min(after, 3), "by a thread"), 1)
    assert seen == [0, 2]


def test_pending_passes_over_what_another_process_completes(job: Job, children: Children) -> None:
    """A chunk that is completed between ``pending``'s first look and its turn is passed over."""
    pending = job.pending()
    assert next(pending).index == 0
    children.run(
        "from checkpoint_store import *\n"
        "with CheckpointStore('talks.db', state_file=None) as store: store.latest_job().complete(1, 'there')"
    )
    assert next(pending).index == 2


def test_pending_goes_in_order_through_many_chunks(store: CheckpointStore) -> None:
    """Holes are found wherever they are, over the edges of the windows it reads by."""
    job = store.open_job("long", total_chunks=10_000)
    holes = [0, 1, 4095, 4096, 4097, 8191, 8192, 9999]
    job.complete_many((index, None) for index in range(10_000) if index not in holes)
    assert [chunk.index for chunk in job.pending()] == holes
    assert job.completed_ranges()[:3] == [(2, 4095), (4098, 8191), (8193, 9999)]


def test_threads_that_share_pending_do_no_chunk_twice(store: CheckpointStore) -> None:
    """Threads that share an iterator of ``pending()`` behind a lock do no chunk twice."""
    job = store.open_job("f", total_chunks=200)
    pending, lock, done = job.pending(), threading.Lock(), []

    def work(_number: int) -> None:
        while True:
            with lock:
                chunk = next(pending, None)
            if chunk is None:
                return
            chunk.complete(chunk.index)
            done.append(chunk.index)

    in_threads(work, 4)
    assert sorted(done) == list(range(200))
    assert list(job.results()) == list(range(200))


# -- reading back


@pytest.mark.slow
def test_results_of_very_different_sizes_come_in_order(store: CheckpointStore) -> None:
    """Pages are measured by what is in them."""
    job = store.open_job("f", total_chunks=120)
    expected = ["x" * (2_000_000 if index % 40 == 17 else index) for index in range(120)]
    job.complete_many(reversed(list(enumerate(expected))))
    assert list(job.results()) == expected
    assert [index for index, _ in job.items()] == list(range(120))


def test_results_hold_nothing_open_between_two_results(job: Job, store: CheckpointStore) -> None:
    """While someone is in the middle of reading, the store is written and closed."""
    job.complete_many([(index, index) for index in range(3)])
    reading = job.results(missing="skip")
    assert next(reading) == 0
    job.complete(3, 3)
    store.delete_job(job.job_id)
    store.close()


def test_results_see_what_is_added_behind_them(store: CheckpointStore) -> None:
    """An iteration over results may meet those that are added behind it, each index once and in order."""
    job = store.open_job("f", total_chunks=1000)
    job.complete_many((index, index) for index in range(0, 1000, 2))
    seen = []
    for index, _ in job.items():
        if index % 2 == 0:
            job.complete(index + 1, index + 1)
        seen.append(index)
    assert seen == sorted(set(seen))
    assert set(range(0, 1000, 2)) <= set(seen)


def test_result_of_a_chunk_that_is_not_complete(job: Job) -> None:
    """The result of a chunk that is not complete is a clear error, and not None."""
    with pytest.raises(ChunkNotCompleted) as caught:
        job.result(1)
    assert (caught.value.chunk_index, caught.value.completed) == (1, False)


def test_result_none_is_a_result(job: Job) -> None:
    """None that was recorded comes back as None."""
    job.complete(1, None)
    assert (job.result(1), list(job.items())) == (None, [(1, None)])


@dataclass
class Chunk:
    text: str
    cost: float = 0.0
    kind: Literal["speech", "music"] = "speech"
    segments: list[tuple[float, float]] = field(default_factory=list)


class Model(BaseModel):
    text: str
    cost: float = 0.0


@pytest.mark.parametrize("value", [Chunk("x", 1.5, "music", [(0.0, 1.5)]), Model(text="x", cost=0.25)])
def test_typed_results_come_back_as_their_type(job: Job, open_store: Opener, value: Any) -> None:
    """``results``, ``items`` and ``result`` return values of the job's type."""
    job.complete(1, value)
    back = open_store().job(job.job_id)
    assert list(back.results(as_type=type(value), missing="skip")) == [value]
    assert list(back.items(as_type=type(value))) == [(1, value)]
    assert back.result(1, type(value)) == value


@pytest.mark.parametrize("as_type", [Chunk, Model])
@pytest.mark.parametrize("result", ["text", {"cost": 1}, {"text": None}, {"text": "x", "cost": "much"}, None, []])
def test_a_result_that_does_not_fit_its_type_is_an_error(job: Job, as_type: Any, result: Any) -> None:
    """A result that does not fit ``as_type`` is an error with its job and chunk, and never a dict or None."""
    job.complete(2, result)
    with pytest.raises(InvalidResultError) as caught:
        list(job.results(as_type, "skip"))
    assert (caught.value.job_id, caught.value.chunk_index) == (job.job_id, 2)


# -- totals, progress


def test_totals_add_the_numbers_and_nothing_else(store: CheckpointStore) -> None:
    """A text that is a number is one; absent fields, booleans, and results that are no objects add nothing."""
    job = store.open_job("f", total_chunks=8)
    results: list[Any] = [
        {"cost": 0.25, "tokens": 10},
        {"cost": 0.5, "tokens": 5, "a.b": 1, "größe": 2},
        {"tokens": "7"},
        {"tokens": True},
        {"tokens": None},
        {"tokens": {"tokens": 100}},
        [1, 2],
        "tokens",
    ]
    job.complete_many(enumerate(results))
    assert job.totals("cost", "tokens", "a.b", "größe") == {
        "cost": 0.75,
        "tokens": 22,
        "a.b": 1,
        "größe": 2,
    }
    assert type(job.totals("tokens")["tokens"]) is int


def test_totals_of_large_integers_are_exact(store: CheckpointStore) -> None:
    """Beyond 64 bits too, where SQLite's own sum stops."""
    job = store.open_job("f", total_chunks=5)
    numbers = [2**62 + 1, 2**62 + 3, -5, 2**63 - 1, -(2**63)]
    job.complete_many((index, {"n": number}) for index, number in enumerate(numbers))
    assert job.totals("n") == {"n": sum(numbers)}


@each_case("key", ["", 'a"b', "a..b", "\ud800", 3, None, ["cost"]])
def test_totals_refuse_what_is_no_name(job: Job, key: Any) -> None:
    """A key is a field's name or a dotted path, as ``cost`` is."""
    with pytest.raises(InvalidArgumentError, match=r"^keys="):
        job.totals(key)


def test_progress_is_a_record(job: Job) -> None:
    """``progress`` returns a record of counts and moments."""
    job.complete(0, 1)
    progress = job.progress()
    assert (progress.completed_chunks, progress.total_chunks, progress.percent) == (1, 4, 25.0)
    assert progress.started_at <= progress.updated_at
    with pytest.raises(AttributeError):
        progress.completed_chunks = 2  # type: ignore[misc]


def test_progress_never_reads_a_result(tmp_path: Path) -> None:
    """``progress``, ``pending`` and ``status`` read no result: they work without the table of results."""
    store = CheckpointStore(tmp_path / "talks.db", state_file=None)  # closing would write one, with the results
    job = store.open_job("lecture.srt", total_chunks=4)
    job.complete_many([(0, 1), (1, 2)])
    with closing(sqlite3.connect(store.path)) as raw:
        raw.execute("DROP TABLE chunk_results")
        raw.commit()
    assert job.progress().completed_chunks == 2
    assert [chunk.index for chunk in job.pending()] == [2, 3]
    assert [one.status for one in store.jobs()] == ["running"]
    with pytest.raises(CheckpointStoreError):
        list(job.results(missing="skip"))
    store.close()


def test_a_rate_is_known_from_the_first_chunk_on(store: CheckpointStore) -> None:
    """A job that nobody worked on has no rate, and no time left is guessed."""
    job = store.open_job("f", total_chunks=4)
    assert (job.progress().chunks_per_minute, job.summary().seconds_left) == (None, None)
    job.complete_many([(0, 0), (1, 1)])
    assert job.progress().completed_chunks == 2
