"""The shapes in which a program keeps its StateManager: one for all, one for each class, one for each call."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, CurrentJobChanged, JobBusy, ProcessingState, StateManager
from checkpoint_store.storage.records import saved_state

if TYPE_CHECKING:
    from collections.abc import Iterator

TOTAL = 6


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder for a program; every warning is an error there."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def begin() -> None:
    StateManager().save(ProcessingState(file_name="talk.txt", total_chunks=TOTAL, status="running"))


def state_now() -> ProcessingState:
    state = StateManager().load()
    assert state is not None
    return state


def with_chunk(state: ProcessingState, index: int, result: str) -> ProcessingState:
    return state.replace(
        completed_chunks=[*state.completed_chunks, index], processed_results=[*state.processed_results, result]
    )


def test_one_for_each_call() -> None:
    """Each call makes its own, and none of them knows the job: nothing is lost, and nobody is warned."""
    begin()
    for index in range(TOTAL):
        if index % 2:
            StateManager().save(with_chunk(state_now(), index, f"saved {index}"))
        else:
            StateManager().update_chunk_complete(index, f"recorded {index}")
    assert list(state_now().results().values()) == [f"{'saved' if i % 2 else 'recorded'} {i}" for i in range(TOTAL)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("saves", [False, True], ids=["update_chunk_complete", "save"])
def test_one_for_each_class(*, saves: bool) -> None:
    """Two managers of a program may record the same chunk in turn: the last text stands."""
    begin()
    cleaner, editor = StateManager(), StateManager()
    assert cleaner.load() == editor.load()
    for index in range(TOTAL):
        if saves:
            state = cleaner.load()
            assert state is not None
            cleaner.save(with_chunk(state, index, "raw"))
        else:
            cleaner.update_chunk_complete(index, "raw")
        editor.update_chunk_complete(index, "edited")
        cleaner.update_chunk_complete(index, "final")
    assert set(state_now().results().values()) == {"final"}


def test_one_for_all_and_one_for_each_call() -> None:
    """A helper records by itself what the state in the caller's hands says a little later."""
    begin()
    manager = StateManager()
    state = manager.load()
    assert state is not None
    for index in range(TOTAL):
        StateManager().update_chunk_complete(index, "first")
        state = with_chunk(state, index, "second")
        manager.save(state)
    assert set(state_now().results().values()) == {"second"}


def put_another_job_in_its_place() -> str:
    """Make another job the current one, as another program does; return its id."""
    with CheckpointStore(StateManager().store_path) as store:
        return store.open_job("other.txt", total_chunks=TOTAL).job_id


def results_of(job_id: str) -> dict[int, object]:
    with CheckpointStore(StateManager().store_path) as store:
        return dict(store.job(job_id).items())


def test_a_result_is_recorded_before_the_program_is_warned_of_the_job_that_it_is_in() -> None:
    """Where warnings are errors, too: what was paid for is recorded, and the warning says where it is."""
    begin()
    other = put_another_job_in_its_place()
    with pytest.raises(UserWarning, match="results are recorded in the current job"):
        StateManager().update_chunk_complete(0, "paid")
    assert results_of(other) == {0: "paid"}


def test_a_result_that_is_recorded_in_the_job_of_the_program_is_said_to_be_there(
    recwarn: pytest.WarningsRecorder,
) -> None:
    """The error says where the result is; no warning says that it is in the current job."""
    begin()
    mine = state_now().job_id
    put_another_job_in_its_place()
    warnings.simplefilter("always")
    with pytest.raises(CurrentJobChanged):
        StateManager().update_chunk_complete(0, "paid")
    assert results_of(mine) == {0: "paid"}
    assert [str(warning.message) for warning in recwarn if warning.category is UserWarning] == []


@pytest.mark.slow_variants
@pytest.mark.parametrize("looks", [False, True], ids=["records", "looks while nothing is there"])
def test_a_result_goes_into_the_new_job_where_the_files_were_removed(*, looks: bool) -> None:
    """A program loaded a job, its files were removed, and a new job was made at the path: that job gets the result."""
    begin()
    state_now()
    for path in StateManager().store_path.parent.iterdir():
        path.unlink()
    manager = StateManager()
    assert not (looks and manager.has_incomplete_job())
    other = put_another_job_in_its_place()
    for index in range(2):
        with suppress(UserWarning):  # the result may not be of the job that the program had
            manager.update_chunk_complete(index, "paid")
    manager.close()  # a circle with the warning's traceback kept it, and it was closed in the middle of another test
    assert results_of(other) == {0: "paid", 1: "paid"}


def test_only_the_jobs_that_came_last_are_kept_in_mind() -> None:
    """A server that goes through many jobs does not grow."""
    recorded = type(StateManager()._calls.looked.recorded)()
    for number in range(200):
        recorded.add(f"job {number}", [0])
    assert not recorded.has("job 0", 0)
    assert recorded.has("job 199", 0)
    assert len(recorded._of_job) <= 64


def test_only_the_stores_that_came_last_are_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with a store for each document does not grow; the store in use stays, however many results it has."""
    monkeypatch.setattr(saved_state, "_DIGESTS_IN_MIND_MAX", 100)
    recorded = type(StateManager()._calls.looked.recorded)()

    def look(number: int, results: int) -> None:
        given = frozenset(f"{number} {index}" for index in range(results))
        saved_state.Looked(
            "job", "job", has_looked=True, given=given, recorded=recorded, store=Path(str(number))
        ).noted()

    for number in range(200):
        look(number, 1)
    look(199, 2)
    assert list(recorded.latest) == [Path(str(number)) for number in range(136, 200)]
    look(300, 99)
    assert list(recorded.latest) == [Path("300")]
    look(301, 500)
    assert list(recorded.latest) == [Path("301")]


def test_a_manager_knows_what_it_recorded_however_many_jobs_came_in_between() -> None:
    """A server goes through a hundred jobs, and puts a better text into the first one: nobody else did it, nobody is warned."""
    with StateManager("first.json", durability="process") as first:
        first.save(ProcessingState(file_name="talk.txt", total_chunks=TOTAL, status="running"))
        first.update_chunk_complete(0, "raw")
        for number in range(100):
            first._calls.looked.recorded.add(f"job {number}", [0])
        first.update_chunk_complete(0, "edited")


def test_the_job_used_longest_ago_is_forgotten_first() -> None:
    """A program that makes a manager for each call goes on with its first job beside many short ones."""
    recorded = type(StateManager()._calls.looked.recorded)()
    for number in range(200):
        recorded.add("long job", [number])
        recorded.add(f"job {number}", [0])
    assert recorded.has("long job", 0)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"provider": "p"}, {"config": {"size": 2}}, {"file_name": "x"}, {"total_chunks": 2}],
    ids=lambda change: next(iter(change)),
)
def test_a_saved_state_changes_no_plan_of_a_job_that_a_loop_works_on(tmp_path: Path, change: dict[str, Any]) -> None:
    """The results of the loop are made for the plan that it began with; once the loop has ended, a state may say so."""
    with StateManager(tmp_path / "talks.json") as manager, CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.srt", total_chunks=3, model="m", config={"size": 1, "language": "en"})
        for chunk in job.pending():
            chunk.complete("x")
            state = manager.load()
            assert state is not None
            with pytest.raises(JobBusy) as refused:
                manager.save(state.replace(**change))
            assert (refused.value.pid, next(iter(change)) in refused.value.__notes__[0]) == (os.getpid(), True)
            manager.save(state.replace(error_message="so far", config={"language": "en", "size": 1}))
            break
        del chunk
        assert (job.state().model, job.error_message, job.progress().completed_chunks) == ("m", "so far", 1)
        manager.save(state.replace(**change))
        saved = manager.load()
        assert saved is not None
        assert saved.replace(updated_at=state.updated_at) == state.replace(**change)
