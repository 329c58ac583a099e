"""Hang with a chunk in work."""

from __future__ import annotations

import time

from checkpoint_store import CheckpointStore

with CheckpointStore(".processing_state.db") as store:
    for chunk in store.open_job("talk.srt", chunks=["a", "b"]).pending():
        print("begun", flush=True)
        time.sleep(3600)
