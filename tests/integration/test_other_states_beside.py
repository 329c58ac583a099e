"""A state that somebody else wrote beside a store, and a job that begins with another number of chunks."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, StateManager, StoreRecovered

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ManagerOpener


def plan_state(**changes: Any) -> str:
    """What the plan's code writes: two of six chunks."""
    values: dict[str, Any] = {
        "version": "1.0",
        "job_id": "0b5e8f3e-0000-4000-8000-000000000001",
        "status": "running",
        "file_name": "talk.srt",
        "video_title": "",
        "model": "m",
        "provider": "",
        "total_chunks": 6,
        "completed_chunks": [0, 1],
        "processed_results": [{"chunk_index": 0, "t": "a"}, {"chunk_index": 1, "t": "b"}],
        "started_at": "2025-07-01T10:00:00.123456",
        "updated_at": "2025-07-01T10:00:00.123456",
        "error_message": None,
        "config": {},
    }
    return json.dumps(values | changes, indent=2)


def begin(manager: StateManager, total_chunks: int, done: int, **changes: Any) -> ProcessingState:
    """Begin a job, and do so many of its chunks."""
    state = ProcessingState(file_name="talk.srt", total_chunks=total_chunks, status="running", **changes)
    manager.save(state)
    for index in range(done):
        manager.update_chunk_complete(index, {"chunk_index": index, "t": "x"})
    return state


def test_what_the_code_of_before_wrote_beside_a_store_is_taken_in(make_manager: ManagerOpener) -> None:
    """Somebody went back to the older program for a while: what that one paid for is not written over."""
    first = make_manager()
    mine = begin(first, 4, 2)
    first.close()
    first.state_path.write_text(plan_state())
    with pytest.warns(
        StoreRecovered, match="job 0b5e8f3e-.* was taken in from .*, with 2 completed chunks: .* did not"
    ):
        state = make_manager().load()
    assert state is not None
    assert state.results() == {0: {"chunk_index": 0, "t": "a"}, 1: {"chunk_index": 1, "t": "b"}}
    with CheckpointStore(first.store_path, read_only=True) as store:
        assert store.job(mine.job_id).progress().completed_chunks == 2


def test_a_state_that_a_program_laid_out_anew_changes_nothing(make_manager: ManagerOpener) -> None:
    """An editor wrote the state file as it likes: it says what the store has."""
    manager = make_manager()
    begin(manager, 4, 2)
    manager.close()
    data = json.loads(manager.state_path.read_text())
    manager.state_path.write_text(json.dumps(data, indent=8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = make_manager().load()
    assert state is not None
    assert (state.job_id, state.completed_chunks) == (data["job_id"], [0, 1])


@pytest.mark.parametrize("total_chunks", [3, 5])
def test_who_begins_an_unfinished_file_with_other_chunks_is_warned(manager: StateManager, total_chunks: int) -> None:
    """Cut otherwise by mistake, all of it is paid for again: the warning says where the results are."""
    earlier = begin(manager, 4, 2, model="m")
    expected = f"while job {earlier.job_id} .* has 2 of 4 chunks \\(the new job has {total_chunks}\\)"
    with pytest.warns(UserWarning, match=expected) as caught:
        begin(manager, total_chunks, 0, model="m")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_file_that_was_finished_begins_anew_with_other_chunks(manager: StateManager, tmp_path: Path) -> None:
    """A finished file that begins anew with other chunks, or with another model, gets no warning."""
    begin(manager, 2, 2, model="m")
    begin(manager, 4, 1, model="n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin(manager, 3, 0, model="m")
    assert (tmp_path / manager.state_path.name).exists()
