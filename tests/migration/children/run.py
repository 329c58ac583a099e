"""Open a store, which upgrades it, and do what is left of its job; each call leaves a line."""

from __future__ import annotations

import os
import sys
import time

from checkpoint_store import CheckpointStore

log = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def work(index):
    os.write(log, f"{index}\n".encode())
    time.sleep(0.005)
    return {"now": index}


print("ready", flush=True)
with CheckpointStore("talks.db") as store:
    for item in store.open_job("talk.srt", total_chunks=int(sys.argv[1])).map(work, workers=2, max_attempts=1000):
        pass
