"""Write a store and its state file, and hold the store open until a line comes."""

from __future__ import annotations

import sys

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=4)
job.complete(0, "paid for")
job.export()
print("written", flush=True)
sys.stdin.readline()
