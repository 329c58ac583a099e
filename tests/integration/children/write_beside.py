"""Have a store open, idle until a line comes, or busy for ever."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("f", total_chunks=100000 if sys.argv[1] == "busy" else 9)
job.complete(0, {"n": 1})
print("there", flush=True)
index = 1
if sys.argv[1] == "busy":
    while True:
        job.complete(index % 200, {"n": index}, replace=True)  # the state stays small, however quick the disk
        index += 1
sys.stdin.readline()
