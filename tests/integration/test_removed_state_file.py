"""Somebody removes the state file while a program has its store open: the program leaves an exact state file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _by_manager(state_file: Path) -> Callable[[], None]:
    manager = StateManager(state_file)
    manager.save(ProcessingState(file_name="talk.srt", total_chunks=2))
    return manager.close


def _by_job(state_file: Path) -> Callable[[], None]:
    store = CheckpointStore(state_file.with_suffix(".db"))
    store.open_job("talk.srt", total_chunks=2).export()
    return store.close


@pytest.mark.parametrize("begin", [_by_manager, _by_job])
def test_a_state_file_that_was_removed_is_there_after_the_close(
    tmp_path: Path, begin: Callable[[Path], Callable[[], None]]
) -> None:
    """The close writes the file that the program had written, also where the job has not changed since."""
    state_file = tmp_path / "talks.json"
    close = begin(state_file)
    state_file.unlink()
    close()
    assert ProcessingState.from_json(state_file.read_bytes()).file_name == "talk.srt"


def test_a_cleared_job_stays_cleared_after_the_close(tmp_path: Path) -> None:
    """A state file that went with its job does not come back, whichever manager cleared the job."""
    state_file = tmp_path / "talks.json"
    with StateManager(state_file) as manager:
        manager.save(ProcessingState(file_name="talk.srt", total_chunks=2))
        with StateManager(state_file) as other:
            other.clear()
    assert not state_file.exists()
