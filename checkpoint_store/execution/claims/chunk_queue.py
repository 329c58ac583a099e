"""One loop's queue of chunks: which to claim next, how many at once, and when the queue is empty."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.execution.claims.known_pauses import KnownPauses
    from checkpoint_store.execution.claims.redo_marks import RedoMarks
    from checkpoint_store.model.shard import Shard

_WINDOW_CHUNKS: Final = 4096
_CLAIMED_AT_ONCE_MAX: Final = 256
_CLAIMED_AHEAD_SECONDS: Final = 0.01
"""Claim as many chunks ahead as this time is enough for: a quick chunk takes less time than its claim."""
_CLAIMED_AHEAD_MAX: Final = 32
_CLAIMED_AHEAD_MIN: Final = 8
"""Where fewer would be claimed ahead, one is claimed with each completion: a commit for every few chunks costs more."""
_SLOW_SECONDS: Final = 0.2
_COMES_BACK_SECONDS: Final = 0.05
"""A loop that asks for its next chunk so soon after a completion has it claimed with the completion next time."""
PAUSE_CHECK_INTERVAL_SECONDS: Final = 0.25
"""How often a loop looks whether the job was paused."""

_acting: Final = threading.local()


def act_for(thread: int) -> None:
    """Let the loops that begin in this thread count as loops of another thread, which does not wait for itself."""
    _acting.thread = thread


def acting_thread() -> int:
    """Return the thread that a loop in this thread counts for."""
    thread: int | None = getattr(_acting, "thread", None)
    return threading.get_ident() if thread is None else thread


class ChunkQueue:
    """The chunks of a job or a shard for one loop: each once, the lowest first, then those that other runners free.

    Chunks that are to be done again since the loop passed them by come last; in order they come at once.
    ``in_order``: each chunk only once all before it are complete, and none behind one that is failed.
    """

    def __init__(
        self,
        claims: Claims,
        reach: Callable[[], int],
        *,
        pauses: KnownPauses,
        known_pause: int | None = None,
        max_attempts: int | None = None,
        in_order: bool = False,
        shard: Shard | None = None,
        marks: RedoMarks,
        places: int = 1,
    ) -> None:
        self.claims: Final = claims
        self._in_order: Final = in_order
        self._loop: Final = ClaimingLoop(max_attempts, threading.get_ident(), acting_thread())
        self._reach = reach
        self.total_chunks = reach()
        """How many first chunks this loop claims from, as it looked last; a job may grow."""
        self._shard = shard
        self._marks: Final = marks
        self._places: Final = places
        """How many chunks the loop works on at the same time."""
        self._chunk_seconds = 1.0
        """How much time passed between the starts of two chunks, lately."""
        self._started_at = time.monotonic()
        self._next = 0
        self._held_by_others: list[tuple[int, int]] = []
        """The chunks that were passed over because a runner has them: (chunk index, runner id)."""
        self._pauses = pauses
        self._first_pause = claims.last_pause()
        self._checked_pause_at = time.monotonic()
        self._paused = False
        self._comes_back = False
        """Whether the loop asked for a chunk right after it had completed one, last time."""
        if not pauses.covers(self._first_pause, known_pause):
            self._note_pause(self._first_pause)
        claims.runner.enter(self._loop)

    def is_paused(self) -> bool:
        """Whether the job was paused since it was opened, or the loop began. The store is asked four times a second."""
        moment = time.monotonic()
        if not self._paused and moment - self._checked_pause_at > PAUSE_CHECK_INTERVAL_SECONDS:
            self._checked_pause_at = moment
            pause = self.claims.last_pause()
            if pause > self._first_pause:
                self._note_pause(pause)
        return self._paused

    def _note_pause(self, pause: int) -> None:
        """End the loop by a pause. The caller who begins the next loop knows of the pause."""
        self._paused = True
        if self._pauses.last is not None:
            self._pauses.last = pause

    def take(self, wanted: int) -> list[ClaimedChunk]:
        """Claim up to ``wanted`` chunks; none where each is completed, failed, or in the hand of another loop.

        The claims are durable when this returns. In order, none is claimed while one before it is not complete.
        """
        self._comes_back = time.monotonic() - self._loop.done_at < _COMES_BACK_SECONDS
        along = self.claims.along.take(self._loop)
        if along is not None and not self._is_done_elsewhere(along):
            self._pass(along.index)
            return [along]
        if self._in_order:
            if self.claims.is_worked_on_by(self._loop, self._next):
                return []
            wanted, self._held_by_others = 1, []
            self._next = self._marks.first_below(self._next)
        while self._next < self.total_chunks or self._has_grown():
            start = self._next
            stop = min((start // _WINDOW_CHUNKS + 1) * _WINDOW_CHUNKS, self.total_chunks)
            spans = [(start, stop)] if self._shard is None else self._shard.between(start, stop)
            if not spans or (start % _WINDOW_CHUNKS == 0 and self.claims.completed_in(start, stop) == stop - start):
                self._next = stop
                continue
            chunks, found = self.claims.claim(self._loop, spans, wanted, in_order=self._in_order)
            self._next = found.next_index
            self._held_by_others += found.held
            if chunks or found.is_blocked:
                return chunks
        return self._take_from_others(wanted)

    def _is_done_elsewhere(self, along: ClaimedChunk) -> bool:
        """Whether a chunk that was claimed a while ago was completed by hand since, in any process; free it then."""
        is_fresh = time.monotonic() - along.since < _COMES_BACK_SECONDS
        if is_fresh or not self.claims.completed_in(along.index, along.index + 1):
            return False
        self.claims.release([along])
        return True

    def _pass(self, index: int) -> None:
        """Note that a chunk was claimed where the next search would have found it."""
        if self._in_order:
            self._next = index
        elif self._next == index:
            self._next = index + 1

    def _next_to_claim_along(self) -> int | None:
        """Return the chunk to claim with the next completion; None where a claim of its own serves better."""
        index = self._next + 1 if self._in_order else self._next
        if not self._comes_back or self._paused or index >= self.total_chunks or self.batch() >= _CLAIMED_AHEAD_MIN:
            return None
        return index if self._shard is None or self._shard.between(index, index + 1) else None

    def _has_grown(self) -> bool:
        """Whether there are chunks now behind those that were the last ones."""
        self.total_chunks = self._reach()
        return self._next < self.total_chunks

    def _take_from_others(self, wanted: int) -> list[ClaimedChunk]:
        """Claim chunks that were in the hand of another loop before, and are free now; and those to be done again."""
        self._held_by_others = sorted({*self._held_by_others, *self._asked_for_since()})
        if not self._held_by_others:
            return []
        self.claims.runner.forget_probes()
        asked, rest = self._held_by_others[:_CLAIMED_AT_ONCE_MAX], self._held_by_others[_CLAIMED_AT_ONCE_MAX:]
        chunks, found = self.claims.claim(self._loop, [(index, index + 1) for index, _ in asked], wanted)
        unseen = [(index, runner_id) for index, runner_id in asked if index >= found.next_index]
        self._held_by_others = [*found.held, *unseen, *rest]
        return chunks

    def _asked_for_since(self) -> Iterator[tuple[int, int]]:
        """Yield the chunks that this loop has passed by, and that are to be done again since; in no runner's hand."""
        for index in self._marks.new():
            if self._shard is None or self._shard.between(index, index + 1):
                yield index, 0

    def start(self, chunk: ClaimedChunk) -> None:
        """Note that the work on a chunk begins."""
        self._loop.started_in_a_row += 1
        self.claims.start(chunk)
        self._chunk_seconds += (chunk.since - self._started_at - self._chunk_seconds) / 4
        self._started_at = chunk.since
        self._loop.next_index = self._next_to_claim_along()

    def batch(self) -> int:
        """Return how many chunks to claim at once: more where they take milliseconds, or where none gets done."""
        lately_seconds = (time.monotonic() - self._started_at) / self._places
        chunk_seconds = max(self._chunk_seconds, lately_seconds, 1e-6)
        ahead = min(int(_CLAIMED_AHEAD_SECONDS / chunk_seconds), _CLAIMED_AHEAD_MAX)
        return max(1, ahead, min(self._loop.started_in_a_row, _CLAIMED_AT_ONCE_MAX))

    @property
    def is_slow(self) -> bool:
        """Whether the last chunk that was started takes long, so that none should be claimed ahead."""
        return time.monotonic() - self._started_at > _SLOW_SECONDS

    def give_back(self, chunks: Sequence[ClaimedChunk]) -> None:
        """Free chunks that were claimed ahead: other runners may have them, or this loop takes them again later."""
        if chunks:
            self._next = min(self._next, *(chunk.index for chunk in chunks))
            self.claims.release(chunks)

    def waits_for_others(self) -> bool:
        """Whether chunks are in the hand of loops that this thread may wait for: not of its own."""
        thread_with = self.claims.thread_with
        return any(thread_with(index, runner_id) != self._loop.thread for index, runner_id in self._held_by_others)

    def close(self, chunks: Iterable[ClaimedChunk] = ()) -> None:
        """End the loop, and free these chunks, which it did not start. With the last loop its runner ends."""
        self._loop.is_active = False
        self.claims.runner.leave(self._loop)
        self.claims.release([*chunks, *self.claims.along.leave(self._loop)])
