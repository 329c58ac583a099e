"""Be killed in the third chunk."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("talk.txt", chunks=["one", "two", "three", "four"])
for chunk in job.pending():
    if chunk.index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    chunk.complete("x")
