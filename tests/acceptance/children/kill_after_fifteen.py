"""Complete fifteen chunks with long results, and die."""

from __future__ import annotations

import os

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db", state_file=None, durability="process")
job = store.open_job("f", total_chunks=10000)
for chunk in job.pending():
    chunk.complete("x" * 200_000)
    if chunk.index % 15 == 14:
        os.kill(os.getpid(), 9)
