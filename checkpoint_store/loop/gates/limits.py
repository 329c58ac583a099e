"""The limits that people set beforehand: calls and tokens in a minute over all runners of a job, and a deadline."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import DeadlineReached, InvalidArgumentError, short_repr
from checkpoint_store.loop.gates.gates import OPEN, PLACES_MAX, UNTIL_ONE_ENDS, Gate
from checkpoint_store.loop.options import chunks_left_to_try
from checkpoint_store.model.chunks import as_float
from checkpoint_store.model.loop_records import LIMITS
from checkpoint_store.model.money import tokens_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import InFlight
    from checkpoint_store.model.records import MapItem


_MINUTE_SECONDS: Final = 60.0


class TokenBucket:
    """A bucket that is empty at first and fills evenly; each start takes an amount out. Moments are monotonic seconds.

    The bucket holds no more than the largest amount that was asked for. So at most ``per_minute`` plus that
    amount starts in any minute, and a program that is started again and again gains nothing by it.
    """

    def __init__(self, per_minute: float, moment: float) -> None:
        self._rate = per_minute / _MINUTE_SECONDS
        self._moment = moment
        self._level = 0.0
        self._capacity = 0.0

    def set_rate(self, per_minute: float, moment: float) -> None:
        """Fill at another rate from now on."""
        self._fill(moment)
        self._rate = per_minute / _MINUTE_SECONDS

    def ready_at(self, amount: float, moment: float) -> float:
        """Return the moment at which the bucket holds this amount, if nothing is taken meanwhile: ``moment`` or later.

        From the first time that a larger amount is asked for, the bucket holds that much.
        """
        self._capacity = max(self._capacity, amount)
        self._fill(moment)
        return moment + max(0.0, amount - self._level) / self._rate

    def take(self, amount: float, moment: float) -> None:
        """Take an amount out. The bucket may go below 0; a negative amount is given back."""
        self._fill(moment)
        self._level = min(self._level - amount, self._capacity)

    def _fill(self, moment: float) -> None:
        self._level = min(self._level + (moment - self._moment) * self._rate, self._capacity)
        self._moment = moment


_COUNT_INTERVAL_SECONDS: Final = 1.0
"""How often a loop counts the runners that share its limits."""


def deadline_gates(state: LoopState, outage: Outage) -> list[Gate]:
    """Return the gate of the deadline, where the options set one."""
    seconds = state.options.deadline_seconds
    return [] if seconds is None else [DeadlineGate(state, outage, seconds)]


def rate_gates(state: LoopState) -> list[Gate]:
    """Return the gates of the limits on calls and tokens that the options set."""
    options = state.options
    gates: list[Gate] = []
    if options.max_calls_per_minute is not None:
        gates.append(CallGate(state.execution, options.max_calls_per_minute))
    if options.max_tokens_per_minute is not None:
        assert options.tokens is not None
        gates.append(TokenGate(state, options.max_tokens_per_minute, options.tokens))
    return gates


class DeadlineGate(Gate):
    """Open until the deadline; then it pauses the job, once the chunks in hand are finished."""

    def __init__(self, state: LoopState, outage: Outage, deadline_seconds: float) -> None:
        self._state, self._outage, self._seconds = state, outage, deadline_seconds
        self._at: float | None = None

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        moment = time.monotonic()
        if self._at is None:
            self._at = moment + self._seconds
        if moment < self._at:
            return OPEN
        if in_flight:
            return UNTIL_ONE_ENDS
        remaining_chunks = chunks_left_to_try(self._state.execution, self._state.options.shard)
        if not remaining_chunks:  # the loop sees that, and ends: a chunk may wait for its retry
            return OPEN
        error = DeadlineReached(self._state.job_id, remaining_chunks, self._seconds)
        error.__cause__ = self._outage.last_failure  # why so little was done, if the service is away
        self._state.pause_by(error, "its deadline is reached")
        return UNTIL_ONE_ENDS

    def free_places(self, in_flight: int) -> int:  # the deadline limits no number of places
        """See :meth:`Gate.free_places`."""
        return PLACES_MAX


class _SharedBucket:
    """This loop's share of a limit per minute on all living runners of a job. All loops have equal shares."""

    def __init__(self, execution: JobExecution, per_minute: float) -> None:
        self._execution, self._per_minute = execution, per_minute
        self._bucket = TokenBucket(per_minute, time.monotonic())
        self._counted_at = -math.inf

    def ready_at(self, amount: float) -> float:
        """Return the moment at which this amount may start, or at which to ask again: the share may have grown."""
        moment = time.monotonic()
        if moment - self._counted_at > _COUNT_INTERVAL_SECONDS:
            self._counted_at = moment
            self._bucket.set_rate(self._per_minute / self._execution.runners.loop_count(), moment)
        return min(self._bucket.ready_at(amount, moment), moment + _COUNT_INTERVAL_SECONDS)

    def take(self, amount: float) -> None:
        """Note that this amount has started; a negative amount is given back."""
        self._bucket.take(amount, time.monotonic())


class CallGate(Gate):
    """Open while one more call fits into ``max_calls_per_minute``. Each try is a call."""

    waits_for = LIMITS

    def __init__(self, execution: JobExecution, per_minute: float) -> None:
        self._bucket = _SharedBucket(execution, per_minute)

    def opens_at(self, in_flight: int) -> float:  # calls are counted when they start
        """See :meth:`Gate.opens_at`."""
        return self._bucket.ready_at(1.0)

    def started(self, attempt: InFlight) -> None:  # any attempt is one call
        """See :meth:`Gate.started`."""
        self._bucket.take(1.0)


class TokenGate(Gate):
    """Open while the next chunk fits into ``max_tokens_per_minute``, by an estimate that its result corrects."""

    waits_for = LIMITS

    def __init__(self, state: LoopState, per_minute: float, estimate: Callable[[Any], float]) -> None:
        self._state, self._estimate = state, estimate
        self._bucket = _SharedBucket(state.execution, per_minute)
        self._wanted = 0.0
        """The estimate for the chunk that waits; 0 where none does."""
        self._estimates: dict[int, float] = {}
        """The estimate for each chunk that may start or has started, by its index."""

    def opens_at(self, in_flight: int) -> float:  # tokens are counted when a call starts
        """See :meth:`Gate.opens_at`."""
        return self._bucket.ready_at(self._wanted)

    def admits(self, chunk: ClaimedChunk) -> bool:
        """See :meth:`Gate.admits`."""
        try:
            wanted = self._estimate_of(chunk)
        except Exception as mistake:  # whatever the caller's function raises
            self._state.pause_by(mistake, "tokens= raised an error")
            return False
        if self._bucket.ready_at(wanted) > time.monotonic():
            self._wanted = wanted
            return False
        self._wanted = 0.0
        self._estimates[chunk.index] = wanted
        return True

    def _estimate_of(self, chunk: ClaimedChunk) -> float:
        execution = self._state.execution
        data = execution.contents.data(chunk.index) if execution.contents.are_given else chunk.index
        given: object = self._estimate(data)
        count = as_float(given)
        if count is None or not 0 <= count < math.inf:
            raise InvalidArgumentError(
                "tokens",
                self._estimate,
                f"returned {short_repr(given)} for chunk {chunk.index}, which is no number from 0",
            )
        return count

    def started(self, attempt: InFlight) -> None:
        """See :meth:`Gate.started`."""
        self._bucket.take(self._estimates[attempt.chunk.index])

    def recorded(self, item: MapItem) -> None:
        """Correct the estimate by what the result says that its call used."""
        estimate, used = self._estimates.pop(item.index, None), tokens_in(item.result)
        if estimate is not None and used is not None:
            self._bucket.take(used - estimate)
