"""Raise exceptions in the worker threads of loops at random moments, as a time limit that comes too late does."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import json
import random
import sys
import threading
import time
from typing import Any

from storms.forking import import_early

from checkpoint_store import CheckpointStore, Job, current_attempt

import_early()
rounds, seed = int(sys.argv[1]), int(sys.argv[2])
dice = random.Random(seed)
CHUNKS = 60
raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
is_over = threading.Event()
strikes = 0
begun: list[tuple[str, int]] = []


class Late(Exception):
    pass


def strike() -> None:
    global strikes
    while not is_over.wait(dice.random() * 0.003):
        workers = [thread for thread in threading.enumerate() if thread.name == "checkpoint-store map"]
        if workers:
            kind = dice.choice([Late, MemoryError, TimeoutError])
            strikes += raise_in(ctypes.c_ulong(dice.choice(workers).ident or 0), ctypes.py_object(kind))


def work(chunk: int) -> int:
    begun.append((current_attempt().job_id, chunk))
    time.sleep(dice.random() * 0.002)
    return 2 * chunk


OPTIONS: Any = {"workers": 3, "max_attempts": 999, "retry_on": Exception, "wait": lambda _: 0.0}


async def consume(job: Job) -> None:
    async for _ in job.amap(work, **OPTIONS):
        pass


problems = []
striker = threading.Thread(target=strike, daemon=True)
with CheckpointStore("talks.db", durability="process") as store:
    striker.start()
    for number in range(rounds):
        faulthandler.dump_traceback_later(60, exit=True)
        job = store.open_job(f"talk-{number}", total_chunks=CHUNKS)
        if number % 2:
            asyncio.run(consume(job))
        else:
            for _ in job.map(work, **OPTIONS):
                pass
        if list(job.results()) != [2 * chunk for chunk in range(CHUNKS)]:
            problems.append(["results", number])
        attempts = [(job.job_id, attempt.chunk_index) for attempt in job.attempts()]
        if any(begun.count(attempt) > attempts.count(attempt) for attempt in attempts):
            problems.append(["begun without an attempt", number])
    is_over.set()
    striker.join()
    problems += [["check", str(problem)] for problem in store.check()]
print(json.dumps([strikes, problems]))
