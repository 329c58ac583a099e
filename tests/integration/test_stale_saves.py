"""A state that was loaded before and is saved later puts no earlier result back over a newer one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ProcessingState, StateManager

from .manager_tools import loaded

if TYPE_CHECKING:
    from conftest import ManagerOpener, Opener


def with_result(state: ProcessingState, index: int, result: Any) -> ProcessingState:
    results = list(state.processed_results)
    results[index] = result
    return state.replace(processed_results=results)


@pytest.fixture
def whole(manager: StateManager) -> ProcessingState:
    """The state of a complete job of three chunks, as the manager gave it."""
    manager.save(
        ProcessingState(
            job_id="j",
            file_name="talk.txt",
            status="running",
            total_chunks=3,
            completed_chunks=[0, 1, 2],
            processed_results=["a", "b", "c"],
        )
    )
    return loaded(manager)


@pytest.fixture
def other(make_manager: ManagerOpener) -> StateManager:
    """The manager of another program."""
    return make_manager()


def test_the_result_of_a_redo_stays(
    manager: StateManager, whole: ProcessingState, open_store: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """A processor loads the state, does again what is to be done again, and saves the state with another status."""
    job = open_store("state.db", state_file=None).job("j")
    job.redo([1])
    state = loaded(manager)
    assert (whole.redo_chunks, state.redo_chunks) == ([], [1])
    manager.update_chunk_complete(1, "done again")
    with caplog.at_level(logging.INFO, "checkpoint_store"):
        manager.save(state.replace(status="completed"))
    assert "newer result than the saved state has keep it: 1" in caplog.text
    assert (job.result(1), job.to_redo(), job.status) == ("done again", [], "completed")
    assert ProcessingState.from_json(manager.state_path.read_bytes()) == loaded(manager)


def test_the_result_of_a_redo_stays_whoever_saves(
    manager: StateManager, whole: ProcessingState, make_manager: ManagerOpener, open_store: Opener
) -> None:
    """A processor that makes a manager in each of its functions: the one that saves has never loaded anything."""
    assert whole.job_id == "j"
    job = open_store("state.db", state_file=None).job("j")
    job.redo([1, 2])
    state = loaded(make_manager())
    make_manager().update_chunk_complete(1, "done again")
    make_manager().save(with_result(state, 2, "by saving it").replace(status="paused"))
    assert dict(job.items()) == {0: "a", 1: "done again", 2: "by saving it"}
    assert (job.to_redo(), loaded(manager).redo_chunks) == ([], [])


def test_a_chunk_that_was_recorded_since_stays(manager: StateManager, whole: ProcessingState) -> None:
    """A chunk that was recorded since stays, whichever older state the manager saves later."""
    manager.update_chunk_complete(0, "newer")
    assert loaded(manager).results()[0] == "newer"
    for _ in range(2):
        manager.save(whole.replace(video_title="a title"))
    assert loaded(manager).results() == {0: "newer", 1: "b", 2: "c"}
    assert loaded(manager).video_title == "a title"


def test_what_another_program_replaced_stays(
    manager: StateManager, whole: ProcessingState, other: StateManager
) -> None:
    """What another program replaced stays when an older state is saved, and new chunks of that state are recorded."""
    other.update_chunk_complete(2, "theirs")
    manager.save(with_result(whole, 0, "mine"))
    assert loaded(manager).results() == {0: "mine", 1: "b", 2: "theirs"}
    manager.save(with_result(whole, 1, "mine, too"))
    assert loaded(manager).results() == {0: "mine", 1: "mine, too", 2: "theirs"}


def test_a_result_that_is_new_takes_the_place_of_theirs(
    manager: StateManager, whole: ProcessingState, other: StateManager
) -> None:
    """The one that is recorded last stands, as with update_chunk_complete."""
    other.update_chunk_complete(0, "theirs")
    with pytest.warns(UserWarning, match="another program recorded chunk 0"):
        manager.save(with_result(whole, 0, "mine"))
    assert loaded(manager).results()[0] == "mine"


def test_a_correction_is_taken_back_by_name(manager: StateManager, whole: ProcessingState) -> None:
    """``update_chunk_complete`` takes a correction back, and saving an older state does not."""
    manager.save(with_result(whole, 0, "corrected"))
    manager.save(whole)
    assert loaded(manager).results()[0] == "corrected"
    manager.update_chunk_complete(0, "a")
    assert loaded(manager).results()[0] == "a"


def test_a_state_that_could_not_be_saved_is_saved_later(
    manager: StateManager, whole: ProcessingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state whose ``save`` failed can be saved later: its results count as new, for they were never recorded."""
    new = with_result(whole, 0, "new")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("checkpoint_store.storage.statements.jobs.jobs.recount", lambda *_: 1 / 0)
        manager.save(new)
    assert loaded(manager).results()[0] == "a"
    manager.save(new)
    assert loaded(manager).results()[0] == "new"
