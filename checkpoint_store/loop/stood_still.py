"""The time in which the machine slept, or this process stood still: it counts for no attempt and for no outage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.model.clock import wall_seconds
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Future

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import Schedule


_SLEPT_SECONDS_MIN: Final = 300.0
"""Count as sleep only this many seconds or more. The monotonic clock stands still while the machine sleeps."""


class SleptTime:
    """Subtracts the time in which the machine slept, or its clock was set forward, from a job's worked time."""

    def __init__(self, execution: JobExecution) -> None:
        self._execution = execution
        self._ahead_seconds = self._ahead()

    def _ahead(self) -> float:
        return wall_seconds() - time.monotonic()

    def notice(self) -> None:
        """Look at both clocks. Call this before results are recorded: the worked time up to then ends here."""
        before, self._ahead_seconds = self._ahead_seconds, self._ahead()
        slept_seconds = self._ahead_seconds - before
        if slept_seconds < _SLEPT_SECONDS_MIN:
            return
        log.info("job %s: the machine slept for %.0f s", self._execution.job_id, slept_seconds)
        try:
            self._execution.lifecycle.leave_out(slept_seconds)
        except CheckpointStoreError as busy:
            log_suppressed(busy, "the rate counts the time in which the machine slept")


_STOOD_STILL_SECONDS_MIN: Final = 1.0
"""If a wait ends this much too late, this process stood still."""


class StoodStill:
    """Does the waiting of one loop, and notices where a wait took too long."""

    def __init__(self, schedule: Schedule, place: Workplace, outage: Outage) -> None:
        self._schedule, self._place, self._outage = schedule, place, outage

    def wait(self, futures: Collection[Future[Any]], until: float) -> bool:
        """Wait for an attempt to end, until a moment of the monotonic clock; see :meth:`Workplace.wait`."""
        began = time.monotonic()
        has_ended = self._place.wait(futures, max(0.0, until - began))
        self._notice(time.monotonic() - max(began, until))
        return has_ended

    def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds."""
        began = time.monotonic()
        time.sleep(seconds)
        self._notice(time.monotonic() - began - seconds)

    def _notice(self, too_late_seconds: float) -> None:
        """Move the time limits of attempts, and the beginning of an outage, by the time that a wait took too long."""
        if too_late_seconds < _STOOD_STILL_SECONDS_MIN:
            return
        log.info("this process stood still for %.0f s, which count for no time limit", too_late_seconds)
        for attempt in self._schedule.in_flight.values():
            attempt.deadline += too_late_seconds
        self._outage.postpone_end(too_late_seconds)
