"""A large state file grows with its job. Whatever another program does to it, the next one shows what is in the store."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import ProcessingState, StateManager

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether anybody reads a file")

LARGE = 24
"""Chunks that make a state file large."""


def result_of(index: int) -> dict[str, Any]:
    return {"index": index, "text": f"result {index:03} " * 400}


def spoil(path: Path, index: int) -> None:
    """Change a result as an editor does that keeps the time of the file (``touch -r``, ``rsync --times --inplace``)."""
    times = path.stat()
    text = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(text.index(b"result %03d" % index))
        file.write(b"RESULT")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.slow_variants
@pytest.mark.parametrize("suffix", [".bak", ".json"])
def test_a_change_that_keeps_size_and_time_is_noticed(manager: StateManager, suffix: str) -> None:
    """A foreign change to a state file or its ``.bak`` is noticed, even with the size and the time as they were."""
    state = ProcessingState(job_id="j", file_name="f", status="running", total_chunks=60)
    for index in range(LARGE + 8):
        state = state.replace(
            completed_chunks=[*state.completed_chunks, index],
            processed_results=[*state.processed_results, result_of(index)],
        )
        if index > LARGE:
            spoil(manager.state_path.with_suffix(suffix), 3)
        manager.save(state)
        shown = ProcessingState.from_json(manager.state_path.read_bytes())
        assert shown.results() == {done: result_of(done) for done in range(index + 1)}
