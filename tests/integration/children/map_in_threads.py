"""Use a loop in threads that are not the main one."""

from __future__ import annotations

import threading

from checkpoint_store import CheckpointStore

with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=list("abc"))
    loop = job.map(str.upper)
    next(loop)
    thread = threading.Thread(target=loop.close)
    thread.start()
    thread.join()
    print(job.status)
    thread = threading.Thread(target=lambda: list(job.map(str.upper)))
    thread.start()
    thread.join()
    print(job.status)
