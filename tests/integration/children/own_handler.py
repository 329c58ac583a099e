"""Work with a handler of SIGTERM that the program set itself."""

from __future__ import annotations

import signal
import sys
import time

from checkpoint_store import CheckpointStore

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))


def work(text):
    if text == "b":
        print("begun", flush=True)
        time.sleep(60)
    return text


with CheckpointStore("talks.db") as store:
    list(store.open_job("f", chunks=list("abcd")).map(work, on_error="record", wait=0))
