"""Begin a job with a manager, after all have looked and there was none; print who was first."""

from __future__ import annotations

import sys

from checkpoint_store import CurrentJobChanged, ProcessingState, StateManager

with StateManager("state.json") as manager:
    assert manager.load() is None
    print("looked", flush=True)
    sys.stdin.readline()
    try:
        manager.save(ProcessingState(file_name="talk.txt", total_chunks=3, status="running"))
        print("begun")
    except CurrentJobChanged as error:
        print("told of", error.current_job_id)
