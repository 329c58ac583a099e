"""May one more chunk start now, and if not, when to look again: the one question that a loop asks before each start.

Each reason to hold a chunk back is a gate: the places of the executor, an outage, the budget, a rate limit, a deadline.
A chunk starts when all gates are open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from checkpoint_store.errors import ServiceUnavailable
from checkpoint_store.model.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.loop.budget import Budget
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import InFlight, Schedule

OPEN: Final = 0.0
"""A moment of the monotonic clock that has passed: one more chunk may start at once."""
UNTIL_ONE_ENDS: Final = float("inf")
"""No chunk may start before an attempt in flight has ended."""


class Gate(Protocol):
    """One reason to start no further chunk for now."""

    def opens_at(self, in_flight: int) -> float:
        """Return the moment of the monotonic clock from which one more attempt may start.

        The loop asks again at that moment, and whenever an attempt has ended. A gate that will never open again ends
        the loop itself, by ``LoopState.pause`` or ``LoopState.end_with``.

        Args:
            in_flight: how many attempts are in flight.

        Returns:
            ``OPEN`` or any moment that has passed; a moment to come; or ``UNTIL_ONE_ENDS``.
        """

    def started(self, attempt: InFlight) -> None:
        """Note that an attempt has started."""


class Gates:
    """All gates of one loop. Closed as long as one of them is."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._gates = gates

    def opens_at(self, in_flight: int) -> float:
        """Return when one more attempt may start; see :meth:`Gate.opens_at`. A closed gate hides those behind it."""
        for gate in self._gates:
            moment = gate.opens_at(in_flight)
            if moment != OPEN:
                return moment
        return OPEN

    def started(self, attempt: InFlight) -> None:
        """Note that an attempt has started."""
        for gate in self._gates:
            gate.started(attempt)


class PlaceGate:
    """Open while the executor has a free place; chunks that may kill their worker process have it for themselves."""

    def __init__(self, schedule: Schedule, place: Workplace) -> None:
        self._schedule, self._place = schedule, place

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        hung = len(self._schedule.overdue)
        places = 1 if self._schedule.suspects else self._place.free_workers(hung=hung)
        return OPEN if in_flight < places else UNTIL_ONE_ENDS

    def started(self, attempt: InFlight) -> None:
        """See :meth:`Gate.started`."""


class OutageGate:
    """Closed while the loop waits for a service that answers nobody; pauses the job where it waited for too long."""

    def __init__(self, state: LoopState, schedule: Schedule, outage: Outage) -> None:
        self._state, self._schedule, self._outage = state, schedule, outage

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        outage = self._outage
        in_stretch = self._schedule.count_in_stretch(outage.stretch) if in_flight else 0
        if not outage.is_hopeless(in_stretch):
            return outage.opens_at(in_stretch)
        remaining_chunks = self._state.execution.progress().remaining_chunks
        if not remaining_chunks:  # another process has completed them
            return OPEN
        last_error = outage.last_error or TimeoutError()
        error = ServiceUnavailable(self._state.job_id, remaining_chunks, outage.seconds, describe(last_error))
        error.__cause__ = last_error
        self._state.end_with(error)
        self._state.pause("the service answers nobody")
        return UNTIL_ONE_ENDS

    def started(self, attempt: InFlight) -> None:
        """See :meth:`Gate.started`."""
        attempt.stretch = self._outage.stretch


class BudgetGate:
    """Open while one more chunk fits into ``max_cost``; pauses the job where none fits and nothing is in flight."""

    def __init__(self, state: LoopState, budget: Budget) -> None:
        self._state, self._budget = state, budget

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        if in_flight and self._budget.is_blind:  # the first result says what a chunk costs
            return UNTIL_ONE_ENDS
        if self._budget.allows_another(in_flight):
            return OPEN
        if not in_flight:
            remaining_chunks = self._state.execution.progress().remaining_chunks
            if remaining_chunks:
                self._state.error = self._budget.refusal(remaining_chunks)
                self._state.pause("the budget allows no further chunk")
        return UNTIL_ONE_ENDS

    def started(self, attempt: InFlight) -> None:
        """See :meth:`Gate.started`."""
