"""A hook of a loop of asyncio raises KeyboardInterrupt."""

from __future__ import annotations

import asyncio

from checkpoint_store import CheckpointStore


async def work(text):
    return text.upper()


def hook(event):
    if event.kind == "completed" and event.index == 1:
        raise KeyboardInterrupt


async def main():
    async for _ in job.amap(work, workers=1, on_event=hook):
        pass


with CheckpointStore("talks.db") as store:
    job = store.open_job("talk.srt", chunks=["a", "b", "c", "d"])
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted", job.is_completed(1), job.in_doubt_chunks())
