"""Be killed while a chunk that failed waits for its next try."""

from __future__ import annotations

import os
import signal

from checkpoint_store import CheckpointStore

store = CheckpointStore("talks.db")
job = store.open_job("talk.txt", total_chunks=2)


def work(index):
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    raise ConnectionError("try again")


list(job.map(work, wait=60.0))
