"""Cancel tasks whose calls run in threads."""

from __future__ import annotations

import asyncio
import random

from storms.children.interrupting import acknowledged, before, job, judge, slow, store, wanted, watch

cancelled = 0


async def one(index):
    await asyncio.to_thread(job.complete, index, {"of": index})
    acknowledged[index] = {"of": index}


async def main():
    global cancelled
    index = 0
    while cancelled < wanted:
        watch()
        tasks = [asyncio.create_task(one(index + number)) for number in range(1, 9)]
        index += 8
        await asyncio.sleep(random.uniform(0, 0.006 * slow))
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(one, asyncio.CancelledError) for one in done)


asyncio.run(main())
judge(store, job, cancelled, acknowledged, before)
