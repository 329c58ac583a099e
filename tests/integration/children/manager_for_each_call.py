"""Work with a new manager for each call, up to the word given; wait there for a line, and print how it went on."""

from __future__ import annotations

import sys
import warnings

from checkpoint_store import CurrentJobChanged, ProcessingState, StateManager

assert StateManager("state.json").load() is None
if sys.argv[1] == "looks":
    print("waits", flush=True)
    sys.stdin.readline()
try:
    StateManager("state.json").save(ProcessingState(job_id="mine", file_name="talk.txt", total_chunks=3))
except CurrentJobChanged as error:
    print("told of", error.current_job_id)
    sys.exit()
print("waits", flush=True)
sys.stdin.readline()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    StateManager("state.json").update_chunk_complete(0, "a")
print(*(warning.message for warning in caught))
