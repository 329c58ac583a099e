"""A processor that saves whole states does chunks again: each once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from checkpoint_store import ProcessingState

if TYPE_CHECKING:
    from conftest import ManagerOpener, Opener

    from checkpoint_store import Job, StateManager

NAME = "talk.srt"


def result(text: str) -> dict[str, Any]:
    """A result that cost something."""
    return {"text": text, "cost": 0.25}


def saved(manager: StateManager, open_store: Opener) -> Job:
    """Save a complete job of three chunks, and return the job as another program sees it."""
    results = [result("first")] * 3
    manager.save(
        ProcessingState(
            file_name=NAME, status="completed", total_chunks=3, completed_chunks=[0, 1, 2], processed_results=results
        )
    )
    return open_store("state.db", state_file=None).job(NAME)


def with_result(state: ProcessingState, index: int, text: str) -> ProcessingState:
    """Return a state with another result."""
    results = list(state.processed_results)
    results[index] = result(text)
    return state.replace(processed_results=results)


def test_a_saved_state_with_another_result_ends_the_redo(make_manager: ManagerOpener, open_store: Opener) -> None:
    """A processor that goes on until no chunk is left does each once, and what the earlier result cost is counted."""
    manager = make_manager()
    job = saved(manager, open_store)
    job.redo([0, 2])
    done = []
    while (state := manager.load()) is not None and state.remaining_chunks:
        done.append(state.next_chunk_index)
        assert len(done) < 4
        manager.save(with_result(state, state.next_chunk_index, f"call {len(done)}"))
    assert (done, job.to_redo()) == ([0, 2], [])
    assert [one["text"] for one in job.results()] == ["call 1", "first", "call 2"]
    with closing(sqlite3.connect(manager.store_path)) as raw:
        assert raw.execute("SELECT cost, replaced_cost FROM job_costs").fetchall() == [(1.25, 0.5)]


def test_a_state_from_before_the_redo_does_not_end_it(make_manager: ManagerOpener, open_store: Opener) -> None:
    """A saved state from before a redo corrects the old result, and does not answer the redo."""
    manager = make_manager()
    job = saved(manager, open_store)
    before = manager.load()
    assert before is not None
    job.redo([1])
    manager.save(with_result(before, 1, "corrected"))
    assert (job.to_redo(), job.result(1)) == ([1], result("corrected"))
