"""An outage: the service answers no call. No chunk is to blame; the whole loop waits for its end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import first_of
from checkpoint_store.loop.service.retry_after import retry_after
from checkpoint_store.loop.service.retry_policy import backoff, pause_before_retry
from checkpoint_store.loop.service.service_errors import Trouble
from checkpoint_store.model.error_text import describe, set_field
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.schedule import InFlight


_WAITS_OF_AN_OUTAGE: Final = 3
"""After this many waits in a row without a success the service is to blame, and not a chunk or two."""
LATE: Final = -1
"""The stretch of an attempt that timed out and gave its result later."""


class Outage:
    """The outages of one service as one loop sees them. The loop reports its calls here, and asks when to go on.

    After ``seconds_max`` without a success the loop gives the service up for now. ``clock`` returns the moment in
    seconds.
    """

    def __init__(self, seconds_max: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds_max: Final = seconds_max
        self._clock = clock
        self.stretch = 0
        """The number of the present stretch, to which an attempt belongs that starts now."""
        self._last_productive = LATE
        """The last stretch in which an attempt started that completed its chunk."""
        self._resumes_at = -math.inf
        """The moment at which the loop's current wait ends."""
        self._asked_until = -math.inf
        """The moment until which the service asks to make no call."""
        self._asked_wait_ends_at = -math.inf
        """The moment at which the wait ends that the service asks for: a little after ``_asked_until``."""
        self._in_flight_max = math.inf
        """How many attempts of this stretch may be in flight."""
        self._waits = 0
        """The number of waits since the last success."""
        self._began_at = math.inf
        """The moment of the first failure since the last success; infinite without a failure."""
        self._failed_at = -math.inf
        """The moment of the failure that ended the last stretch."""
        self.last_error: BaseException | None = None
        self._tried: set[int] = set()

    # -- what the loop asks

    @property
    def is_on(self) -> bool:
        """Whether the last call to the service failed."""
        return self._began_at < math.inf

    @property
    def last_failure(self) -> BaseException | None:
        """The last error of the service, if no call has succeeded since; else None."""
        return self.last_error if self.is_on else None

    @property
    def tried(self) -> list[int]:
        """The chunks whose calls have failed since the last success, ascending."""
        return sorted(self._tried)

    @property
    def is_long(self) -> bool:
        """Whether several calls in a row have failed, each after a wait."""
        return self._waits >= _WAITS_OF_AN_OUTAGE

    @property
    def seconds(self) -> float:
        """The seconds for which the outage has lasted; 0 without an outage."""
        return self._clock() - self._began_at if self.is_on else 0.0

    @property
    def is_probing(self) -> bool:
        """Whether the next call probes whether the service is back."""
        return self._in_flight_max == 1

    def opens_at(self, in_flight: int) -> float:
        """Return the moment from which one more attempt may start; infinite: not before another one has ended.

        ``in_flight`` is how many attempts of this stretch are in flight.
        """
        if self._clock() < self._resumes_at:
            return self._resumes_at if self.is_over_at is None else min(self._resumes_at, self.is_over_at)
        return 0.0 if in_flight < self._in_flight_max else math.inf

    @property
    def is_over_at(self) -> float | None:
        """The moment at which the loop gives the service up unless a call succeeds; None without an outage."""
        return self._began_at + self.seconds_max if self.is_on else None

    @property
    def asked_in_vain(self) -> float:
        """For how many seconds the service asks to make no call, if the loop gives it up before that; else 0."""
        is_in_vain = self.is_over_at is not None and self._asked_wait_ends_at >= self.is_over_at
        return max(0.0, self._asked_until - self._clock()) if is_in_vain else 0.0

    def has_lasted_too_long(self, in_flight: int, is_call_due: Callable[[], bool] = lambda: True) -> bool:
        """Whether no call has succeeded for too long, and no attempt of this stretch is left ``in_flight``.

        If the wait is over and something else kept the next call back (the loop's body, a limit), a call that is due is
        made first: a service is given up because a call failed, not because nobody called.
        """
        if in_flight or not self.is_on or self.seconds < self.seconds_max:
            return False
        is_asked_again = self._failed_at >= self._began_at + self.seconds_max
        return is_asked_again or self._clock() < self._resumes_at or not is_call_due()

    def waits_in_a_row(self, stretch: int) -> int:
        """Return the number of waits in a row without a success, with the wait after a failure in this stretch."""
        return max(1, self._waits + (stretch == self.stretch))

    def counts(self, trouble: Trouble, stretch: int, *, is_alone: bool) -> bool:
        """Whether a failure counts against its chunk.

        ``stretch`` is the one in which the attempt started. ``is_alone``: the loop can try no other chunk instead.
        """
        if trouble is Trouble.NONE:
            return True
        if trouble is Trouble.BUSY:
            return False
        others_succeed = stretch <= self._last_productive
        return others_succeed or (is_alone and trouble is Trouble.ERROR)

    # -- what the loop tells

    def completed(self, stretch: int) -> None:
        """Note that an attempt of this stretch completed its chunk. A late result also shows that the service works."""
        self._last_productive = max(self._last_productive, stretch)
        self._began_at = math.inf
        self._tried.clear()
        if stretch in (self.stretch, LATE):
            self._waits = 0
        if stretch == self.stretch:
            self._in_flight_max += 1

    def postpone_end(self, seconds: float) -> None:
        """Give the service this much more time to answer a call; without an outage this changes nothing."""
        self._began_at += seconds

    def failed(
        self,
        stretch: int,
        wait_seconds: float,
        error: BaseException,
        *,
        asked_seconds: float | None = None,
        chunk_index: int | None = None,
    ) -> None:
        """Note that an attempt of this stretch has failed in a way that says that the service is in trouble.

        ``asked_seconds`` is the wait that the service asked for, without the loop's own addition; None: no wait. Such a
        wait counts also while the loop waits already.
        """
        if chunk_index is not None:
            self._tried.add(chunk_index)
        moment = self._clock()
        self.last_error = error
        self._began_at = min(self._began_at, moment)
        is_first = stretch == self.stretch
        if is_first or asked_seconds is not None:
            self._resumes_at = max(self._resumes_at, moment + wait_seconds)
        if asked_seconds is not None:
            self._asked_until = max(self._asked_until, moment + asked_seconds)
            self._asked_wait_ends_at = max(self._asked_wait_ends_at, moment + wait_seconds)
        if is_first:
            self._failed_at = moment
            self.stretch += 1
            self._waits += 1
            self._in_flight_max = 1


def wait_after(
    state: LoopState,
    outage: Outage,
    attempt: InFlight,
    error: BaseException,
    trouble: Trouble,
    *,
    is_last: bool,
    others_go_on: bool,
) -> float | None:
    """Return the seconds to wait before the next attempt at a chunk; tell the outage how long to wait.

    None where the caller's ``wait`` failed, which ends the loop. ``others_go_on``: whether other chunks are done
    meanwhile. If not, a chunk that a busy service refused waits no longer than the loop.
    """
    wait, attempt_count = state.options.wait, attempt.chunk.attempts_in_loop
    in_a_row = outage.waits_in_a_row(attempt.stretch) if trouble is not Trouble.NONE else 0
    if wait is None and trouble is Trouble.BUSY and not others_go_on:
        attempt_count = in_a_row
    if is_last and callable(wait):  # it says how long to wait before a retry, and there is none
        wait = None
    try:
        seconds = pause_before_retry(wait, max(attempt_count, in_a_row), error)
    except Exception as mistake:  # whatever the caller's function raises
        set_field(mistake, "__cause__", None if mistake is error else error)
        state.pause_by(mistake, "wait= raised an error")
        return None
    if trouble is not Trouble.NONE:
        asked_seconds = retry_after(error)
        # A chunk that fails among good ones may wait longer each time; the others do not wait with it.
        wait_seconds = min(seconds, backoff(in_a_row)) if asked_seconds is None else seconds
        was_long = outage.is_long
        index = attempt.chunk.index
        outage.failed(attempt.stretch, wait_seconds, error, asked_seconds=asked_seconds, chunk_index=index)
        if asked_seconds is not None and wait_seconds >= outage.seconds_max:
            log.warning(  # if a call in flight succeeds, the loop does wait
                "job %s: the service asks to make no call for %.0f s, which is longer than outage_seconds: %s",
                *(state.job_id, asked_seconds, describe(error)),
            )
        if outage.is_long and not was_long:
            log.warning(
                "job %s: the service answers no call, so the whole loop waits, and no chunk is to blame: %s. It failed "
                "first %.0f s ago (tried: chunk %s); after %.0f s without a success the job is paused",
                *(state.job_id, describe(error), outage.seconds, first_of(outage.tried), outage.seconds_max),
            )
    return seconds
