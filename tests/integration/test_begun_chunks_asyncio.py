"""When the work of ``amap`` begins: no later than its chunk is started, and not before its caller asks for it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.claims import chunk_queue

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


def test_a_started_chunk_does_not_wait_for_the_next_claim(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work of a started chunk begins while the claim of another chunk waits for the disk."""
    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    job = store.open_job("talk.srt", total_chunks=3)
    begun, waited = threading.Event(), []
    real = chunk_queue.ChunkQueue.take

    def take(queue: Any, wanted: int) -> Any:
        if not waited:
            waited.append(True)
        elif len(waited) == 1:
            waited.append(begun.wait(60))
        return real(queue, wanted)

    monkeypatch.setattr(chunk_queue.ChunkQueue, "take", take)

    async def work(index: int) -> int:
        begun.set()
        return index

    async def main() -> None:
        async for _ in job.amap(work, workers=2):
            pass

    asyncio.run(main())
    assert (waited, job.status) == ([True, True], "completed")


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 4])
def test_nothing_begins_before_the_caller_asks(store: CheckpointStore, workers: int) -> None:
    """A caller that leaves after an item has paid for no chunk but those that began with it."""
    job = store.open_job("talk.srt", total_chunks=40)
    called: list[int] = []

    async def work(index: int) -> int:
        called.append(index)
        return index

    async def main() -> None:
        async with aclosing(job.amap(work, workers=workers)) as items:
            async for _ in items:
                before = len(called)
                await asyncio.sleep(0.02)  # time for whatever would begin
                assert len(called) == before
                if len(called) >= 3 * workers:
                    break

    asyncio.run(main())
    assert sorted(called) == [index for index, _ in job.items()]
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])
