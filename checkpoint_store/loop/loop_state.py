"""The state that the parts of one loop share: the job's execution, the options, and why the loop ends."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

from checkpoint_store.errors import CheckpointStoreError, ResultIsNone, StoreBusy
from checkpoint_store.loop.events import Events, Statistics
from checkpoint_store.loop.late_results import LateResults
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log, log_and_warn, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.loop.signals import Interrupts
    from checkpoint_store.model.records import MapItem

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POLL_INTERVAL_SECONDS: Final = 0.2
"""How often a loop that waits looks whether it should pause."""
_BUSY_TIMEOUTS_MAX: Final = 6
"""A loop waits for a busy store this many times ``lock_timeout_seconds``, because a result in hand is paid for."""


class LoopState:
    """One loop's execution and options, and why the loop ends."""

    def __init__(self, execution: JobExecution, options: Options, interrupts: Interrupts) -> None:
        self.execution: Final = execution
        self.job_id: Final = execution.job_id
        self.options: Final = options
        self.interrupts: Final = interrupts
        self.claims: Final = execution.claims
        self.statistics: Final = Statistics(execution, options)
        self.events: Final = Events(execution, options)
        self.late: Final = LateResults(execution, options.cost)
        self.queue: ChunkQueue
        """The queue of the chunks that this loop may claim; set when the loop begins to run."""
        self.error: BaseException | None = None
        """The first error that ends the loop. The loop raises it after everything in flight is recorded."""
        self.failed_before: frozenset[int] = frozenset()
        """The chunks that had failed before this loop began; empty unless ``on_error`` is ``"record"``."""
        self.failed_now: Final[set[int]] = set()
        """The chunks that this loop has given up."""
        self._locked: tuple[StoreBusy, float] | None = None
        """The last error of a store that stayed locked for too long, and when it came, on the monotonic clock.

        None once a call succeeds. Until then no call waits as long again.
        """
        self.is_paused = False
        """Whether the loop starts nothing more, and leaves the job paused."""
        self.pause_reason: str | None = None
        """The first reason for the pause; None if the loop is not paused."""
        self._has_warned_of_none = False

    def end_with(self, error: BaseException) -> None:
        """End the loop with an error; log the error where an earlier one ends the loop already."""
        if self.error is None:
            self.error = error
        else:
            log.warning("job %s: another error while its loop ends: %s", self.job_id, describe(error))

    def pause(self, reason: str) -> None:
        """Start nothing more, and leave the job paused."""
        if not self.is_paused:
            log.info("job %s: pausing, because %s", self.job_id, reason)
            self.pause_reason = reason
        self.is_paused = True

    def pause_by(self, error: BaseException, reason: str) -> None:
        """End the loop with an error for which no chunk is to blame: leave the job paused, with the error."""
        if self.error is None:
            self.pause(reason)
        self.end_with(error)

    @property
    def is_ending(self) -> bool:
        """Whether the loop starts nothing more."""
        return self.is_paused or self.error is not None

    def claim(self, places: int = 1) -> list[ClaimedChunk]:
        """Claim the next chunks; return none if no chunk is free. Durable when this returns.

        ``places``: how many chunks can start now. A claim is a commit, so one claim is made for all places.
        """
        queue = self.queue
        return self.retry_while_busy(queue.take, max(places, queue.batch()))

    def is_complete(self, chunk: ClaimedChunk) -> bool:
        """Whether a chunk is complete that this loop has lost; True, too, if the store cannot be read now."""
        try:
            return self.execution.look_at(chunk.index)[0]
        except CheckpointStoreError as error:  # a chunk that is not complete is left to the next loop
            log_suppressed(error, f"job {self.job_id}, chunk {chunk.index}: it was not looked at")
            return True

    def retry_while_busy(self, call: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Make a call, and repeat it while others keep the store locked: not for too long, nor after a signal."""
        since = time.monotonic()
        is_logged = False
        while True:
            try:
                outcome = call(*arguments)
            except StoreBusy as busy:
                give_up_at = since + _BUSY_TIMEOUTS_MAX * self.claims.lock_timeout_seconds
                moment = time.monotonic()
                if self._locked is not None or moment >= give_up_at:
                    self._locked = busy, moment
                    raise
                if self.interrupts.requested:
                    raise
                if not is_logged:
                    log.warning("job %s: retrying until the store is free: %s", self.job_id, busy)
                is_logged = True
                time.sleep(POLL_INTERVAL_SECONDS)
            else:
                self._locked = None
                return outcome

    def raise_if_locked(self) -> None:
        """Raise the :class:`StoreBusy` of the last call if it waited in vain, less than a lock timeout ago.

        Calls that fail together end the loop after one wait, and not after a wait each.
        """
        if self._locked is not None:
            busy, at = self._locked
            if time.monotonic() < at + self.claims.lock_timeout_seconds:
                raise busy

    def look_for_none(self, items: Iterable[MapItem]) -> None:
        """Warn at the first None among recorded results, while most of the chunks are not paid for yet.

        Most often the function of the loop lacks a ``return``. Where warnings are errors, the warning ends the loop.
        """
        index = None if self._has_warned_of_none else next((item.index for item in items if item.result is None), None)
        if index is None:
            return
        self._has_warned_of_none = True
        message = (
            f"job {self.job_id}: the function of the loop returned None for chunk {index}, and None is recorded as the "
            "result. If the function lacks a return, mend the function, and have the chunk done again: "
            f"job.redo([{index}]). If None is meant: warnings.simplefilter('ignore', checkpoint_store.ResultIsNone)."
        )
        try:
            log_and_warn(message, ResultIsNone)
        except ResultIsNone as error:  # all that is in work is recorded first
            self.end_with(error)

    @contextmanager
    def log_instead_of_raising(self, action: str) -> Iterator[None]:
        """Log an error of the store and go on: the exception that ends the loop already is more important."""
        try:
            yield
        except CheckpointStoreError as error:
            log.warning("job %s: %s: %s", self.job_id, action, describe(error))
