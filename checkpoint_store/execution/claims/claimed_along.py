"""Claim the next chunk along with a completion: one transaction, and one commit, for both.

The next chunk is claimed along only for a loop that asks for it at once, and only if no more chunks are in hand than
the loop works on at the same time. The storage claims the chunk only if nobody has tried it yet. Otherwise the loop
claims its next chunk by a search.

No work on the chunk begins before the loop takes it. If the loop ends first, the chunk is freed, and the claim does not
count as an attempt. Until then another loop of this process may take over the chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
from checkpoint_store.storage.records.records import Claim

if TYPE_CHECKING:
    import threading

    from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop


class ClaimedAlong:
    """The chunks of one job that are claimed along with completions. Safe to share between threads.

    ``lock`` is held while chunks are claimed; ``chunks`` are those of the job that are claimed, by index.
    """

    def __init__(self, lock: threading.RLock, chunks: dict[int, ClaimedChunk]) -> None:
        self._lock, self._chunks = lock, chunks

    def next_after(self, index: int) -> ClaimedChunk | None:
        """Return the chunk to claim along with the completion of chunk ``index``; None to claim none.

        The caller passes it to the storage, which claims it or not, and then tells :meth:`confirm` which.
        """
        chunk = self._chunks.get(index)
        if chunk is None:
            return None
        loop = chunk.loop
        # More chunks are in hand where some are claimed and not started, or are those of other loops.
        if len(self._chunks) > loop.places or loop.next_index is None or not loop.is_active:
            return None
        along = ClaimedChunk(Claim(loop.next_index, 1), chunk.runner_id, loop, is_taken=False)
        # Note the chunk before its claim: a loop in another thread that finds it in the store takes it from here.
        return along if self._chunks.setdefault(along.index, along) is along else None

    def confirm(self, along: ClaimedChunk, *, has_claimed: bool) -> list[ClaimedChunk]:
        """Keep the chunk for its loop if the storage has claimed it; otherwise forget the chunk.

        Returns the chunk, for the caller to free, if it was claimed and its loop has ended; otherwise an empty list.
        """
        with self._lock:
            if self._chunks.get(along.index) is not along:
                return []  # another loop of this process has it, or it is complete
            if not has_claimed:
                del self._chunks[along.index]
                return []
            along.loop.claimed_along.append(along)
        return [] if along.loop.is_active else self.leave(along.loop)

    def take(self, loop: ClaimingLoop) -> ClaimedChunk | None:
        """Return the chunk that a loop's last completion claimed; None if it claimed none, or another loop has it."""
        if not loop.claimed_along:
            return None
        with self._lock:
            for along in self.leave(loop):
                if self._chunks.get(along.index) is along:
                    along.is_taken = True
                    return along
        return None

    @staticmethod
    def leave(loop: ClaimingLoop) -> list[ClaimedChunk]:
        """Return the chunk that was claimed along for a loop, if the loop has not taken it; later calls return none.

        A finalizer may call this: no lock is taken.
        """
        try:
            return [loop.claimed_along.pop()]
        except IndexError:
            return []
