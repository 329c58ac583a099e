"""A loop is a generator: it takes ``send`` and ``throw`` as one, and their asynchronous kin."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from checkpoint_store import JobStatus

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, Job


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of three chunks."""
    return store.open_job("talk.srt", chunks=["a", "b", "c"])


async def shout(text: str) -> str:
    """The work, for ``amap``."""
    return text.upper()


def test_send_goes_on_with_a_loop(job: Job) -> None:
    """What drives generators by ``send`` drives a loop, too."""
    loop = cast("Any", job.map(str.upper))
    assert [loop.send(None).result for _ in range(3)] == ["A", "B", "C"]
    assert job.progress().remaining_chunks == 0


def test_an_error_that_is_thrown_into_a_loop_ends_it(job: Job) -> None:
    """The error comes out, what was done stays done, and the rest is free for the next loop."""
    loop = cast("Any", job.map(str.upper))
    assert next(loop).result == "A"
    with pytest.raises(ZeroDivisionError):
        loop.throw(ZeroDivisionError("enough"))
    assert (job.completed_ranges(), job.status) == ([(0, 1)], JobStatus.PAUSED)
    assert [item.result for item in job.map(str.upper)] == ["B", "C"]


def test_an_asynchronous_loop_takes_the_same(job: Job) -> None:
    """``asend`` goes on with the loop, and an error that is thrown into it ends it."""

    async def drive() -> list[str]:
        loop = job.amap(shout, workers=1)
        done = [(await loop.asend(None)).result]
        with pytest.raises(ZeroDivisionError):
            await loop.athrow(ZeroDivisionError("enough"))
        return done + [item.result async for item in job.amap(shout, workers=1)]

    assert sorted(asyncio.run(drive())) == ["A", "B", "C"]
