"""Work on chunks that end once there is a file ``go``.

The arguments are the number of workers, and ``own handler`` if the program is to have one for SIGINT.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from checkpoint_store import CheckpointStore


def work(text):
    print("begun " + text + chr(10), end="", flush=True)  # one write: threads mix theirs
    for _ in range(6000):
        if os.path.exists("go"):
            break
        time.sleep(0.01)
    return text


if "own handler" in sys.argv:
    signal.signal(signal.SIGINT, lambda *_: print("mine", flush=True))
with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=list("abcdefghij"))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = []
    try:
        for item in job.map(work, workers=int(sys.argv[1])):
            done.append(item.index)
    finally:
        assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        print("end", len(done), job.status, job.progress().completed_chunks, len(job.in_doubt_chunks()), flush=True)
