"""The time in which the machine slept while a loop was at work: it does not count as worked time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.model.clock import wall_seconds
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from checkpoint_store.execution.execution import JobExecution

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
