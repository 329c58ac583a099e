"""End the main thread over a loop that has results which are not recorded; another thread begins a loop then."""

from __future__ import annotations

import threading

from checkpoint_store import CheckpointStore, Job

taken, came = threading.Event(), threading.Semaphore(0)


def work(index: int) -> int:
    if index:
        taken.wait()
    print(f"{index}\n", end="", flush=True)  # in one write
    came.release()
    return index


def work_later(job: Job) -> None:
    threading.main_thread().join()
    for _ in job.map(work):
        pass


store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=4)
loop = job.map(work, workers=3)
next(loop)
taken.set()
for _ in range(3):
    came.acquire()
threading.Thread(target=work_later, args=(job,), daemon=False).start()
