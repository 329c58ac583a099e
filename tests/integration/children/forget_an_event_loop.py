"""Leave an event loop with a call under way, and end."""

from __future__ import annotations

import asyncio

from checkpoint_store import CheckpointStore
from checkpoint_store.loop.aio import tasks

tasks._ABANDONED_AFTER_SECONDS = 0.1
began = asyncio.Event()


async def work(_: object) -> None:
    began.set()
    await asyncio.Event().wait()


async def consume() -> None:
    async for _ in job.amap(work, workers=1):
        pass


job = CheckpointStore("talks.db").open_job("talk.srt", total_chunks=2)
event_loop = asyncio.new_event_loop()
consumer = event_loop.create_task(consume())
event_loop.run_until_complete(began.wait())
assert not consumer.done()
