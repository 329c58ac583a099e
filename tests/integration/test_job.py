"""One job: completing, reading back, totals, progress, damage, and how it ends."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest
from conftest import Children, Opener, files_with
from pydantic import BaseModel

from checkpoint_store import (
    CheckpointStore,
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunkNotCompleted,
    ChunkOutOfRange,
    ErasureUnfinished,
    InvalidArgumentError,
    InvalidResultError,
    Job,
    JobIncomplete,
    JobNotFound,
    StorageUnavailableError,
    StoreDamaged,
)

if TYPE_CHECKING:
    from pathlib import Path


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
    """And the chunk is still complete once."""
    job.complete(0, "first")
    job.complete(0, "second", replace=True)
    assert (job.result(0), job.progress().completed_chunks) == ("second", 1)


def test_replace_completes_a_chunk_that_was_not(job: Job) -> None:
    """It is no error."""
    job.complete(0, "only", replace=True)
    assert list(job.items()) == [(0, "only")]


def test_the_last_chunk_completes_the_job(job: Job) -> None:
    """Without any further call, also from a failed or paused job."""
    job.complete_many([(0, 1), (1, 2), (2, 3)])
    job.fail("boom")
    job.complete(3, 4)
    assert (job.status, job.error_message) == ("completed", None)


@pytest.mark.parametrize("index", [-1, 4, 2**70, True, 1.0, "1", None])
def test_a_chunk_that_the_job_does_not_have_is_refused(job: Job, index: Any) -> None:
    """By complete, complete_many and result."""
    for call in (
        lambda: job.complete(index, 1),
        lambda: job.complete_many([(0, 1), (index, 1)]),
        lambda: job.result(index),
    ):
        with pytest.raises(ChunkOutOfRange) as caught:
            call()
        assert (caught.value.chunk_index, caught.value.total_chunks) == (index, 4)
    assert job.progress().completed_chunks == 0


@pytest.mark.parametrize(
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
    """Of the same type and value, in another store object too."""
    job.complete(1, result)
    (back,) = open_store().job(job.job_id).results()
    assert (type(back), repr(back)) == (type(result), repr(result))


def test_complete_many_is_all_or_none(job: Job) -> None:
    """One chunk with another result, and none of the others is recorded."""
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


# -- pending


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


def test_pending_passes_over_what_another_thread_completes(job: Job) -> None:
    """It looks at the store as it goes."""
    seen = []
    for chunk in job.pending():
        seen.append(chunk.index)
        in_threads(lambda _, after=chunk.index + 1: job.complete(min(after, 3), "by a thread"), 1)
    assert seen == [0, 2]


def test_pending_passes_over_what_another_process_completes(job: Job, children: Children) -> None:
    """Also between its first look and the chunk's turn."""
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
    """One iterator behind a lock feeds many threads."""
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
    reading = job.results()
    assert next(reading) == 0
    job.complete(3, 3)
    store.delete_job(job.job_id)
    store.close()


def test_results_see_what_is_added_behind_them(store: CheckpointStore) -> None:
    """And never the same index twice."""
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
    """A clear error, not None."""
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
    """From results, items and result."""
    job.complete(1, value)
    back = open_store().job(job.job_id)
    assert list(back.results(as_type=type(value))) == [value]
    assert list(back.items(as_type=type(value))) == [(1, value)]
    assert back.result(1, type(value)) == value


@pytest.mark.parametrize("as_type", [Chunk, Model])
@pytest.mark.parametrize("result", ["text", {"cost": 1}, {"text": None}, {"text": "x", "cost": "much"}, None, []])
def test_a_result_that_does_not_fit_its_type_is_an_error(job: Job, as_type: Any, result: Any) -> None:
    """It never becomes a dict or None; the error names job and chunk."""
    job.complete(2, result)
    with pytest.raises(InvalidResultError) as caught:
        list(job.results(as_type=as_type))
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
    assert job.totals("cost", "tokens", "a.b", "größe", "absent") == {
        "cost": 0.75,
        "tokens": 22,
        "a.b": 1,
        "größe": 2,
        "absent": 0,
    }
    assert type(job.totals("tokens")["tokens"]) is int


def test_totals_of_large_integers_are_exact(store: CheckpointStore) -> None:
    """Beyond 64 bits too, where SQLite's own sum stops."""
    job = store.open_job("f", total_chunks=5)
    numbers = [2**62 + 1, 2**62 + 3, -5, 2**63 - 1, -(2**63)]
    job.complete_many((index, {"n": number}) for index, number in enumerate(numbers))
    assert job.totals("n") == {"n": sum(numbers)}


@pytest.mark.parametrize("key", ["", 'a"b'])
def test_totals_refuse_what_is_no_name(job: Job, key: str) -> None:
    """A key is a field's name, never a path."""
    with pytest.raises(InvalidArgumentError):
        job.totals(key)


def test_progress_is_a_record(job: Job) -> None:
    """Of counts and moments."""
    job.complete(0, 1)
    progress = job.progress()
    assert (progress.completed_chunks, progress.total_chunks, progress.percent) == (1, 4, 25.0)
    assert progress.started_at <= progress.updated_at
    with pytest.raises(AttributeError):
        progress.completed_chunks = 2  # type: ignore[misc]


def test_progress_never_reads_a_result(job: Job, store: CheckpointStore) -> None:
    """It works where the table of results is gone; so do pending and status."""
    job.complete_many([(0, 1), (1, 2)])
    job.export()  # on a slow machine the state file may be behind, and closing would write it
    with closing(sqlite3.connect(store.path)) as raw:
        raw.execute("DROP TABLE chunk_results")
        raw.commit()
    assert job.progress().completed_chunks == 2
    assert [chunk.index for chunk in job.pending()] == [2, 3]
    assert [one.status for one in store.jobs()] == ["running"]
    with pytest.raises(CheckpointStoreError):
        list(job.results())


def test_rate_counts_the_last_stretch_of_work(store: CheckpointStore) -> None:
    """What an earlier run did is not speed of this one."""
    job = store.open_job("f", total_chunks=4)
    assert job.progress().chunks_per_minute is None
    job.complete_many([(0, 0), (1, 1)])
    again = store.open_job("f", total_chunks=4)
    assert again.progress().chunks_per_minute is None


# -- how it ends


def test_a_job_with_nothing_left_ends_completed(job: Job) -> None:
    """As a context manager."""
    with job:
        for chunk in job.pending():
            chunk.complete(chunk.data)
    assert job.status == "completed"


def test_a_job_with_chunks_left_ends_paused(job: Job) -> None:
    """After a break out of the loop, say."""
    with job:
        for chunk in job.pending():
            chunk.complete(chunk.data)
            break
    assert (job.status, job.progress().completed_chunks) == ("paused", 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), SystemExit(0), GeneratorExit()])
def test_being_asked_to_stop_pauses_a_job(job: Job, error: BaseException) -> None:
    """And the request goes on its way."""
    with pytest.raises(type(error)), job:
        raise error
    assert (job.status, job.error_message) == ("paused", None)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad\n input ü"), "ValueError: bad\n input ü"),
        (SystemExit(3), "SystemExit: 3"),
        (OSError(), "OSError"),
    ],
)
def test_any_other_exception_fails_a_job_with_its_message(job: Job, error: BaseException, message: str) -> None:
    """And goes on its way."""
    with pytest.raises(type(error)), job:
        raise error
    assert (job.status, job.error_message) == ("failed", message)


def test_an_ending_that_cannot_be_recorded_hides_no_error(job: Job, store: CheckpointStore) -> None:
    """The processor's own error arrives; what happened besides is a note on it."""

    def fail() -> None:
        store.close()
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause") as caught, job:
        fail()
    assert "closed" in caught.value.__notes__[0]


def test_a_close_that_fails_hides_no_error(open_store: Opener) -> None:
    """The state file cannot be made exact; the processor's own error arrives, with a note."""
    store = open_store(lock_timeout_seconds=0)

    def fail() -> None:
        store._room.state_file._credit = -1e9  # type: ignore[union-attr]
        store.open_job("f", total_chunks=2).complete(0, 1)
        with closing(sqlite3.connect(store.path)) as raw:
            raw.execute("DELETE FROM chunk_results")
            raw.commit()
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause") as caught, store:
        fail()
    assert "damaged" in caught.value.__notes__[0]


def test_an_ending_that_cannot_be_recorded_is_an_error(job: Job, store: CheckpointStore) -> None:
    """Where there is no other."""
    with pytest.raises(StorageUnavailableError), job:
        store.close()


def test_interrupt_when_all_is_done_leaves_a_job_completed(job: Job) -> None:
    """A Ctrl-C after the last chunk does not make it paused."""

    def interrupted() -> None:
        job.complete_many(enumerate("abcd"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), job:
        interrupted()
    assert job.status == "completed"


def test_finish_with_chunks_left_is_refused(job: Job) -> None:
    """The error says how many."""
    job.complete(0, 1)
    with pytest.raises(JobIncomplete) as caught:
        job.finish()
    assert (caught.value.remaining_chunks, job.status) == (3, "running")
    job.complete_many([(1, 1), (2, 1), (3, 1)])
    job.finish()
    assert job.status == "completed"


def test_pause_and_resume(job: Job) -> None:
    """There and back; a completed job stays completed."""
    job.fail("boom")
    job.pause()
    assert (job.status, job.error_message) == ("paused", None)
    job.resume()
    assert job.status == "running"
    job.complete_many(enumerate("abcd"))
    job.pause()
    assert job.status == "completed"
    job.resume()
    assert job.status == "completed"


# -- deleting


def test_delete_job_deletes_it_alone(store: CheckpointStore, job: Job) -> None:
    """Other jobs keep everything."""
    other = store.open_job("other", total_chunks=1)
    other.complete(0, "kept")
    job.complete(0, "gone")
    store.delete_job(job.job_id)
    assert [one.job_id for one in store.jobs()] == [other.job_id]
    assert list(other.results()) == ["kept"]


def test_delete_job_leaves_no_byte_in_any_file(store: CheckpointStore, open_store: Opener) -> None:
    """Not in the file before the state file either, nor while another store object is open."""
    second = open_store(durability="process")
    job = store.open_job("gone", total_chunks=3)
    other = store.open_job("other", total_chunks=3)
    for index in range(3):
        job.complete(index, {"text": "CANARY-RESULT " * 2000})
        other.complete(index, "kept")
    job.pause()
    other.pause()
    assert second.job(job.job_id).progress().completed_chunks == 3
    assert files_with(store.path.parent, "CANARY")
    second.delete_job(job.job_id)
    assert files_with(store.path.parent, "CANARY", "gone") == []
    second.close()
    store.close()
    assert files_with(store.path.parent, "CANARY", "gone") == []


def test_a_deleted_job_comes_back_from_no_state_file(tmp_path: Path) -> None:
    """Not even from one that the store which deleted it knew nothing of: it is removed when it is found."""
    target = tmp_path / "talks.db"
    with CheckpointStore(target) as store:
        job_id = store.open_job("gone", total_chunks=1).job_id
        store.job(job_id).complete(0, "CANARY-RESULT")
    with CheckpointStore(target, state_file=None) as store:
        store.delete_job(job_id)
    assert files_with(tmp_path, "CANARY") == ["talks.json"]
    with CheckpointStore(target) as store:
        assert store.jobs() == []
    assert files_with(tmp_path, "CANARY") == []


def test_a_deleted_job_that_is_imported_again_is_a_job_again(store: CheckpointStore, job: Job, tmp_path: Path) -> None:
    """Whoever asks for it gets it, now and at the next open."""
    for index in range(4):
        job.complete(index, f"r{index}")
    exported = job.export(tmp_path / "kept.json")
    store.delete_job(job.job_id)
    store.import_state(exported)
    store.close()
    with CheckpointStore(store.path) as again:
        assert list(again.job(job.job_id).results()) == ["r0", "r1", "r2", "r3"]


def test_bytes_of_a_deleted_job_that_a_reader_keeps_in_the_log_are_told_of(
    store: CheckpointStore, job: Job, open_store: Opener
) -> None:
    """The job is gone, and the error says who is in the way; with the last one that leaves, the bytes are gone too."""
    job.complete(0, {"text": "CANARY-RESULT " * 2000})
    job.pause()
    second = open_store(lock_timeout_seconds=0.2)
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM jobs").fetchall()
    with pytest.raises(ErasureUnfinished, match="still in") as caught:
        second.delete_job(job.job_id)
    assert job.job_id in caught.value.what
    assert second.jobs() == []
    reader.close()
    second.close()
    store.close()
    assert files_with(store.path.parent, "CANARY") == []


@pytest.mark.parametrize("job_id", ["", "nope", "\ud800", "%", "_"])
def test_no_job_is_deleted_by_mistake(store: CheckpointStore, job: Job, job_id: str) -> None:
    """An id that names none, or a pattern, is refused."""
    with pytest.raises(JobNotFound):
        store.delete_job(job_id)
    assert [one.job_id for one in store.jobs()] == [job.job_id]


def test_a_unique_prefix_names_a_job(store: CheckpointStore, job: Job) -> None:
    """And one that is not unique names all that it could mean."""
    assert store.job(job.job_id[:8]).job_id == job.job_id
    others = [store.open_job(f"f{number}", total_chunks=1).job_id for number in range(17)]
    shared = next(a[0] for a in others if sum(b[0] == a[0] for b in [*others, job.job_id]) > 1)
    with pytest.raises(JobNotFound) as caught:
        store.job(shared)
    assert len(caught.value.matches) > 1


# -- damage


@pytest.fixture
def damaged(store: CheckpointStore, open_store: Opener) -> Any:
    """Run a statement on a closed store of three results, and open it again."""
    job = store.open_job("f", total_chunks=3)
    job.complete_many([(0, "result zero"), (1, "result one!"), (2, "result two!")])
    store.close()

    def damage(*statements: str) -> Job:
        with closing(sqlite3.connect(store.path)) as raw:
            for statement in statements:
                raw.execute(statement)
            raw.commit()
        return open_store(state_file=None).job(job.job_id)

    return damage


OF_THE_OTHER = (
    "FROM chunk_results r WHERE r.chunk_index = 1 - completed_chunks.chunk_index) WHERE chunk_index IN (0, 1)"
)
SWAP = f"UPDATE completed_chunks SET result_id = (SELECT result_id {OF_THE_OTHER}"
SWAP_DIGESTS = f"UPDATE completed_chunks SET digest = (SELECT digest {OF_THE_OTHER}"


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE chunk_results SET result = replace(result, 'one', 'onf') WHERE chunk_index = 1"],
        ["UPDATE completed_chunks SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE chunk_index = 1"],
        ["UPDATE chunk_results SET result = (SELECT result FROM chunk_results WHERE chunk_index = 2) WHERE chunk_index = 1"],
        [SWAP],
        [SWAP, SWAP_DIGESTS],
    ],
    ids=["one byte", "digest", "another's", "swapped", "swapped with digests"],
)  # fmt: skip
def test_a_damaged_result_is_never_handed_out(damaged: Any, statements: list[str]) -> None:
    """Not by result, results, items, state or export; the error names job and chunk."""
    job = damaged(*statements)
    reads: list[Any] = [lambda: job.result(1), lambda: list(job.results()), lambda: list(job.items()), job.state]
    for read in [*reads, lambda: job.export(job._database.path.with_name("copy.json"))]:
        with pytest.raises(StoreDamaged) as caught:
            read()
        assert caught.value.job_id == job.job_id
        assert caught.value.chunk_index in (0, 1)
    assert job.result(2) == "result two!"


def test_a_missing_result_is_never_passed_over(open_store: Opener) -> None:
    """A row that vanishes while the store is open is damage, not an unfinished chunk."""
    store = open_store(state_file=None)
    job = store.open_job("f", total_chunks=2)
    job.complete_many([(0, "zero"), (1, "one")])
    with closing(sqlite3.connect(store.path)) as raw:
        raw.execute("DELETE FROM chunk_results WHERE chunk_index = 1")
        raw.commit()
    for read in (lambda: job.result(1), lambda: list(job.results()), job.state):
        with pytest.raises(StoreDamaged) as caught:
            read()
        assert caught.value.chunk_index == 1
    assert job.result(0) == "zero"


def test_a_damaged_result_is_not_carried_over(damaged: Any, open_store: Opener) -> None:
    """Reuse refuses it, and begins no job."""
    job = damaged("SELECT 1")
    store = open_store(state_file=None)
    store.open_job("f", chunks=["a", "b", "c"])
    store.close()
    job = damaged("UPDATE chunk_results SET result = '\"other\"' WHERE chunk_index = 1")
    store = open_store(state_file=None)
    with pytest.raises(StoreDamaged):
        store.open_job("f", chunks=["x", "a", "b", "c"], on_change="reuse")
    assert [one.job_id for one in store.jobs()] == [job.job_id]


def test_what_would_be_written_into_a_removed_store_is_refused(tmp_path: Path) -> None:
    """A chunk is not acknowledged into a file that is no longer there."""
    store = CheckpointStore(tmp_path / "talks.db", state_file=None)
    job = store.open_job("talk.txt", total_chunks=2)
    (tmp_path / "talks.db").rename(tmp_path / "away.db")
    with pytest.raises(StorageUnavailableError):
        job.complete(0, "lost otherwise")
    store.close()
