"""A job that completes a chunk for each line of its input, and says which."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore, StoreBusy

with CheckpointStore("talk.db", lock_timeout_seconds=float(sys.argv[1])) as store:
    job = store.open_job("talk.txt", total_chunks=1000)
    index = 0
    for _ in sys.stdin:
        try:
            job.complete(index, {"text": "x" * 100_000, "cost": 0.5})
            print(index, flush=True)
            index += 1
        except StoreBusy:
            print("busy", flush=True)
