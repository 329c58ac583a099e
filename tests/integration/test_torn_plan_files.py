"""A torn state file that the code of before wrote: what stands whole before the tear is not paid for again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import (
    ProcessingState,
    StateFormatError,
    StateManager,
    StoreDamaged,
    StoreRecovered,
    recover_store,
)
from checkpoint_store.state_file.writer import StateFile

from .manager_tools import loaded

if TYPE_CHECKING:
    from pathlib import Path


def plan_state(chunks: int) -> str:
    """What the plan's code wrote after so many of five chunks."""
    return json.dumps(
        {
            "version": "1.0",
            "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
            "status": "running",
            "file_name": "talk.srt",
            "video_title": "",
            "model": "m",
            "provider": "",
            "total_chunks": 5,
            "completed_chunks": list(range(chunks)),
            "processed_results": [result(index) for index in range(chunks)],
            "started_at": "2025-07-01T10:00:00.123456",
            "updated_at": "2025-07-01T10:00:00.123456",
            "error_message": None,
            "config": {"chunk_size": 2000},
        },
        indent=2,
    )


def result(index: int) -> dict[str, Any]:
    return {"chunk_index": index, "cleaned_text": f"text {index}"}


def torn_in(text: str, index: int) -> str:
    """The text up to the middle of a chunk's result."""
    return text[: text.index(f"text {index}")]


def test_the_results_before_the_tear_are_added_to_the_state_before_it(tmp_path: Path) -> None:
    """``.bak`` has one chunk, the torn file three whole results: three are done, and the warning names the rest."""
    path = tmp_path / ".processing_state.json"
    path.write_text(torn_in(plan_state(5), 3))
    path.with_suffix(".bak").write_text(plan_state(1))
    with StateManager(path) as manager:
        with pytest.warns(StoreRecovered, match=r"with 2 results .*The results of 2 chunks \(3, 4\) cannot be read"):
            state = manager.load()
        assert state is not None
        assert state.results() == {index: result(index) for index in range(3)}
        assert (state.config, state.next_chunk_index) == ({"chunk_size": 2000}, 3)
        assert manager.has_incomplete_job()


@pytest.mark.parametrize("is_moved", [False, True], ids=["before the renaming", "behind it"])
def test_a_program_killed_while_it_takes_a_torn_file_in_loses_no_result_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool
) -> None:
    """The store has the whole results before the torn file is moved aside, so the next start needs no file."""
    path = tmp_path / ".processing_state.json"
    path.write_text(torn_in(plan_state(5), 3))
    path.with_suffix(".bak").write_text(plan_state(1))
    real = StateFile.move_aside

    def killed(state_file: StateFile) -> Path:
        if is_moved:
            real(state_file)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StateFile, "move_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            StateManager(path).load()
    with StateManager(path) as manager:
        assert loaded(manager).results() == {index: result(index) for index in range(3)}
        manager.update_chunk_complete(3, result(3))
    assert ProcessingState.from_json(path.read_bytes()).completed_chunks == [0, 1, 2, 3]


def test_the_torn_file_of_another_job_adds_nothing(tmp_path: Path) -> None:
    """``.bak`` is of the job before: a result is never taken in under another input."""
    path = tmp_path / ".processing_state.json"
    path.write_text(torn_in(plan_state(5).replace("0b5e8f3e", "1c6f904f"), 3))
    path.with_suffix(".bak").write_text(plan_state(1))
    with StateManager(path) as manager, pytest.warns(StoreRecovered, match=r"was taken in: 1 completed chunk"):
        state = manager.load()
    assert state is not None
    assert state.results() == {0: result(0)}


def test_a_recovery_brings_back_what_stands_before_the_tear(tmp_path: Path) -> None:
    """No other copy is left: the error says how, and the job goes on behind the results that are whole."""
    path = tmp_path / ".processing_state.json"
    path.write_text(torn_in(plan_state(5), 3))
    with pytest.raises(StateFormatError, match="accept_loss=True"):
        StateManager(path).load()
    report = recover_store(path.with_suffix(".db"), accept_loss=True)
    assert [(job.recovered_chunks, job.lost_chunks) for job in report.jobs] == [(3, 2)]
    with StateManager(path) as manager:
        state = manager.load()
    assert state is not None
    assert state.results() == {index: result(index) for index in range(3)}
    assert state.model == "m"


@pytest.mark.slow
def test_who_only_wants_to_go_on_is_told_what_that_costs(tmp_path: Path) -> None:
    """The store is gone, and its torn state file names chunks that no copy has: they would be paid for again."""
    path = tmp_path / ".processing_state.json"
    with StateManager(path) as manager:
        manager.save(ProcessingState(file_name="talk.srt", total_chunks=5, status="running"))
        for index in range(4):
            manager.update_chunk_complete(index, result(index))
    path.write_text(torn_in(path.read_text(), 2))
    for file in tmp_path.glob("*.db*"):
        file.unlink()
    assert path.with_suffix(".bak").exists()
    with pytest.raises(StoreDamaged) as caught:
        StateManager(path).load()
    assert caught.value.remedy == (
        "To go on without these chunks, which are done again then: "
        f"recover_store({str(path.with_suffix('.db'))!r}, accept_loss=True)"
    )
