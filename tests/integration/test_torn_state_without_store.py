"""The store file is gone, and the state file is torn: the state before it is taken in at the first start, and told."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import ProcessingState, StateManager, StoreRecovered

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    """A state file that this library wrote, torn, with the whole one as ``.bak``, and no store beside it."""
    path = tmp_path / ".processing_state.json"
    with StateManager(path) as manager:
        manager.save(ProcessingState(file_name="talk.txt", total_chunks=30, status="running"))
        manager.update_chunk_complete(0, {"text": "a" * 200})
    path.with_suffix(".bak").write_bytes(path.read_bytes())
    os.truncate(path, 300)
    for file in [*tmp_path.glob("*.db*"), *tmp_path.glob("*.backup*")]:
        file.unlink()
    return path


def test_the_state_before_a_torn_one_is_taken_in_at_the_first_start(torn: Path) -> None:
    """Once, with one warning that names both files and stands at the caller's line; the torn file is kept."""
    bytes_before = torn.read_bytes()
    with StateManager(torn) as manager, pytest.warns(StoreRecovered) as caught:
        state = manager.load()
    assert state is not None
    assert state.completed_chunks == [0]
    (aside,) = torn.parent.glob(f"{torn.name}.corrupt-*")
    assert aside.read_bytes() == bytes_before
    (warning,) = caught
    assert warning.filename == __file__
    assert aside.name in str(warning.message)
    assert ".processing_state.bak" in str(warning.message)


@pytest.mark.slow
def test_the_start_after_that_is_told_nothing(torn: Path) -> None:
    """The second start after a lost store goes on with the remade store, without a warning."""
    with StateManager(torn) as manager, pytest.warns(StoreRecovered):
        manager.load()
    with StateManager(torn) as manager, warnings.catch_warnings():
        warnings.simplefilter("error")
        state = manager.load()
    assert state is not None
    assert state.completed_chunks == [0]
    assert len(list(torn.parent.glob(f"{torn.name}.corrupt-*"))) == 1
