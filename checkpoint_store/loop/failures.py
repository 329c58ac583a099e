"""What one loop does about a failure: retry the chunk, fail it, end the loop, or look for the chunk to blame."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import ChunkAlreadyCompleted, InvalidResultError, WorkerDied, readable
from checkpoint_store.loop.retry_policy import is_hopeless, is_transient, matcher, pause_before_retry
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.schedule import InFlight, Schedule


class FailurePolicy:
    """Decides what follows from each failure of one loop, and records the failure."""

    def __init__(self, state: LoopState, schedule: Schedule, place: Workplace) -> None:
        self._state, self._schedule, self._place = state, schedule, place
        self._is_retried = matcher("retry_on", state.options.retry_on, is_transient)
        self._stops_the_job = matcher("stop_on", state.options.stop_on, is_hopeless)

    def handle(self, failures: list[tuple[InFlight, BaseException]]) -> None:
        """Record the failures of attempts that have ended, and decide what follows.

        A failure that asks the program to end (KeyboardInterrupt out of the work) ends the loop: what else is in flight
        is finished and recorded first.
        """
        broken: list[InFlight] = []
        for attempt, error in failures:
            if self._place.is_break(error):
                broken.append(attempt)
            elif not isinstance(error, Exception) or (self._state.is_paused and isinstance(error, CancelledError)):
                self._state.claims.release([attempt.chunk])
            else:
                self.fail(attempt, error)
        for _, error in failures:
            if not isinstance(error, Exception):
                self._state.end_with(error)
        if broken:
            self._handle_broken_pool(broken)

    def fail(self, attempt: InFlight, error: BaseException) -> None:
        """Record that an attempt failed: retry its chunk, or fail it, or end the loop."""
        state, options, chunk = self._state, self._state.options, attempt.chunk
        message = describe(error)
        seconds = _seconds_of(chunk)
        if self._stops_the_job(error):
            self._record_uncounted(chunk, message, seconds=seconds)
            self._log(chunk, "attempt %d met an error that every chunk would meet: %s", chunk.number, message)
            if state.error is None:
                state.error = error
            state.pause("an error would hit every chunk")
            return
        is_retried = self._is_retried(error)
        limit = options.max_attempts if is_retried or options.on_error == "stop" else 1
        try:
            next_attempt = self._record(chunk, message, limit=limit, again=is_retried, seconds=seconds)
        except ChunkAlreadyCompleted:
            self._log(chunk, "attempt %d failed, but another runner completed the chunk: %s", chunk.number, message)
            return
        if next_attempt is not None:
            self._retry(next_attempt, error)
            return
        self._log(chunk, "attempt %d failed, and was the last one of this run: %s", chunk.number, message)
        if options.on_error == "stop" and state.error is None:
            error.add_note(f"It ended attempt {chunk.number} at chunk {chunk.index} of job {state.job_id}.")
            state.error = error

    def _retry(self, chunk: ClaimedChunk, error: BaseException) -> None:
        """Queue a chunk for its next attempt, after a back-off."""
        try:
            seconds = pause_before_retry(self._state.options.wait, chunk.attempts_in_loop - 1, error)
        except Exception as mistake:  # noqa: BLE001 - whatever the caller's function raises
            self._state.claims.release([chunk])
            mistake.__cause__ = error
            self._state.end_with(mistake)
            return
        log.info(
            "job %s, chunk %d: attempt %d follows after %.2f s, because the last one failed: %s",
            *(self._state.job_id, chunk.index, chunk.number, seconds, describe(error)),
        )
        self._schedule.retries.put(chunk, time.monotonic() + seconds)

    def time_out(self) -> None:
        """Fail the attempts that took too long; end the loop where every worker hangs."""
        for future, attempt in self._schedule.take_timed_out():
            if self._place.abandon(future):  # other attempts, which hang, have its place
                self._schedule.retries.put(attempt.chunk)
                continue
            self._schedule.overdue[future] = attempt.chunk.index
            self.fail(attempt, TimeoutError(f"it took longer than {self._state.options.timeout_seconds:g} s"))
        if self._place.free_workers(hung=len(self._schedule.overdue)) < 1 and self._state.error is None:
            capacity = self._place.capacity
            self._state.error = TimeoutError(f"all {capacity} places of the executor are taken by work that hangs")

    # -- a result that cannot be stored

    def refuse(self, attempt: InFlight, error: InvalidResultError) -> None:
        """End the loop by a result that cannot be stored; record a readable copy of the result with the attempt.

        The program is wrong, not the chunk: the next result would be paid for in vain, too.
        """
        self._state.end_with(error)
        self._record_uncounted(attempt.chunk, _with_copy(error), seconds=_seconds_of(attempt.chunk))

    def refuse_late(self, index: int, error: InvalidResultError) -> None:
        """Record a readable copy of a late result, unless the chunk's next attempt is in flight."""
        if self._schedule.is_in_flight(index):
            return
        self._schedule.retries.remove([index])
        try:
            self._state.retry_while_busy(lambda: self._state.claims.fail(index, _with_copy(error), counted=False))
        except ChunkAlreadyCompleted:
            log.warning(
                "job %s, chunk %d: a late result cannot be stored: %s", self._state.job_id, index, describe(error)
            )

    # -- a process pool that broke

    def _handle_broken_pool(self, broken: list[InFlight]) -> None:
        """Retry the chunks that were in a pool when one of its processes died; a chunk that was alone in it failed."""
        was_alone = len(broken) == 1 and not self._schedule.in_flight and not self._place.is_broken
        self._place.mark_broken()
        for attempt in broken:
            if was_alone:
                self.fail(attempt, WorkerDied("the process that worked on this chunk ended before it gave a result"))
                index = attempt.chunk.index
                self._schedule.suspects.update(chunk.index for chunk in self._schedule.retries if chunk.index == index)
            else:
                self._suspect(attempt)

    def _suspect(self, attempt: InFlight) -> None:
        """Retry a chunk alone: it was in a pool with others when a process of the pool died."""
        message = "WorkerDied: a process of the pool ended while this chunk was in it"
        next_attempt = self._record_uncounted(attempt.chunk, message, again=True)
        if next_attempt is not None:
            self._log(next_attempt, "retried alone, because a process of its pool died")
            next_attempt.attempts_in_loop = attempt.chunk.attempts_in_loop
            self._schedule.suspects.add(next_attempt.index)
            self._schedule.retries.put(next_attempt)

    # -- recording

    def _record(self, chunk: ClaimedChunk, message: str, **how: Any) -> ClaimedChunk | None:
        """Record a failed attempt; return the chunk, claimed for its next attempt, or None where there is none."""
        return self._state.retry_while_busy(lambda: self._state.claims.fail(chunk.index, message, **how))

    def _record_uncounted(self, chunk: ClaimedChunk, message: str, **how: Any) -> ClaimedChunk | None:
        """Record a failed attempt that does not count against the chunk; its completion by another runner stands."""
        try:
            return self._record(chunk, message, counted=False, **how)
        except ChunkAlreadyCompleted:
            self._log(chunk, "attempt %d failed, but another runner completed the chunk: %s", chunk.number, message)
            return None

    def _log(self, chunk: ClaimedChunk, message: str, *args: object) -> None:
        log.warning(f"job %s, chunk %d: {message}", self._state.job_id, chunk.index, *args)


def _seconds_of(chunk: ClaimedChunk) -> float:
    return round(time.monotonic() - chunk.since, 6)


def _with_copy(error: InvalidResultError) -> str:
    """Return why a result cannot be stored, and the result as text, with nothing in it redacted."""
    copy = error.result if error.is_copy else readable(error.result)
    return f"{describe(error)}\nThe result was: {copy}"
