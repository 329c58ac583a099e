"""The chunks of one job that this process has in hand, and what can be asked of them."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop

_by_runner: Final[WeakValueDictionary[tuple[str, int], ChunksInHand]] = WeakValueDictionary()
"""The chunks that this process has in hand, by the path of the store and the runner's id."""


class ChunksInHand(dict[int, ClaimedChunk]):
    """The claimed chunks of one job by index. Safe to share between threads, for what one statement does.

    Args:
        store: the path of the store file.
        job_id: the job.
    """

    def __init__(self, store: Path, job_id: str) -> None:
        super().__init__()
        self._store, self.job_id = str(store), job_id
        self._letting_go = threading.RLock()
        """Held while a chunk leaves the hand, so that it leaves once. Nobody who holds the lock waits for the disk."""

    def belong_to(self, runner_id: int) -> None:
        """Let every loop of this process find these chunks by the id of their runner."""
        _by_runner[self._store, runner_id] = self

    def forget_runner(self, runner_id: int | None) -> None:
        """Let no loop find these chunks by the id of a runner that ends."""
        _by_runner.pop((self._store, runner_id or 0), None)

    def is_of_this_process(self, runner_id: int) -> bool:
        """Whether this process has registered a runner, and has not ended it."""
        return (self._store, runner_id) in _by_runner

    def holds(self, chunk: ClaimedChunk) -> bool:
        """Whether this claim still stands: its attempt is neither done nor freed."""
        return self.get(chunk.index) is chunk

    def indices_of_loops(self) -> set[int]:
        """Return the indices of the chunks that loops have taken, and that are at work."""
        return {index for index, held in list(self.items()) if held.loop.is_active and held.is_taken}

    def let_go(self, chunk: ClaimedChunk, queue_release: Callable[..., None]) -> bool:
        """Queue the release of a chunk, then take it out of the hand. Returns whether it was in hand.

        In the other order a search could find it in no hand, and take over its attempt; the release would then free a
        chunk that another loop works on.
        """
        with self._letting_go:
            if not self.holds(chunk):
                return False
            queue_release(chunk.runner_id, chunk.claim, begun=chunk.begun)
            if self.holds(chunk):  # a search may have freed the chunk and claimed it again
                self.pop(chunk.index, None)
            return True

    def is_worked_on_by(self, loop: ClaimingLoop, index: int) -> bool:
        """Whether this loop has claimed this chunk."""
        chunk = self.get(index)
        return chunk is not None and chunk.loop is loop

    @property
    def has_yielded(self) -> bool:
        """Whether the caller of a loop holds a claimed chunk."""
        return any(chunk.is_yielded for chunk in list(self.values()))

    def attempt_at(self, index: int) -> tuple[int | None, float | None]:
        """Return the number of the attempt at a chunk, and its seconds so far; (None, None) without a claim."""
        chunk = self.get(index)
        return (None, None) if chunk is None else (chunk.number, chunk.seconds)

    def is_kept_from(self, loop: ClaimingLoop, index: int, runner_id: int) -> bool:
        """Whether a loop would wait in vain for a chunk that this process has claimed for a runner.

        That is so if this loop holds up the loop that took the chunk, or if the work that ran that loop has ended. If
        that loop has ended, its caller may have given the chunk to another thread: this loop waits for the chunk if
        the process has another thread.
        """
        chunk = self._chunk_of(runner_id, index)
        if chunk is None:
            return False
        holder, inside = chunk.loop, chunk.loop.inside
        if not holder.is_active:
            return loop.holds_thread and len(sys._current_frames()) == 1
        return loop.holds_up(holder) or (inside is not None and not self._is_at_work(*inside))

    def has_outlived_its_loop(self, index: int, runner_id: int) -> bool:
        """Whether the caller of a loop of this process has a chunk, and the loop has ended."""
        chunk = self._chunk_of(runner_id, index)
        return chunk is not None and not chunk.loop.is_active

    def _chunk_of(self, runner_id: int, index: int) -> ClaimedChunk | None:
        """Return a chunk that this process has claimed for a runner, or None."""
        chunks = _by_runner.get((self._store, runner_id))
        return None if chunks is None else chunks.get(index)

    def _is_at_work(self, index: int, number: int) -> bool:
        """Whether this process has an attempt at a chunk of this job in hand, in whichever store object."""
        for (store, _), chunks in list(_by_runner.items()):
            chunk = chunks.get(index) if store == self._store and chunks.job_id == self.job_id else None
            if chunk is not None and chunk.number == number:
                return True
        return False
