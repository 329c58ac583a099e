"""Somebody removes the state file while a program has its store open: the program leaves an exact state file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StorageUnavailableError

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


def test_the_store_that_is_at_the_path_now_gets_no_state_file_of_another(tmp_path: Path) -> None:
    """A program whose store was moved away leaves no state of its job beside the store that took its place."""
    close = _by_job(tmp_path / "talks.json")
    (tmp_path / "elsewhere").mkdir()
    with CheckpointStore(tmp_path / "elsewhere" / "talks.db", state_file=None) as other:
        other.open_job("other.srt", total_chunks=1)
    for file in tmp_path.glob("talks.*"):
        file.rename(tmp_path / f"moved-{file.name}")
    (tmp_path / "elsewhere" / "talks.db").rename(tmp_path / "talks.db")
    with suppress(StorageUnavailableError):
        close()
    assert not (tmp_path / "talks.json").exists()


def test_the_state_file_that_comes_back_is_that_of_the_current_job(tmp_path: Path) -> None:
    """Another program made its job current before somebody removed the file."""
    close = _by_job(tmp_path / "talks.json")
    with CheckpointStore(tmp_path / "talks.db") as other:
        other.open_job("other.srt", total_chunks=1).export()
    (tmp_path / "talks.json").unlink()
    close()
    assert ProcessingState.from_json((tmp_path / "talks.json").read_bytes()).file_name == "other.srt"


def test_a_cleared_job_stays_cleared_after_the_close(tmp_path: Path) -> None:
    """A state file that went with its job does not come back, whichever manager cleared the job."""
    state_file = tmp_path / "talks.json"
    with StateManager(state_file) as manager:
        manager.save(ProcessingState(file_name="talk.srt", total_chunks=2))
        with StateManager(state_file) as other:
            other.clear()
    assert not state_file.exists()
