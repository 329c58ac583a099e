"""One loop's queue of chunks: which to claim next, how many at once, and when the queue is empty."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop
from checkpoint_store.execution.claims.long_wait import LongWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.execution.claims.requests import KnownPauses, QueuedPauses, RedoMarks
    from checkpoint_store.model.chunks import Shard

_WINDOW_CHUNKS: Final = 4096
_CLAIMED_AT_ONCE_MAX: Final = 256
_CLAIMED_AHEAD_SECONDS: Final = 0.02
"""Claim as many chunks ahead as start in this time: a chunk may take less time than a claim."""
_CLAIMED_AHEAD_MAX: Final = 128
_CLAIMED_AHEAD_MIN: Final = 16
"""Do not claim fewer chunks ahead than this: claim a chunk with each completion, which needs no commit of its own."""
_SLOW_SECONDS: Final = 0.2
_COMES_BACK_SECONDS: Final = 0.05
"""If a loop asks for a chunk within this time after a completion, claim a chunk with its next completion."""
PAUSE_CHECK_INTERVAL_SECONDS: Final = 0.25
"""A loop waits this long between two looks at whether the job was paused."""


class _Acting(threading.local):
    """The thread and the asyncio task for which the loops of this thread count; None: this thread itself."""

    thread: int | None = None
    task: ref[Any] | None = None


_acting: Final = _Acting()


def act_for(thread: int, task: ref[Any] | None = None) -> None:
    """Count the loops that begin in this thread as loops of ``thread``: no thread waits for chunks of its own loops."""
    _acting.thread, _acting.task = thread, task


def acting_task() -> ref[Any] | None:
    """Return the asyncio task whose loops include the loops that begin here; None outside of an event loop."""
    asyncio = sys.modules.get("asyncio")  # without it there is no event loop, and its import takes long
    if _acting.thread is not None or asyncio is None:
        return _acting.task
    task = None
    with suppress(RuntimeError):  # no event loop runs in this thread
        task = asyncio.current_task()
    return None if task is None else ref(task)


def acting_thread() -> int:
    """Return the identifier of the thread whose loops include the loops that begin in this thread."""
    thread = _acting.thread
    return threading.get_ident() if thread is None else thread


class ChunkQueue:
    """The chunks of a job or a shard for one loop. Each chunk is claimed once, the lowest first.

    Two kinds of chunks come last: those that other runners had claimed and have freed, and those that got a redo mark
    after the loop passed them. With ``in_order``, a chunk is claimed only if all chunks before it are complete. So a
    chunk behind a failed chunk is not claimed, and a chunk that gets a redo mark is claimed before all later chunks.
    """

    def __init__(
        self,
        claims: Claims,
        reach: Callable[[], int],
        *,
        pauses: KnownPauses,
        queued_pauses: QueuedPauses,
        known_pause: int | None = None,
        max_attempts: int | None = None,
        in_order: bool = False,
        shard: Shard | None = None,
        marks: RedoMarks,
        stopped_runners: Callable[[], Mapping[int, str]],
        end_abandoned: Callable[[], None],
        places: int = 1,
        inside: tuple[int, int] | None = None,
    ) -> None:
        self.claims: Final = claims
        self._in_order: Final = in_order
        self._loop: Final = ClaimingLoop(
            max_attempts, threading.get_ident(), acting_thread(), acting_task(), places, inside
        )
        self._reach = reach
        self.total_chunks = reach()
        """The loop claims chunks with an index below this number. A job may grow: the loop asks again at the end."""
        self._shard = shard
        self._marks: Final = marks
        self._chunk_seconds = 1.0
        """The moving average of the seconds between the starts of two chunks."""
        self._started_at = time.monotonic()
        self._next = 0
        self._held_by_others: list[tuple[int, int]] = []
        """The chunks to claim last: (chunk index, id of the runner that had claimed it; 0 for none)."""
        self._is_unordered = True
        """Whether the list may be out of order, or name a chunk twice."""
        self._long_wait = LongWait(claims.job_id, stopped_runners)
        self._end_abandoned: Final = end_abandoned
        """Ends the loops of this store with which nobody goes on: their chunks are free then."""
        self._pauses = pauses
        self._queued_pauses: Final = queued_pauses
        self._asked_before = queued_pauses.asked(claims.job_id)
        """How many pauses were queued for this job before the loop began."""
        queued_pauses.record()
        self._first_pause = claims.last_pause()
        self._loop.looked_for_pause_at = time.monotonic()
        self._paused = False
        self._comes_back = False
        """Whether the loop asked for its last chunk right after a completion."""
        if not pauses.covers(self._first_pause, known_pause):
            self._note_pause(self._first_pause)
        claims.runner.loops.add(self._loop)

    def is_paused(self) -> bool:
        """Whether a pause ends this loop; see :class:`KnownPauses`.

        The store is asked four times a second, and after each pause that this process has recorded.
        """
        if not self._paused and self._queued_pauses.asked(self.claims.job_id) != self._asked_before:
            self._paused = True  # first: whatever becomes of its record
            self._queued_pauses.record()
            self._note_pause(self.claims.last_pause())
        moment = time.monotonic()
        if not self._paused and moment - self._loop.looked_for_pause_at > PAUSE_CHECK_INTERVAL_SECONDS:
            self._loop.looked_for_pause_at = moment
            pause = self.claims.last_pause()
            if pause > self._first_pause:
                self._note_pause(pause)
        return self._paused

    def _note_pause(self, pause: int) -> None:
        """Note that a pause ends this loop. The pause does not end a loop that the caller begins later."""
        self._paused = True
        if self._pauses.last is not None:
            self._pauses.last = pause

    def take(self, wanted: int) -> list[ClaimedChunk]:
        """Claim up to ``wanted`` chunks, in order at most one. Durable when this returns.

        Returns an empty list if each chunk is completed, failed or claimed by another loop. In order, returns an empty
        list also if the next chunk waits for an earlier chunk.
        """
        self._comes_back = time.monotonic() - self._loop.done_at < _COMES_BACK_SECONDS
        along = self.claims.along.take(self._loop)
        if along is not None and not self._is_done_elsewhere(along):
            self._go_on_from(along.index)
            return [along]
        if self._in_order:
            in_hand = self.claims.in_hand.get(self._next)
            if in_hand is not None and in_hand.loop is self._loop:
                return []
            wanted, self._held_by_others = 1, []
            self._next = self._marks.first_below(self._next)
        while self._next < self.total_chunks or self._has_grown():
            start = self._next
            stop = min((start // _WINDOW_CHUNKS + 1) * _WINDOW_CHUNKS, self.total_chunks)
            spans = [(start, stop)] if self._shard is None else self._shard.between(start, stop)
            if not spans or (start % _WINDOW_CHUNKS == 0 and self._completed_in(start, stop) == stop - start):
                self._next = stop
                continue
            chunks, search = self.claims.claim(self._loop, spans, wanted, in_order=self._in_order)
            self._next = search.next_index
            self._held_by_others += search.held
            self._is_unordered = True
            if chunks or search.is_blocked:
                return chunks
        return self._take_from_others(wanted)

    def _completed_in(self, start: int, stop: int) -> int:
        """Return how many chunks of ``[start, stop)`` are complete."""
        return self.claims.storage.completed_in(self.claims.job_id, start, stop)

    def _is_done_elsewhere(self, along: ClaimedChunk) -> bool:
        """Whether a chunk was completed by hand, in any process, after it was claimed along. If so, free it.

        A chunk that was claimed a moment ago is taken to be incomplete: the store is not asked.
        """
        is_fresh = time.monotonic() - along.since < _COMES_BACK_SECONDS
        try:
            if is_fresh or not self._completed_in(along.index, along.index + 1):
                return False
        except BaseException:  # the loop ends without this chunk
            self.claims.release([along])
            raise
        self.claims.release([along])
        return True

    def _go_on_from(self, index: int) -> None:
        """Let the next search begin behind this chunk, which was claimed without a search; in order, at this chunk."""
        if self._in_order:
            self._next = index
        elif self._next == index:
            self._next = index + 1

    def _next_to_claim_along(self) -> int | None:
        """Return the chunk to claim in the transaction of the next completion; None to claim by a search later."""
        index = self._next + 1 if self._in_order else self._next
        if not self._comes_back or self._paused or index >= self.total_chunks:
            return None
        if self.batch() >= _CLAIMED_AHEAD_MIN and not self._in_order:  # in order, no chunk can be claimed ahead
            return None
        return index if self._shard is None or self._shard.between(index, index + 1) else None

    def _has_grown(self) -> bool:
        """Ask how many chunks the job has now, and return whether any of them was not searched."""
        self.total_chunks = self._reach()
        return self._next < self.total_chunks

    def _take_from_others(self, wanted: int) -> list[ClaimedChunk]:
        """Claim the chunks that come last: other runners had claimed them, or they got a redo mark since."""
        since = dict(self._asked_for_since()) if self._marks.are_due or not self._held_by_others else {}
        if since or self._is_unordered:
            by_index = since | dict(self._held_by_others)  # each chunk once, or it is claimed twice
            self._held_by_others, self._is_unordered = sorted(by_index.items()), False
        if not self._held_by_others:
            return []
        self.claims.runner.forget_probes()
        asked, rest = self._held_by_others[:_CLAIMED_AT_ONCE_MAX], self._held_by_others[_CLAIMED_AT_ONCE_MAX:]
        chunks, search = self.claims.claim(self._loop, [(index, index + 1) for index, _ in asked], wanted)
        unseen = [(index, runner_id) for index, runner_id in asked if index >= search.next_index]
        self._held_by_others = [*search.held, *unseen, *rest]
        return chunks

    def _asked_for_since(self) -> Iterator[tuple[int, int]]:
        """Yield (chunk index, 0) of the chunks that got a redo mark since the last call. 0: no runner has them."""
        for index in self._marks.new():
            if self._shard is None or self._shard.between(index, index + 1):
                yield index, 0

    def start(self, chunk: ClaimedChunk) -> None:
        """Note that a chunk is started now. :meth:`Claims.note_begun` has to follow before its work may begin."""
        self._loop.started_in_a_row += 1
        chunk.since = time.monotonic()
        self._chunk_seconds += (chunk.since - self._started_at - self._chunk_seconds) / 4
        self._started_at = chunk.since
        self._loop.next_index = self._next_to_claim_along()

    def batch(self) -> int:
        """Return how many chunks to claim at once: more if a chunk takes milliseconds, or the loop completes none."""
        lately_seconds = (time.monotonic() - self._started_at) / self._loop.places
        chunk_seconds = max(self._chunk_seconds, lately_seconds, 1e-6)
        ahead = min(int(_CLAIMED_AHEAD_SECONDS / chunk_seconds), _CLAIMED_AHEAD_MAX)
        return max(1, ahead, min(self._loop.started_in_a_row, _CLAIMED_AT_ONCE_MAX))

    @property
    def is_slow(self) -> bool:
        """Whether no chunk was started for a while: then no chunk should be claimed ahead."""
        return time.monotonic() - self._started_at > _SLOW_SECONDS

    def give_back(self, chunks: Sequence[ClaimedChunk]) -> None:
        """Free chunks that were claimed ahead. Any runner may claim them, this loop included.

        The loop goes on with the lowest of these chunks, and claims no later chunk before it.
        """
        if chunks:
            self._loop.next_index = None
            self._next = min(self._next, *(chunk.index for chunk in chunks))
            self.claims.release([*chunks, *self.claims.along.leave(self._loop)])

    @property
    def kept(self) -> list[int]:
        """The chunks, by index, that this loop would wait for in vain; see :meth:`ChunksInHand.is_kept_from`."""
        is_kept, loop = self.claims.in_hand.is_kept_from, self._loop
        return [index for index, runner_id in self._held_by_others if is_kept(loop, index, runner_id)]

    def waits_for_others(self) -> bool:
        """Whether loops of other threads or processes have claimed chunks that this loop is to wait for."""
        in_hand, kept = self.claims.in_hand, set(self.kept)
        held = [chunk for chunk in self._held_by_others if chunk[0] not in kept]
        self._long_wait.note([chunk for chunk in held if not in_hand.is_of_this_process(chunk[1])])
        self._long_wait.note_own([chunk[0] for chunk in held if in_hand.has_outlived_its_loop(*chunk)])
        if held:
            self._end_abandoned()
        return bool(held)

    def close(self, chunks: Iterable[ClaimedChunk] = ()) -> None:
        """End the loop, and free the chunks that it has claimed and not started. The last loop ends the runner."""
        self._loop.is_active = False
        try:
            self.claims.runner.loops.discard(self._loop)
        finally:  # an interrupt, too: the chunks are free all the same
            self.claims.release([*chunks, *self.claims.along.leave(self._loop)])
