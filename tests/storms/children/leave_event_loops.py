"""Work on jobs in event loops of some threads, which leave them anyhow; the main thread does what is left.

Each call that returned is a payment. Nobody waits for what an event loop left behind, and nothing is paid for twice.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import random
import sys
import threading
import warnings
from collections import Counter
from typing import Any

from storms.forking import import_early

from checkpoint_store import CheckpointStore, Job, current_attempt

import_early()
rounds, seed = int(sys.argv[1]), int(sys.argv[2])
dice = random.Random(seed)
CHUNKS = 40
LEAVINGS = ("to its end", "cancelled", "cancelled and closed", "closed", "closed after its generators")
paid: Counter[tuple[str, int]] = Counter()
left: Counter[str] = Counter()
warnings.simplefilter("ignore", ResourceWarning)


async def work(chunk: int) -> int:
    for _ in range(dice.randrange(3)):
        await asyncio.sleep(dice.random() * 0.01)
    paid[current_attempt().job_id, chunk] += 1
    return 2 * chunk


async def consume(job: Job) -> None:
    items, taken, taken_max = job.amap(work, workers=dice.randint(1, 5), on_pause="return"), 0, dice.randint(1, 30)
    async for _ in items:
        taken += 1
        if dice.random() < 0.3:
            await asyncio.sleep(0.003)
        if taken == taken_max:
            if dice.random() < 0.5:
                await items.aclose()
            break


def use_an_event_loop(job: Job, leaving: str) -> None:
    event_loop = asyncio.new_event_loop()
    event_loop.set_exception_handler(lambda *_: None)  # it reports each generator that was left
    tasks: Any = [event_loop.create_task(consume(job)) for _ in range(dice.randint(1, 3))]
    if leaving != "to its end":
        event_loop.run_until_complete(asyncio.sleep(dice.random() * 0.2))
    if leaving.startswith("cancelled"):
        for task in tasks:
            task.cancel()
    if leaving == "closed after its generators":
        event_loop.run_until_complete(event_loop.shutdown_asyncgens())
    elif not leaving.endswith("closed"):
        event_loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    event_loop.close()
    left[leaving] += 1


problems: list[Any] = []
with CheckpointStore("talks.db", durability="process") as store:
    for number in range(rounds):
        faulthandler.dump_traceback_later(60, exit=True)
        job = store.open_job(f"talk-{number}", total_chunks=CHUNKS)
        arguments = [(job, dice.choice(LEAVINGS)) for _ in range(dice.randint(1, 3))]
        threads = [threading.Thread(target=use_an_event_loop, args=both) for both in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for item in job.map(lambda chunk: 2 * chunk):
            paid[job.job_id, item.index] += 1
        if list(job.results()) != [2 * chunk for chunk in range(CHUNKS)]:
            problems.append(["results", number])
        gc.collect()
    problems += [["check", str(problem)] for problem in store.check()]
problems += [["paid", key, count] for key, count in paid.items() if count != 1]
gc.collect()
for thread in threading.enumerate():
    if "checkpoint-store" in thread.name:
        thread.join(10)  # it ends by itself
        problems += [["thread", thread.name]] if thread.is_alive() else []
print(json.dumps([left, problems]))
