"""The gates of a loop: may one more chunk start now, and if not, when is the loop to ask again?

Each reason to hold a chunk back is a gate: the places of the executor, an outage, the budget, a rate limit, a deadline.
A chunk starts when all gates are open.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import ServiceUnavailable
from checkpoint_store.loop.options import chunks_left_to_try
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.loop_records import SERVICE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import InFlight, Schedule
    from checkpoint_store.model.records import MapItem

OPEN: Final = 0.0
"""A moment of the monotonic clock that has passed: one more chunk may start at once."""
UNTIL_ONE_ENDS: Final = float("inf")
"""No chunk may start before an attempt in flight has ended."""
PLACES_MAX: Final = 32
"""Claim chunks for at most this many places at once, so that other runners find chunks, too."""


class Gate:
    """One reason to start no further chunk for now."""

    waits_for: str = ""
    """The reason under which a run's record counts the wait at this gate; empty for a wait that is ordinary work."""

    def opens_at(self, in_flight: int) -> float:
        """Return the moment of the monotonic clock from which one more attempt may start.

        The loop asks again at that moment, and whenever an attempt has ended. A gate that will never open again ends
        the loop itself, by ``LoopState.pause`` or ``LoopState.end_with``. ``in_flight`` is how many attempts are in
        flight. ``OPEN`` is a moment that has passed; ``UNTIL_ONE_ENDS`` comes when an attempt has ended.
        """
        return OPEN

    def free_places(self, in_flight: int) -> int:
        """Return how many more attempts may start now. A gate that cannot tell beforehand returns 1."""
        return 1

    def admits(self, chunk: ClaimedChunk) -> bool:
        """Return whether a claimed chunk may start. The loop asks again later about a chunk that may not."""
        return True

    def started(self, attempt: InFlight) -> None:
        """Note that an attempt has started."""

    def recorded(self, item: MapItem) -> None:
        """Note that the result of an attempt is recorded."""


class Gates:
    """All gates of one loop, as one gate. It is closed while any of them is closed."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._gates = gates
        self._admitting = [gate for gate in gates if type(gate).admits is not Gate.admits]
        self._with_starts = [gate for gate in gates if type(gate).started is not Gate.started]
        self._with_results = [gate for gate in gates if type(gate).recorded is not Gate.recorded]
        self.waited_seconds: Final[dict[str, float]] = {}
        """The seconds for which gates kept chunks from starting, by the reason of the wait."""
        self._waits_for = ""
        self._waits_since = 0.0

    def opens_at(self, in_flight: int) -> float:
        """Return when one more attempt may start; see :meth:`Gate.opens_at`. A closed gate hides those behind it."""
        if self._waits_for:
            self.note_wait()
        for gate in self._gates:
            moment = gate.opens_at(in_flight)
            if moment != OPEN and moment > time.monotonic():
                self.note_wait(gate.waits_for)
                return moment
        return OPEN

    def free_places(self, in_flight: int) -> int:
        """Return how many more attempts may start now, as far as every gate can tell beforehand; at least 1."""
        return max(1, min(gate.free_places(in_flight) for gate in self._gates))

    def note_wait(self, waits_for: str = "") -> None:
        """Add up the wait that ends now, and begin the next one."""
        moment = time.monotonic()
        if self._waits_for:
            before = self.waited_seconds.get(self._waits_for, 0.0)
            self.waited_seconds[self._waits_for] = before + moment - self._waits_since
        self._waits_for, self._waits_since = waits_for, moment

    def waited(self) -> dict[str, float]:
        """Return the seconds for which gates have kept chunks from starting up to now, by the reason of the wait."""
        self.note_wait()
        return self.waited_seconds

    def admit(self, chunk: ClaimedChunk) -> bool:
        """Return whether a claimed chunk may start; see :meth:`Gate.admits`."""
        return not self._admitting or all(gate.admits(chunk) for gate in self._admitting)

    def started(self, attempt: InFlight) -> None:
        """Note that an attempt has started."""
        for gate in self._with_starts:
            gate.started(attempt)

    def recorded(self, items: Sequence[MapItem]) -> None:
        """Note that the results of attempts are recorded."""
        for gate in self._with_results:
            for item in items:
                gate.recorded(item)


class PlaceGate(Gate):
    """Open while the executor has a free place. A chunk that may kill its worker process gets the executor alone."""

    def __init__(self, schedule: Schedule, place: Workplace) -> None:
        self._schedule, self._place = schedule, place

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        return OPEN if self.free_places(in_flight) > 0 else UNTIL_ONE_ENDS

    def free_places(self, in_flight: int) -> int:
        """See :meth:`Gate.free_places`."""
        hung = len(self._schedule.overdue)
        places = 1 if self._schedule.suspects else self._place.free_workers(hung=hung)
        return min(places - in_flight, PLACES_MAX)


class OutageGate(Gate):
    """Closed while the loop waits for a service that answers no call; pauses the job after too long a wait."""

    waits_for = SERVICE

    def __init__(self, state: LoopState, schedule: Schedule, outage: Outage) -> None:
        self._state, self._schedule, self._outage = state, schedule, outage

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        outage = self._outage
        if outage.last_error is None:  # nothing has failed so far
            return OPEN
        in_stretch = self._schedule.count_in_stretch(outage.stretch) if in_flight else 0
        asked_seconds = 0.0 if in_flight else outage.asked_in_vain  # a call in flight may still succeed
        is_call_due = partial(self._schedule.has_another, None, self._state.claim, now=True)
        if not asked_seconds and not outage.has_lasted_too_long(in_stretch, is_call_due):
            return outage.opens_at(in_stretch)
        remaining_chunks = chunks_left_to_try(self._state.execution, self._state.options.shard)
        if not remaining_chunks:  # other loops have completed or failed them
            return OPEN
        job_id, seconds, last_error = self._state.job_id, outage.seconds, describe(outage.last_error)
        error = ServiceUnavailable(
            job_id, remaining_chunks, seconds, last_error, *outage.tried, asked_seconds=asked_seconds
        )
        error.__cause__ = outage.last_error
        self._state.pause_by(error, "the service answers no call")
        return UNTIL_ONE_ENDS

    def free_places(self, in_flight: int) -> int:
        """See :meth:`Gate.free_places`."""
        return PLACES_MAX if self._outage.last_error is None else 1

    def started(self, attempt: InFlight) -> None:
        """See :meth:`Gate.started`."""
        attempt.stretch = self._outage.stretch
