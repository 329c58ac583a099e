"""The schedule of one loop: what starts next, what is in flight, and in which order results are yielded."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.model.records import MapItem

_RETRIES_FIRST_MIN: Final = 64
"""While this many chunks wait for their retry, claim no further chunk to probe whether a service is back."""
_MOMENT_SECONDS: Final = 0.1
_REORDERED_RESULTS_MAX: Final = 256
"""No further chunk is claimed while this many results wait for an earlier chunk."""


@dataclass(slots=True, eq=False)
class InFlight:
    """A claimed chunk that the executor has."""

    chunk: ClaimedChunk
    deadline: float
    """When the attempt times out, on the monotonic clock."""
    stretch: int = 0
    """The stretch in which the attempt started; see :class:`Outage`."""


class Unsettled(dict["Future[Any]", InFlight]):
    """Attempts that have ended, and are not recorded yet: an interrupt or an error may come in between."""

    def keep(self, attempts: Collection[InFlight]) -> None:
        """Keep these attempts: the others are recorded."""
        kept = set(attempts)
        for future, attempt in list(self.items()):
            if attempt not in kept:
                del self[future]

    def take_up(self, attempt: InFlight) -> None:
        """Remove an attempt that is about to be recorded: to record a failure twice would count it twice."""
        for future, other in self.items():
            if other is attempt:
                del self[future]
                return


class RetryQueue:
    """Claimed chunks that wait for their next start; the chunk that is due first is first."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, ClaimedChunk]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ClaimedChunk]:
        return (chunk for _, _, chunk in self._entries)

    @property
    def due_at(self) -> float:
        """When the first chunk is due, on the monotonic clock; infinite where the queue is empty."""
        return self._entries[0][0] if self._entries else float("inf")

    def put(self, chunk: ClaimedChunk, due_at: float = 0.0) -> None:
        """Queue a chunk until a moment of the monotonic clock."""
        heapq.heappush(self._entries, (due_at, next(self._order), chunk))

    def take_due(self) -> ClaimedChunk | None:
        """Remove and return the first chunk that is due, or None."""
        entries = self._entries
        return heapq.heappop(entries)[2] if entries and entries[0][0] <= time.monotonic() else None

    def remove(self, indices: Collection[int]) -> None:
        """Remove the chunks with these indices."""
        self._entries = [entry for entry in self._entries if entry[2].index not in indices]
        heapq.heapify(self._entries)

    def take(self, index: int) -> list[ClaimedChunk]:
        """Remove and return the attempts at this chunk; none of them has begun."""
        chunks = [chunk for chunk in self if chunk.index == index]
        self.remove([index])
        for chunk in chunks:
            chunk.begun = False
        return chunks

    def has(self, index: int) -> bool:
        """Whether an attempt at this chunk waits."""
        return any(chunk.index == index for chunk in self)

    def clear(self) -> list[ClaimedChunk]:
        """Remove and return all chunks."""
        entries, self._entries = self._entries, []
        return [chunk for _, _, chunk in entries]


class Schedule:
    """The chunks that one loop has claimed, by what happens to each of them next."""

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._ready: deque[ClaimedChunk] = deque()
        """Claimed chunks that were not started."""
        self.in_flight: Final[dict[Future[Any], InFlight]] = {}
        self.unsettled: Final = Unsettled()
        self.overdue: Final[dict[Future[Any], ClaimedChunk]] = {}
        """The attempts that timed out; a result that comes all the same is paid for."""
        self.given_up: Final[dict[Future[Any], ClaimedChunk]] = {}
        """The attempts that the end of the loop does not wait for; a result that comes all the same is paid for."""
        self.retries: Final = RetryQueue()
        self.suspects: Final[set[int]] = set()
        """Chunks that were in a process pool when one of its processes died; they are retried one at a time.

        While there are any, no other chunk starts.
        """
        self._reordered: Final[list[tuple[int, MapItem]]] = []
        """The completed chunks, by index, that are not yielded before the chunks with lower indices: a heap."""
        self.to_yield: list[MapItem] = []
        """The completed chunks that were not given to :meth:`in_order` yet."""
        self.items_left = 0
        """How many completed chunks are yielded next without any work in between."""

    def forget(self) -> None:
        """Forget what is in flight: after a fork, in the child, because it is the parent's."""
        self.in_flight.clear()
        self.unsettled.clear()
        self.overdue.clear()
        self.given_up.clear()

    # -- what starts next

    def next_chunk(self, claim: Callable[[], list[ClaimedChunk]], *, retries_last: bool = False) -> ClaimedChunk | None:
        """Return the chunk to start next, or None.

        ``claim`` claims further chunks, where none is ready. ``retries_last``: a chunk that has not failed is
        preferred.
        """
        retries_first = self.suspects or not retries_last or len(self.retries) >= _RETRIES_FIRST_MIN
        chunk = self.retries.take_due() if retries_first else None
        if chunk is not None or self.suspects:
            return chunk
        if not self._ready:
            self._claim_where_none_is_ready(claim)
        return self._ready.popleft() if self._ready else self.retries.take_due()

    def _claim_where_none_is_ready(self, claim: Callable[[], list[ClaimedChunk]]) -> None:
        if not self._ready and len(self._reordered) < _REORDERED_RESULTS_MAX:
            self._ready.extend(claim())

    def has_another(self, index: int | None, claim: Callable[[], list[ClaimedChunk]], *, now: bool = False) -> bool:
        """Whether any chunk but this one can be tried. ``index`` None: whether any chunk can.

        A chunk whose attempt has failed at the same moment, and is still to be recorded, can be tried, too. ``claim``
        claims a chunk if none is ready. ``now``: only a chunk that can start now counts, and no chunk that waits for
        its retry, or is in flight.
        """
        unsettled = (attempt.chunk for attempt in self.unsettled.values())
        if now and self.retries.due_at <= time.monotonic():
            return True
        if not now and any(chunk.index != index for chunk in itertools.chain(unsettled, self._claimed())):
            return True
        self._claim_where_none_is_ready(claim)
        return bool(self._ready)

    def _claimed(self) -> Iterator[ClaimedChunk]:
        """Yield the chunks that are claimed and not completed."""
        return itertools.chain((attempt.chunk for attempt in self.in_flight.values()), self.retries, self._ready)

    def unstarted(self) -> list[ClaimedChunk]:
        """Return the chunks that are claimed and not in flight."""
        return [*self._ready, *self.retries]

    def take_ready(self) -> list[ClaimedChunk]:
        """Remove and return the chunks that were claimed and never started."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    def take_unstarted(self) -> list[ClaimedChunk]:
        """Remove and return the chunks that are claimed and not in flight; nobody has begun them."""
        chunks = [*self.take_ready(), *self.retries.clear()]
        for chunk in chunks:
            chunk.begun = False
        return chunks

    # -- what ended

    @property
    def has_results(self) -> bool:
        """Whether something is in flight, or a result came after its deadline."""
        return bool(self.in_flight or self.unsettled) or any(future.done() for future in self.overdue)

    @property
    def next_deadline(self) -> float:
        """When the first attempt in flight times out, on the monotonic clock."""
        return min(attempt.deadline for attempt in self.in_flight.values())

    def take_ended(self) -> list[tuple[Future[Any], InFlight]]:
        """Remove and return the attempts in flight that have ended, and return those again that are unsettled."""
        for future in [future for future in self.in_flight if future.done()]:
            self.unsettled[future] = self.in_flight[future]
            del self.in_flight[future]
        return list(self.unsettled.items())

    def take_timed_out(self, may_time_out: Callable[[], bool]) -> list[tuple[Future[Any], InFlight]]:
        """Make the attempts in flight that took too long overdue, and return them.

        ``may_time_out``: whether any attempt may time out now; if not, those that took too long have a moment more.
        """
        moment = time.monotonic()
        late = [
            (future, attempt)
            for future, attempt in self.in_flight.items()
            if attempt.deadline <= moment and not future.done()
        ]
        if late and not may_time_out():
            for _, attempt in late:
                attempt.deadline = moment + _MOMENT_SECONDS
            return []
        for future, attempt in late:
            self.overdue[future] = attempt.chunk
            del self.in_flight[future]
        return late

    def ended_late(self) -> list[tuple[ClaimedChunk, Future[Any]]]:
        """Return the overdue attempts that have ended, each with its chunk as it was claimed for the attempt."""
        return [(chunk, future) for future, chunk in self.overdue.items() if future.done()]

    def count_in_stretch(self, stretch: int) -> int:
        """Return how many attempts in flight started in this stretch."""
        return sum(attempt.stretch == stretch for attempt in self.in_flight.values())

    def is_in_flight(self, index: int) -> bool:
        """Whether an attempt at this chunk is in flight."""
        return any(attempt.chunk.index == index for attempt in self.in_flight.values())

    def drop_completed(self, indices: Collection[int]) -> None:
        """Retry these chunks no more, because a late result completed them."""
        self.retries.remove(indices)
        self.suspects.difference_update(indices)

    # -- the order of results

    def in_order(self, *, everything: bool = False) -> Iterator[MapItem]:
        """Yield completed chunks: at once; with ``ordered``, when no lower chunk is claimed; ``everything``: all."""
        items, self.to_yield = self.to_yield, []
        if not self._ordered:
            self.items_left = len(items)
            for item in items:
                self.items_left -= 1
                yield item
            return
        for item in items:
            heapq.heappush(self._reordered, (item.index, item))
        below = math.inf if everything else min((chunk.index for chunk in self._claimed()), default=math.inf)
        while self._reordered and self._reordered[0][0] < below:
            yield heapq.heappop(self._reordered)[1]
