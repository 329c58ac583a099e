"""Two programs at one state file: neither replaces the other's job in silence, and each result is in its own job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program
from filelock import FileLock

from checkpoint_store import CurrentJobChanged, JobNotFound, ProcessingState, StateManager, StoreBusy

from .manager_tools import loaded

if TYPE_CHECKING:
    from conftest import Children, ManagerOpener, Opener


def a_state(job_id: str, file_name: str = "talk.txt") -> ProcessingState:
    return ProcessingState(job_id=job_id, file_name=file_name, total_chunks=3, status="running")


@pytest.fixture
def other(make_manager: ManagerOpener) -> StateManager:
    """The manager of another program."""
    return make_manager()


@pytest.fixture
def replaced(manager: StateManager, other: StateManager) -> StateManager:
    """A manager whose job ("mine") has one chunk, and is no longer current since another one saved ("theirs")."""
    manager.save(a_state("mine"))
    manager.update_chunk_complete(0, "a")
    assert loaded(other).job_id == "mine"
    other.save(a_state("theirs", "other.txt"))
    return manager


# -- a job that begins


@pytest.mark.slow_variants
@pytest.mark.parametrize("look", ["load", "has_incomplete_job", "clear"])
def test_of_two_first_starts_the_second_is_told(manager: StateManager, other: StateManager, look: str) -> None:
    """Of two programs that start a first job together, the second learns of the first job before it pays."""
    for one in (manager, other):
        assert not getattr(one, look)()
    manager.save(a_state("first"))
    with pytest.raises(CurrentJobChanged, match=r"job second was not saved: .* job first of 'talk.txt'") as caught:
        other.save(a_state("second"))
    assert not caught.value.is_recorded
    manager.update_chunk_complete(0, "paid")
    assert loaded(other).results() == {0: "paid"}
    other.save(loaded(other).replace(status="paused"))  # it goes on with the job that there is
    assert loaded(manager).job_id == "first"


@pytest.mark.slow
def test_of_first_starts_in_the_same_moment_one_begins(children: Children, open_store: Opener) -> None:
    """Of programs that start in the same moment a single one begins its job, and the others learn which job it is."""
    ended = _first_starts(children)
    with open_store("state.db", state_file=None) as store:
        (job,) = store.jobs()
    assert sorted(ended) == sorted(["begun", *[f"told of {job.job_id}"] * 2])


def _first_starts(children: Children) -> list[str]:
    processes = children.at_the_gate(3, program(__file__, "begin_a_state"))
    children.pass_gate(processes)
    assert [children.next_line(process) for process in processes] == ["looked"] * 3
    children.pass_gate(processes)
    return [children.finish(process).strip() for process in processes]


def test_a_manager_for_each_call_does_not_replace_the_job_of_another_program(
    manager: StateManager, children: Children
) -> None:
    """What a manager of the same program saw just before counts: nothing was paid for yet."""
    process = children.start(program(__file__, "manager_for_each_call"), "looks")
    assert children.next_line(process) == "waits"
    manager.save(a_state("theirs"))
    assert children.finish(process, "\n") == "told of theirs\n"
    assert loaded(manager).job_id == "theirs"


def test_a_manager_for_each_call_says_where_its_results_go(manager: StateManager, children: Children) -> None:
    """Another program put a job in the place of its own one, and the results of two inputs would stand together."""
    process = children.start(program(__file__, "manager_for_each_call"), "saves")
    assert children.next_line(process) == "waits"
    assert loaded(manager).job_id == "mine"
    manager.save(a_state("theirs", "other.txt"))
    said = children.finish(process, "\n")
    assert "another program made job theirs the current job in the place of job mine; results are recorded in" in said


def test_whoever_knows_the_current_job_may_begin_another(manager: StateManager, other: StateManager) -> None:
    """A manager that knows the current job, or that never looked, may begin another job."""
    manager.save(a_state("one"))
    assert loaded(other).job_id == "one"
    other.save(a_state("two", "other.txt"))
    assert loaded(manager).job_id == "two"
    with StateManager(manager.state_path) as fresh:
        fresh.save(a_state("three"))
    assert loaded(manager).job_id == "three"


# -- a job that another one replaced


def test_a_chunk_of_a_replaced_job_stays_in_it(replaced: StateManager, other: StateManager, open_store: Opener) -> None:
    """A chunk of a replaced job is durable in that job when the error says so, and never enters the new job."""
    shown = replaced.state_path.read_bytes()
    with pytest.raises(CurrentJobChanged, match="job mine is no longer the current job") as caught:
        replaced.update_chunk_complete(1, "b")
    assert (caught.value.current_job_id, caught.value.current_file_name) == ("theirs", "other.txt")
    assert caught.value.is_recorded
    assert loaded(other).results() == {}
    assert replaced.state_path.read_bytes() == shown
    assert dict(open_store("state.db", state_file=None).job("mine").items()) == {0: "a", 1: "b"}


def test_a_state_of_a_replaced_job_is_saved_in_it(
    replaced: StateManager, other: StateManager, open_store: Opener
) -> None:
    """A saved state of a replaced job is recorded in that job, and the other job stays the current job."""
    mine = a_state("mine").replace(completed_chunks=[0, 1], processed_results=["a", "b"])
    for _ in range(2):
        with pytest.raises(CurrentJobChanged) as caught:
            replaced.save(mine)
        assert caught.value.is_recorded
    store = open_store("state.db", state_file=None)
    assert dict(store.job("mine").items()) == {0: "a", 1: "b"}
    current = store.current_job()
    assert current is not None
    assert (current.job_id, loaded(other).job_id) == ("theirs", "theirs")


def test_the_status_of_a_replaced_job_is_its_own(
    replaced: StateManager, other: StateManager, open_store: Opener
) -> None:
    """A processor that ends by an error does not call the other one's job failed."""
    with pytest.raises(CurrentJobChanged):
        replaced.set_status("failed", "why")
    state = open_store("state.db", state_file=None).job("mine").state()
    assert (state.status, state.error_message) == ("failed", "why")
    assert loaded(other).status == "running"


def test_clear_leaves_the_job_that_replaced_it(replaced: StateManager, other: StateManager, open_store: Opener) -> None:
    """``clear`` removes the manager's own job, and never the job that replaced it."""
    other.update_chunk_complete(2, "paid")
    replaced.clear()
    store = open_store("state.db", state_file=None)
    assert [job.job_id for job in store.jobs()] == ["theirs"]
    assert loaded(other).results() == {2: "paid"}
    assert replaced.state_path.exists()


def test_a_clear_that_failed_leaves_the_manager_its_job(manager: StateManager, other: StateManager) -> None:
    """After it, too, a result is recorded in the job that it was made for."""
    with StateManager(manager.state_path, lock_timeout_seconds=0.1) as mine:
        mine.save(a_state("mine"))
        with FileLock(mine.lock_path), pytest.raises(StoreBusy):
            mine.clear()
        assert loaded(other).job_id == "mine"
        other.save(a_state("theirs", "other.txt"))
        with pytest.raises(CurrentJobChanged):
            mine.update_chunk_complete(1, "b")
        assert loaded(other).results() == {}
        mine.clear()
        assert loaded(other).job_id == "theirs"


def test_a_job_that_was_cleared_is_not_saved_over_another(replaced: StateManager, other: StateManager) -> None:
    """A job that another program cleared is not saved over the next job, and its chunks do not enter that job."""
    mine = a_state("mine")
    with StateManager(replaced.state_path) as third:
        third.save(mine)
        third.clear()
    assert other.load() is None
    other.save(a_state("next"))
    with pytest.raises(CurrentJobChanged) as caught:
        replaced.save(mine)
    assert not caught.value.is_recorded
    with pytest.raises(JobNotFound, match="mine"):
        replaced.update_chunk_complete(0, "a")
    replaced.clear()
    assert loaded(other).results() == {}


def test_a_load_takes_up_the_job_that_replaced_it(replaced: StateManager, open_store: Opener) -> None:
    """A program that shows progress follows whatever is current; the earlier job is gone on with as the error says."""
    assert loaded(replaced).job_id == "theirs"
    replaced.update_chunk_complete(0, "x")
    assert loaded(replaced).results() == {0: "x"}
    replaced.save(open_store("state.db", state_file=None).job("mine").state())
    replaced.update_chunk_complete(2, "c")
    assert loaded(replaced).results() == {0: "a", 2: "c"}


def test_a_manager_without_a_job_of_its_own_follows_the_current_one(manager: StateManager, other: StateManager) -> None:
    """Workers that only record chunks, whatever job their parent is at."""
    manager.save(a_state("one"))
    other.update_chunk_complete(0, "a")
    manager.save(a_state("two", "other.txt"))
    other.update_chunk_complete(1, "b")
    other.set_status("paused")
    assert (loaded(manager).job_id, loaded(manager).results(), loaded(manager).status) == ("two", {1: "b"}, "paused")


def test_a_forked_worker_follows_its_parent(manager: StateManager, children: Children) -> None:
    """A worker that was forked during its parent's earlier job records into the parent's present job."""
    output = children.run(program(__file__, "fork_at_a_job"))
    assert output == "two {1: 'b'}\n"
    assert loaded(manager).job_id == "two"
