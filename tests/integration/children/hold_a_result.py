"""Record a result and read the job with a manager, and keep it open until a line comes; print the job then."""

from __future__ import annotations

import sys

from checkpoint_store import StateManager

with StateManager("state.json") as manager:
    manager.update_chunk_complete(1, "CANARY " * 5000)
    manager.load()
    print("there", flush=True)
    sys.stdin.readline()
    print(manager.load())
