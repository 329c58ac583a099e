"""Run two event loops in a thread that outlives the main thread: its calls go on then."""

from __future__ import annotations

import asyncio
import threading

from checkpoint_store import CheckpointStore
from checkpoint_store.loop.aio import tasks

begun = threading.Event()


async def work(index: int) -> int:
    begun.set()
    while index and not tasks._is_interpreter_ending():  # noqa: ASYNC110 - no event tells of that
        await asyncio.sleep(0.001)
    return index


async def consume() -> None:
    with CheckpointStore("talks.db") as store:
        async for _ in store.open_job("talk.srt", total_chunks=4).amap(work, workers=2):
            pass
        other = store.open_job("other.srt", total_chunks=2)
        async for chunk in other.apending():
            await other.acomplete(chunk.index, chunk.index)


threading.Thread(target=asyncio.run, args=(consume(),), daemon=False).start()
assert begun.wait(60)
