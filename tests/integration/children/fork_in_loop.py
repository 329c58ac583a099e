"""Fork in the middle of a loop, with which the child goes on."""

from __future__ import annotations

import gc
import os
import threading

from checkpoint_store import CheckpointStore, CheckpointStoreError

paid, go = [], threading.Event()


def call(index):
    paid.append(index)
    if index:
        go.wait(60)
    return index


with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", total_chunks=4)
    items = job.map(call, workers=2)
    next(items)
    pid = os.fork()
    if not pid:
        try:
            next(items)
        except CheckpointStoreError as error:
            print("refused", str(error).partition(" now: ")[2], flush=True)
        del items
        gc.collect()
        store.close()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    go.set()
    print(status, sorted(item.index for item in items), job.status)
