"""How a job ends, is deleted, and what a damaged one hands out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Opener, files_with
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ErasureUnfinished,
    InvalidArgumentError,
    Job,
    JobIncomplete,
    JobNotFound,
    ProcessingState,
    StateManager,
    StorageUnavailableError,
    StoreBusy,
    StoreDamaged,
)
from checkpoint_store.execution.recorded_job import RecordedJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of four chunks."""
    return store.open_job("lecture.srt", chunks=["a", "b", "c", "d"])


# -- how it ends


def test_a_job_with_nothing_left_ends_completed(job: Job) -> None:
    """``with job:`` ends a job with nothing left as completed."""
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
    """A request to stop, such as KeyboardInterrupt, pauses the job and is raised again."""
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
    """An exception fails the job with its message, and goes on its way."""
    with pytest.raises(type(error)), job:
        raise error
    assert (job.status, job.error_message) == ("failed", message)


def test_an_error_that_every_chunk_would_meet_pauses_a_job_in_a_with_block_too(job: Job) -> None:
    """A wrong API key pauses the job: the block, which the same error ends, does not call the job failed."""

    class WrongKeyError(Exception):
        status_code = 401

    def work(_: object) -> None:
        raise WrongKeyError("wrong key")

    with pytest.raises(WrongKeyError), job:
        list(job.map(work))
    assert (job.status, job.error_message) == ("paused", "WrongKeyError: wrong key")
    with pytest.raises(ValueError, match="of the body"), job:
        raise ValueError("of the body")
    assert job.status == "failed"


def test_a_block_that_ends_while_the_job_cannot_be_read_keeps_no_chunk(
    job: Job, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block ends by an error: its chunk goes to another runner at once, and the job is failed."""

    def busy(_: object) -> None:
        raise StoreBusy("talks.db", 1.0)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="of the body"), job:
        kept = next(job.pending())
        patch.setattr(RecordedJob, "record", busy)
        raise ValueError("of the body")
    assert (job.status, job.error_message) == ("failed", "ValueError: of the body")
    assert next(open_store().job(job.job_id).pending()).index == kept.index


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
        store._context.state_file._pace._credit = -1e9  # type: ignore[union-attr]
        store.open_job("f", total_chunks=2).complete(0, 1)
        with closing(sqlite3.connect(store.path)) as raw:
            raw.execute("DELETE FROM chunk_results")
            raw.commit()
        raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause") as caught, store:
        fail()
    assert "damaged" in caught.value.__notes__[0]


def test_an_ending_that_cannot_be_recorded_is_an_error(job: Job, store: CheckpointStore) -> None:
    """An ending that cannot be recorded raises where no other error is on its way."""
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
    """``pause`` and ``resume`` change a job to paused and back, and leave a completed job completed."""
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
    """``delete_job`` leaves everything of the other jobs."""
    other = store.open_job("other", total_chunks=1)
    other.complete(0, "kept")
    job.complete(0, "gone")
    store.delete_job(job.job_id)
    assert [one.job_id for one in store.jobs()] == [other.job_id]
    assert list(other.results()) == ["kept"]


def test_delete_job_leaves_no_byte_in_any_file(store: CheckpointStore, open_store: Opener) -> None:
    """``delete_job`` leaves no byte of the job in any file, not in the ``.bak`` and not beside an open store object."""
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
    """A deleted job comes back from no state file, not even from a file that the deleting store did not know."""
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


@pytest.mark.slow
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


def test_a_deleted_job_says_when_it_was_deleted(store: CheckpointStore, job: Job) -> None:
    """Whoever goes on with it, or asks for it by its id or eight letters of the id: not that it never was."""
    store.delete_job(job.job_id)
    calls: list[Callable[[], object]] = [
        lambda: job.complete(0, "late"),
        lambda: job.complete_many([(0, "late"), (1, "late")]),
        lambda: job.fail_chunk(0, "late"),
        lambda: next(iter(job.pending())),
        job.pause,
        lambda: store.job(job.job_id),
        lambda: store.job(job.job_id[:8]),
    ]
    for call in calls:
        with pytest.raises(JobNotFound) as caught:
            call()
        told = f"job {job.job_id} is no longer in {store.path}: it was deleted, or pruned, at {caught.value.deleted_at}"
        assert str(caught.value).startswith(told)
        assert f"CheckpointStore({str(store.path)!r}).jobs()" in str(caught.value)
        assert str(caught.value.deleted_at).endswith("Z")
    with pytest.raises(JobNotFound, match="is not a job in") as caught:
        store.job(job.job_id[:7])
    assert caught.value.deleted_at is None


@each_case("job_id", ["", "nope", "\ud800", "%", "_"])
def test_no_job_is_deleted_by_mistake(store: CheckpointStore, job: Job, job_id: str) -> None:
    """An id that names none, or a pattern, is refused."""
    with pytest.raises(JobNotFound):
        store.delete_job(job_id)
    assert [one.job_id for one in store.jobs()] == [job.job_id]


def test_a_unique_prefix_names_a_job(store: CheckpointStore, job: Job) -> None:
    """A unique prefix of an id names a job, and the error for an ambiguous prefix lists the matching jobs."""
    assert store.job(job.job_id[:8]).job_id == job.job_id
    others = [store.open_job(f"f{number}", total_chunks=1).job_id for number in range(17)]
    shared = next(a[0] for a in others if sum(b[0] == a[0] for b in [*others, job.job_id]) > 1)
    with pytest.raises(JobNotFound) as caught:
        store.job(shared)
    assert len(caught.value.matches) > 1


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


# -- damage


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE chunk_results SET result = replace(result, 'one', 'onf') WHERE chunk_index = 1"],
        [
            "UPDATE completed_chunks SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE chunk_index = 1",
            "UPDATE chunk_results SET digest = replace(digest, substr(digest, 1, 1), 'x') WHERE chunk_index = 1",
        ],
        ["UPDATE chunk_results SET result = (SELECT result FROM chunk_results WHERE chunk_index = 2) WHERE chunk_index = 1"],
        [SWAP],
        [SWAP, SWAP_DIGESTS],
    ],
    ids=["one byte", "both digests", "another's", "swapped", "swapped with digests"],
)  # fmt: skip
def test_a_damaged_result_is_never_handed_out(damaged: Any, statements: list[str]) -> None:
    """No reading call hands out a damaged result; the error names its job and chunk."""
    job = damaged(*statements)
    reads: list[Any] = [lambda: job.result(1), lambda: list(job.results()), lambda: list(job.items()), job.state]
    for read in [*reads, lambda: job.export(job._context.reading.path.with_name("copy.json"))]:
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
    """A chunk is not acknowledged into a file that is no longer there; its result is kept for the file that comes back."""
    store = CheckpointStore(tmp_path / "talks.db", state_file=None)
    job = store.open_job("talk.txt", total_chunks=2)
    (tmp_path / "talks.db").rename(tmp_path / "away.db")
    with pytest.raises(StorageUnavailableError):
        job.complete(0, "lost otherwise")
    with pytest.raises(StorageUnavailableError) as caught:
        store.close()
    assert "are not recorded yet, and kept in" in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    (tmp_path / "away.db").rename(tmp_path / "talks.db")
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        assert list(store.job("talk.txt").items()) == [(0, "lost otherwise")]


def test_a_status_may_be_given_by_its_name(tmp_path: Path) -> None:
    """`job.set_status("paused")` does it; a name that is none of the five is refused, and the job is as it was."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.srt", total_chunks=1)
        job.set_status("paused", "for today")
        assert (job.status, job.state().error_message) == ("paused", "for today")
        with pytest.raises(InvalidArgumentError, match="none of pending, running, paused, completed, failed"):
            job.set_status("asleep")
        assert job.status == "paused"


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", [3, ["it broke"], {"why": "it broke"}, ValueError, b"it broke"])
def test_an_error_is_an_exception_or_a_text(tmp_path: Path, error: Any) -> None:
    """Whatever else is given as an error is refused with its value, by every call that takes it; nothing is changed."""
    with StateManager(tmp_path / "talk.json") as manager:
        manager.save(ProcessingState(file_name="talk.srt", total_chunks=2))
        with pytest.raises(InvalidArgumentError, match="neither an exception nor a text"):
            manager.set_status("failed", error)
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.job("talk.srt")
        for call in (job.fail, lambda error: job.set_status("failed", error), lambda error: job.fail_chunk(0, error)):
            with pytest.raises(InvalidArgumentError, match="neither an exception nor a text"):
                call(error)
        with pytest.raises(InvalidArgumentError, match="neither an exception nor a text"):
            next(iter(job.pending())).fail(error)
        assert (job.state().error_message, job.failed_chunks()) == (None, [])
