"""A slow loop gives back what it has claimed ahead, and goes on with the lowest chunk of that, not behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


def test_no_later_chunk_is_claimed_along_before_one_that_was_given_back(store: CheckpointStore) -> None:
    """A loop with ``ordered`` yielded the later chunk first."""
    job = store.open_job("talk.srt", total_chunks=6)
    queue = job._execution.queue()
    (first,) = queue.take(1)
    queue.start(first)
    job.complete(first.index, "x")
    second, third, fourth = queue.take(3)  # at once after a completion, so the next one may be claimed along
    queue.start(second)
    queue.give_back([third, fourth])
    job.complete(second.index, "x")
    indices = []
    for _ in range(4):
        (chunk,) = queue.take(1)
        queue.start(chunk)
        job.complete(chunk.index, "x")
        indices.append(chunk.index)
    queue.close()
    assert indices == [2, 3, 4, 5]
