"""Work on one chunk until a line comes; then print what came of it.

argv: map or amap.
"""

from __future__ import annotations

import asyncio
import sys

from checkpoint_store import CheckpointStore


def work(text):
    print("at work", flush=True)
    return input() + text


async def awork(text):
    return await asyncio.to_thread(work, text)


async def main(job):
    async for item in job.amap(awork, timeout_seconds=2.0, max_attempts=1):
        print(item.result)


with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=["!"])
    if sys.argv[1] == "amap":
        asyncio.run(main(job))
    else:
        for item in job.map(work, timeout_seconds=2.0, max_attempts=1):
            print(item.result)
    print(job.last_run.retries)
