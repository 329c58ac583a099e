"""A loop with several chunks in flight, killed just behind the start of one of them, before anybody works on that."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from checkpoint_store import CheckpointStore
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.loop.executors.workplace import Workplace

shape, at = sys.argv[1], int(sys.argv[2])
real = Workplace.submit


def submit(self: Workplace, fn: Any, attempt: Any, chunk: int) -> Any:
    future = real(self, fn, attempt, chunk)
    if chunk == at:
        os.kill(os.getpid(), 9)
    return future


def work(index: int) -> int:
    os.write(log, f"{index}\n".encode())
    return index


async def awork(index: int) -> int:
    return work(index)


async def main() -> None:
    async for _ in job.amap(awork, workers=16):
        pass


Workplace.submit = submit  # type: ignore[method-assign]
ChunkQueue.batch = lambda _: 32  # type: ignore[assignment,method-assign]
log = os.open("worked on", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
store = CheckpointStore("talks.db", durability="process", state_file=None)
job = store.open_job("talk.srt", total_chunks=64)
if shape == "amap":
    asyncio.run(main())
else:
    list(job.map(work, workers=16))
