"""Claim the first chunks that are left of a job, print which, and then do as one is told.

argv: the job, how many chunks, and what comes then: waits or completes (when a line has come), is killed, is killed with
a handle (of the first chunk), leaves a child.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from checkpoint_store import CheckpointStore, ChunkAlreadyCompleted

name, count, then = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = CheckpointStore("talks.db")
kept = []
for chunk in store.job(name).pending():
    kept.append(chunk)
    if len(kept) == count:
        break
print(*(chunk.index for chunk in kept), flush=True)
if then == "is killed with a handle":
    kept[0].record_handle(f"batch-{kept[0].index}")
if then == "leaves a child" and not os.fork():
    os.close(1)
    os.close(2)
    time.sleep(60)
    os._exit(0)
if then not in ("waits", "completes"):
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.readline()
if then == "completes":
    try:
        chunk.complete("late")
    except ChunkAlreadyCompleted as error:
        print(error.chunk_index)
store.close()
