"""Get a signal, whose handler exits, while four chunks are in flight."""

from __future__ import annotations

import os
import signal
import sys
import threading

from checkpoint_store import CheckpointStore

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
barrier = threading.Barrier(4, timeout=60)


def work(index):
    barrier.wait()
    if index == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(0.3)
    return index


with CheckpointStore("talks.db") as store:
    store.open_job("talk.srt", total_chunks=40)
    list(store.latest_job().map(work, workers=4))
