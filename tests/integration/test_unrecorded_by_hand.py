"""A caller records a result, and the store cannot take it: the result is kept until it is recorded."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StorageUnavailableError, StoreBusy
from checkpoint_store.execution.store.current_job import CurrentJob
from checkpoint_store.storage.verbs.jobs import JobVerbs
from checkpoint_store.storage.verbs.states import StateVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Opener

    from checkpoint_store import Job

CHUNKS = ["a", "b", "c"]
JOB_ID = "11111111-1111-4111-8111-111111111111"


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Another program keeps the write lock of the store, such as a prompt of ``sqlite3`` with an open transaction."""
    with closing(sqlite3.connect(store, isolation_level=None)) as prompt:
        prompt.execute("BEGIN IMMEDIATE")
        yield


def kept(folder: Path) -> list[Path]:
    """The files of unrecorded results."""
    return sorted(folder.glob("*.unrecorded-*"))


def completing(job: Job, how: str) -> Callable[[], None]:
    """Return what records the result of the first chunk: a chunk of a loop, an index, or pairs."""
    if how == "chunk":
        return partial(next(iter(job.pending())).complete, "A")
    return partial(job.complete, 0, "A") if how == "index" else partial(job.complete_many, [(0, "A")])


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["chunk", "index", "pairs"])
def test_a_result_that_a_caller_cannot_record_is_in_a_file_until_it_is_recorded(
    open_store: Opener, tmp_path: Path, how: str
) -> None:
    """The error names the file; the program may end with it: ``close`` records the result, and the file goes."""
    store = open_store(lock_timeout_seconds=0.02)
    job = store.open_job("talk.srt", chunks=CHUNKS)
    complete = completing(job, how)
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy) as caught:
        complete()
    (path,) = kept(tmp_path)
    (note,) = caught.value.__notes__
    assert note.startswith(f"The results of chunk 0 of job {job.job_id} are not recorded yet, and kept in {path}, ")
    store.close()
    assert kept(tmp_path) == []
    again = open_store().open_job("talk.srt", chunks=CHUNKS)
    assert (list(again.items()), [chunk.index for chunk in again.pending()]) == ([(0, "A")], [1, 2])


def test_a_caller_that_tries_again_leaves_no_file(open_store: Opener, tmp_path: Path) -> None:
    """The loop that goes on finds the result recorded, and removes the file before its next chunk."""
    job = open_store(lock_timeout_seconds=0.02).open_job("talk.srt", chunks=CHUNKS)
    chunks = iter(job.pending())
    first = next(chunks)
    with locked(tmp_path / "talks.db"):
        for _ in range(2):
            with pytest.raises(StoreBusy):
                first.complete("A")
    first.complete("A")
    assert next(chunks).index == 1
    assert kept(tmp_path) == []
    assert [(attempt.chunk_index, attempt.error) for attempt in job.attempts() if attempt.error] == []


def test_a_result_that_was_to_replace_another_one_replaces_none_later(open_store: Opener, tmp_path: Path) -> None:
    """What the caller recorded since stands; the text that could not be recorded is kept with an attempt."""
    store = open_store(lock_timeout_seconds=0.02)
    job = store.open_job("talk.srt", chunks=CHUNKS)
    job.complete(0, "first")
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
        job.complete(0, "second", replace=True)
    job.complete(0, "third", replace=True)
    store.close()
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as later:
        job = later.job("talk.srt")
        assert job.result(0) == "third"
        assert [attempt.error for attempt in job.attempts() if attempt.error and '"second"' in attempt.error] != []


@pytest.mark.slow_variants
@pytest.mark.parametrize("tries_again", [False, True])
def test_a_cost_that_a_caller_cannot_record_counts_once(
    open_store: Opener, tmp_path: Path, *, tries_again: bool
) -> None:
    """A failed call was paid for: its cost is recorded later, also if the caller could record it meanwhile."""
    store = open_store(lock_timeout_seconds=0.02)
    job = store.open_job("talk.srt", chunks=CHUNKS)
    chunks = iter(job.pending())
    chunk = next(chunks)
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy, match="The costs of failed tries of chunk 0"):
        chunk.fail("no answer", cost=0.5)
    assert len(kept(tmp_path)) == 1
    if tries_again:
        chunk.fail("no answer", cost=0.5)
    store.close()
    assert kept(tmp_path) == []
    assert sum(attempt.cost or 0 for attempt in open_store().job("talk.srt").attempts()) == 0.5


def test_a_read_only_store_keeps_no_result(open_store: Opener, tmp_path: Path) -> None:
    """Reading writes nothing, also no file of a result that somebody gives to the job of a read-only store."""
    open_store().open_job("talk.srt", chunks=CHUNKS)
    with pytest.raises(StorageUnavailableError, match="read_only"):
        open_store(read_only=True).job("talk.srt").complete(0, "A")
    assert kept(tmp_path) == []


def test_what_is_kept_is_not_among_what_is_left(open_store: Opener, tmp_path: Path) -> None:
    """A caller who asks what is left, once the lock is gone, does not pay for the result again."""
    job = open_store(lock_timeout_seconds=0.02).open_job("talk.srt", chunks=CHUNKS)
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
        job.complete(0, "A")
    assert job.remaining() == [range(1, 3)]
    assert kept(tmp_path) == []


def test_the_manager_that_kept_a_result_loads_it(tmp_path: Path) -> None:
    """The plan's loop goes on with the next chunk in the same process, once the lock is gone."""

    class Impatient(StateManager):
        LOCK_TIMEOUT = 0.02

    with Impatient(tmp_path / "talks.json") as manager:
        manager.save(ProcessingState(job_id=JOB_ID, file_name="talk.srt", total_chunks=3, status="running"))
        with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
            manager.update_chunk_complete(0, "A")
        state = manager.load()
        assert state is not None
        assert state.next_chunk_index == 1


def test_a_manager_keeps_a_result_that_its_store_cannot_take(tmp_path: Path) -> None:
    """A later manager of the file has the result: the program that paid for it ended with the error."""
    path = tmp_path / "talks.json"

    class Impatient(StateManager):
        LOCK_TIMEOUT = 0.02

    manager = Impatient(path)
    manager.save(ProcessingState(job_id=JOB_ID, file_name="talk.srt", total_chunks=3, status="running"))
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
        manager.update_chunk_complete(0, "A")
    assert len(kept(tmp_path)) == 1
    state = StateManager(path).load()
    assert state is not None
    assert (state.completed_chunks, kept(tmp_path)) == ([0], [])


def test_a_manager_keeps_a_result_whose_store_is_gone_once_its_job_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk goes after the manager has found its pending job: the first result is kept, and nothing more is read."""
    path = tmp_path / "talks.json"
    complete = CurrentJob.complete

    def gone(*_: object) -> None:
        raise StorageUnavailableError(tmp_path / "talks.db", "the disk is gone")

    def complete_without_a_disk(self: CurrentJob, *arguments: Any, **options: Any) -> None:
        with monkeypatch.context() as patch:
            for verbs, name in ((JobVerbs, "find"), (JobVerbs, "total_chunks"), (StateVerbs, "complete_and_run")):
                patch.setattr(verbs, name, gone)
            complete(self, *arguments, **options)

    monkeypatch.setattr(CurrentJob, "complete", complete_without_a_disk)
    with StateManager(path) as manager:
        manager.save(ProcessingState(job_id=JOB_ID, total_chunks=2, status="pending"))
        with pytest.raises(StorageUnavailableError):
            manager.update_chunk_complete(0, "A")
        assert len(kept(tmp_path)) == 1
    state = StateManager(path).load()
    assert state is not None
    assert (state.completed_chunks, kept(tmp_path)) == ([0], [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("knows", ["saved", "loaded", "never looked"])
def test_the_new_results_of_a_state_that_cannot_be_saved_are_kept(tmp_path: Path, knows: str) -> None:
    """A processor that saves its whole state after each chunk, and ends with the error, loses no answer."""
    path = tmp_path / "talks.json"
    before = ProcessingState(job_id=JOB_ID, total_chunks=4, completed_chunks=[1], processed_results=["B"])
    saving = StateManager(path, lock_timeout_seconds=0.02)
    saving.save(before)
    manager = saving if knows == "saved" else StateManager(path, lock_timeout_seconds=0.02)
    if knows == "loaded":
        manager.load()
    state = before.replace(completed_chunks=[1, 0, 2], processed_results=["B", "A", "C"])
    with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy) as caught:
        manager.save(state)
    (kept_in,) = kept(tmp_path)
    assert caught.value.__notes__[0].startswith(f"The results of chunks 0, 2 of job {JOB_ID} are not recorded yet")
    assert str(kept_in) in caught.value.__notes__[0]
    saving.close()
    manager.close()
    with StateManager(path) as again:
        loaded = again.load()
        assert loaded is not None
        assert loaded.results() == {0: "A", 1: "B", 2: "C"}
        again.save(loaded.replace(status="paused"))
    assert kept(tmp_path) == []


def test_a_state_without_new_results_is_kept_nowhere(tmp_path: Path) -> None:
    """A status that cannot be saved is an error of the store, and leaves no file."""
    with StateManager(tmp_path / "talks.json", lock_timeout_seconds=0.02) as manager:
        state = ProcessingState(job_id=JOB_ID, total_chunks=2, completed_chunks=[0], processed_results=["A"])
        manager.save(state)
        with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
            manager.save(state.replace(status="paused"))
    assert kept(tmp_path) == []


def test_a_state_that_is_saved_again_stands(tmp_path: Path) -> None:
    """What the processor saves after the error is newer than what was kept."""
    path = tmp_path / "talks.json"
    state = ProcessingState(job_id=JOB_ID, total_chunks=2)
    with StateManager(path, lock_timeout_seconds=0.02) as manager:
        manager.save(state)
        with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
            manager.save(state.replace(completed_chunks=[0], processed_results=["A"]))
        manager.save(state.replace(completed_chunks=[0], processed_results=["better"]))
        loaded = manager.load()
    assert loaded is not None
    assert loaded.processed_results == ["better"]
    assert kept(tmp_path) == []


def test_results_at_unsure_chunks_are_not_kept(tmp_path: Path) -> None:
    """Where the lists of a state stand in another order than in the store, no answer is kept for a wrong chunk."""
    path = tmp_path / "talks.json"
    before = ProcessingState(job_id=JOB_ID, total_chunks=3, completed_chunks=[1], processed_results=["B"])
    with StateManager(path, lock_timeout_seconds=0.02) as manager:
        manager.save(before)
        state = before.replace(completed_chunks=[0, 1], processed_results=["B", "A"], result_indices=[])
        with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
            manager.save(state)
    assert kept(tmp_path) == []


def test_results_of_another_plan_are_not_kept(tmp_path: Path) -> None:
    """The answer of another model never counts as one of the model that the store has, and the state has it still."""
    path = tmp_path / "talks.json"
    before = ProcessingState(job_id=JOB_ID, model="small", total_chunks=3, config={"a": 1})
    with StateManager(path, lock_timeout_seconds=0.02) as manager:
        manager.save(before)
        answered = before.replace(completed_chunks=[0], processed_results=["A"])
        for state in (answered.replace(model="large"), answered.replace(config={"a": 2})):
            with locked(tmp_path / "talks.db"), pytest.raises(StoreBusy):
                manager.save(state)
    assert kept(tmp_path) == []
    with StateManager(path) as again:
        loaded = again.load()
        assert loaded is not None
        assert (loaded.model, loaded.completed_chunks) == ("small", [])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["save", "update", "complete"])
def test_the_newest_of_several_results_that_replace_each_other_stands(tmp_path: Path, how: str) -> None:
    """A program that records a better result of a chunk, while the store can take none, finds that result."""
    path, store = tmp_path / "talks.json", tmp_path / "talks.db"
    state = ProcessingState(job_id=JOB_ID, total_chunks=3)
    with (
        StateManager(path, lock_timeout_seconds=0.02) as manager,
        CheckpointStore(store, lock_timeout_seconds=0.02) as own,
    ):
        manager.save(state)
        job = own.job(JOB_ID)
        for results in (["A", "B"], ["better", "B"], ["best", "B"]):
            with locked(store):
                for index, result in enumerate(results):
                    with pytest.raises(StoreBusy):
                        if how == "save":
                            manager.save(state.replace(completed_chunks=[0, 1], processed_results=results))
                        elif how == "update":
                            manager.update_chunk_complete(index, result)
                        else:
                            job.complete(index, result, replace=True)
    with StateManager(path) as again:
        loaded = again.load()
        assert loaded is not None
        assert loaded.results() == {0: "best", 1: "B"}
    assert kept(tmp_path) == []


def test_a_result_that_replaces_none_does_not_stand_before_a_kept_one(tmp_path: Path) -> None:
    """``complete`` without ``replace`` changes no result of a chunk, also while the store can take none."""
    with CheckpointStore(tmp_path / "talks.db", lock_timeout_seconds=0.02) as store:
        job = store.open_job("talk.srt", chunks=CHUNKS)
        for result in ("A", "another"):
            with locked(store.path), pytest.raises(StoreBusy):
                job.complete(0, result)
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert store.job("talk.srt").result(0) == "A"
