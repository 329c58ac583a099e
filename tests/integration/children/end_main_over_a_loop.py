"""End the main thread over a loop that has results which are not recorded; another thread begins a loop then."""

from __future__ import annotations

import asyncio
import sys
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


async def work_in_tasks(job: Job) -> None:
    async for _ in job.amap(work):  # the interpreter waits for its pool while the main thread still counts as alive
        pass


def begin_tasks(job: Job) -> None:
    asyncio.run(work_in_tasks(job))


store = CheckpointStore("talks.db")
job = store.open_job("talk.srt", total_chunks=4)
loop = job.map(work, workers=3)
next(loop)
taken.set()
for _ in range(3):
    came.acquire()
threading.Thread(target={"map": work_later, "amap": begin_tasks}[sys.argv[1]], args=(job,), daemon=False).start()
