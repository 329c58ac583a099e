"""An event loop that was closed over a loop of chunks: nobody can go on with that loop, so no signal waits for it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.job import Job


async def double(index: int) -> int:
    """Return twice the index."""
    await asyncio.sleep(0)
    return 2 * index


@pytest.fixture
def abandoned(tmp_path: Path) -> list[Any]:
    """A loop over a job, one chunk of which is done; its event loop is closed, and its generator is not."""
    kept: list[Any] = []

    async def begin(job: Job) -> None:
        kept.append(job.amap(double))
        assert (await anext(kept[0])).result == 0

    event_loop = asyncio.new_event_loop()
    store = CheckpointStore(tmp_path / "abandoned.db")
    event_loop.run_until_complete(begin(store.open_job("talk.srt", total_chunks=3)))
    event_loop.close()
    store.close()
    return kept


@pytest.mark.usefixtures("abandoned")
def test_ctrl_c_ends_the_program_at_once() -> None:
    """The first press counts: it is not kept for a loop that never looks again."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("abandoned")
def test_a_later_loop_is_not_paused(store: CheckpointStore) -> None:
    """A program that survived the signal begins another loop, which works through all its chunks."""
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    job = store.open_job("other.srt", total_chunks=3)
    assert [item.result for item in job.map(lambda index: index)] == [0, 1, 2]
