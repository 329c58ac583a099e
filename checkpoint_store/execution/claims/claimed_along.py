"""The chunk that is claimed in the transaction which completes the one before it: one commit for both.

Only a loop that works on one chunk at a time, and comes back for the next one at once, has its next chunk claimed so.
The storage claims it where nobody has tried it yet; any other chunk needs a search, and the loop claims that by itself.

Until the loop takes the chunk, no work on it has begun: whatever ends the loop frees the chunk, and no try is used up.
Another loop of this process may take it over meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
from checkpoint_store.storage.records import Claim

if TYPE_CHECKING:
    import threading

    from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop


class ClaimedAlong:
    """The chunks of one job that are claimed with completions. Safe to share between threads.

    Args:
        lock: held by who claims.
        chunks: the chunks of the job that are claimed, by index.
    """

    def __init__(self, lock: threading.RLock, chunks: dict[int, ClaimedChunk]) -> None:
        self._lock, self._chunks = lock, chunks

    def next_after(self, index: int) -> ClaimedChunk | None:
        """Return what may be claimed with the completion of a chunk; None where its loop claims by itself.

        The storage makes the claim, or does not; :meth:`settle` has to be told which.
        """
        chunk = self._chunks.get(index)
        if chunk is None or len(self._chunks) > 1 or chunk.loop.next_index is None or not chunk.loop.is_active:
            return None
        along = ClaimedChunk(Claim(chunk.loop.next_index, 1), chunk.runner_id, chunk.loop, is_taken=False)
        # Known before it is claimed: a loop in another thread that finds the claim in the store takes it from here.
        return along if self._chunks.setdefault(along.index, along) is along else None

    def settle(self, along: ClaimedChunk, *, has_claimed: bool) -> list[ClaimedChunk]:
        """Let the loop have the chunk if it was claimed; otherwise forget it.

        Returns what is to be freed, because the loop has ended meanwhile.
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
        """Return the chunk that was claimed for a loop with its last completion; None where none was, or it is gone."""
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
        """Return what was claimed for a loop that has not taken it, once. For finalizers, too: no lock is taken."""
        try:
            return [loop.claimed_along.pop()]
        except IndexError:
            return []
