"""Leave a loop in the middle, and print which chunks were paid for when the interpreter ends.

argv: how it is left: unfinished, by an exit, with an executor, in another thread, with a full disk.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

from checkpoint_store import CheckpointStore, StorageFullError

paid: list[int] = []
all_at_work = threading.Event()
atexit.register(lambda: print(*sorted(paid)))
warnings.simplefilter("ignore", ResourceWarning)
threading.excepthook = lambda _: None


def call(index):
    first = not paid
    paid.append(index)
    if len(paid) == 4:
        all_at_work.set()
    if not first:
        all_at_work.wait(60)
        time.sleep(0.3)
    return index


def full(*_):
    raise StorageFullError("talks.db", "No space left on device", 0)


way = sys.argv[1]
store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=40)
if way == "in another thread":  # which the end of the process does not wait for
    threading.Thread(target=lambda: list(job.map(call, workers=4)), daemon=True).start()
    all_at_work.wait(60)
else:
    pool = ThreadPoolExecutor(4) if way == "with an executor" else None
    items = job.map(call, workers=4, executor=pool)
    next(items)
if way == "with a full disk":
    all_at_work.wait(60)
    store._context.storage.group_commit.submit = full  # type: ignore[method-assign]
    warnings.simplefilter("always", RuntimeWarning)
if way == "by an exit":
    sys.exit(0)
