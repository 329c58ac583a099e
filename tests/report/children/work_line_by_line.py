"""Complete a chunk for each line that comes."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store, store.open_job("talk.txt", chunks=["a", "b", "c"]) as job:
    for chunk in job.pending():
        print("at work", flush=True)
        sys.stdin.readline()
        chunk.complete(chunk.data.upper())
