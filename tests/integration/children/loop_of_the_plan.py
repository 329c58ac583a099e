"""Run the loop of the original plan; arguments: how it ends or goes on, and whether it saves whole states."""

from __future__ import annotations

import os
import signal
import sys
import warnings

from checkpoint_store import ProcessingState, StateManager

how, saves = sys.argv[1], "saves" in sys.argv
with StateManager("state.json") as manager, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    state = manager.load() if how == "goes on" or manager.has_incomplete_job() else None
    if state is None:
        state = ProcessingState(file_name="talk.txt", model="m", total_chunks=3)
    manager.save(state.replace(status="running"))
    print(*(warning.message for warning in caught), end="")
    for index in range(state.next_chunk_index, 3):
        print("paid")
        if saves:
            chunks, results = [*state.completed_chunks, index], [*state.processed_results, {"text": index}]
            state = state.replace(status="running", completed_chunks=chunks, processed_results=results)
            manager.save(state)
        else:
            manager.update_chunk_complete(index, {"text": index})
    if how == "killed":
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    manager.set_status("completed")
