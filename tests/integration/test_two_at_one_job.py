"""Two programs go on with one job through a StateManager each: a warning says that they pay for its chunks twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ProcessingState, StateManager

from .manager_tools import loaded, warned

if TYPE_CHECKING:
    from conftest import ManagerOpener


def a_state() -> ProcessingState:
    return ProcessingState(job_id="j", file_name="a", total_chunks=9, status="running")


def with_chunk(state: ProcessingState, index: int, result: str) -> ProcessingState:
    results = state.results() | {index: result}
    return state.replace(
        completed_chunks=list(results), processed_results=list(results.values()), result_indices=list(results)
    )


@pytest.fixture
def other(manager: StateManager, make_manager: ManagerOpener) -> StateManager:
    """The manager of another program, which goes on with the job of the first one."""
    manager.save(a_state())
    manager.update_chunk_complete(0, "a")
    made = make_manager()
    made.save(loaded(made).replace(status="running"))
    return made


@pytest.mark.parametrize("saves", [False, True], ids=["update_chunk_complete", "save"])
def test_two_programs_at_one_job_are_told(
    manager: StateManager, other: StateManager, caplog: pytest.LogCaptureFixture, saves: bool
) -> None:
    """Once, at the first chunk that both have paid for. The result that is recorded last stands, as ever."""
    states = [loaded(other)]

    def record_twice(index: int) -> None:
        manager.update_chunk_complete(index, f"first {index}")
        if saves:
            states.append(with_chunk(states[-1], index, f"second {index}"))
            other.save(states[-1])
        else:
            other.update_chunk_complete(index, f"second {index}")

    with pytest.warns(UserWarning, match="another program recorded chunk 1 of job j meanwhile: .* twice") as caught:
        list(map(record_twice, (1, 2, 3)))
    assert [warning.filename for warning in caught] == [__file__]
    assert warned(caplog) == [str(warning.message) for warning in caught]
    assert loaded(manager).results()[3] == "second 3"


@pytest.mark.slow_variants
@pytest.mark.parametrize("saves", [False, True], ids=["update_chunk_complete", "save"])
def test_where_warnings_are_errors_the_result_is_recorded(
    manager: StateManager, other: StateManager, saves: bool
) -> None:
    """The warning comes last, so that it costs no result that was paid for."""
    manager.update_chunk_complete(1, "first")
    with pytest.raises(UserWarning, match="another program"):
        if saves:
            other.save(with_chunk(a_state(), 1, "second"))
        else:
            other.update_chunk_complete(1, "second")
    assert loaded(manager).results() == {0: "a", 1: "second"}
    assert ProcessingState.from_json(manager.state_path.read_bytes()).results()[0] == "a"


def test_programs_that_share_the_chunks_are_told_nothing(
    manager: StateManager, other: StateManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Two programs that share the chunks of a job, or correct recorded chunks, get no warning."""
    for index in range(1, 9):
        (other if index % 2 else manager).update_chunk_complete(index, "x")
    other.update_chunk_complete(1, "again")
    other.update_chunk_complete(0, "corrected")
    other.save(with_chunk(loaded(other), 3, "corrected"))
    other.save(with_chunk(loaded(other), 2, "corrected"))
    other.set_status("failed")
    other.update_chunk_complete(5, "after a failure")
    other.set_status("running")
    other.update_chunk_complete(5, "and again")
    assert warned(caplog) == []


def test_a_worker_without_a_job_of_its_own_is_told_nothing(
    manager: StateManager, make_manager: ManagerOpener, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that never loaded the job gets no warning, for it cannot know what was paid for twice."""
    manager.save(ProcessingState(job_id="j", file_name="a", total_chunks=9, status="running"))
    manager.update_chunk_complete(0, "a")
    make_manager().update_chunk_complete(0, "b")
    assert warned(caplog) == []
