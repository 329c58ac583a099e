"""The failure policy of one loop: retry the chunk, fail it, end the loop, or look for the chunk to blame."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    InvalidResultError,
    JobNotFound,
    WorkerDied,
)
from checkpoint_store.loop.late_results import copy_in
from checkpoint_store.loop.options import leaves_another
from checkpoint_store.loop.outage import wait_after
from checkpoint_store.loop.service.retry_policy import is_away, is_transient, matcher, stop_rule
from checkpoint_store.loop.service.service_errors import Trouble, may_have_arrived, trouble_of
from checkpoint_store.loop.service.unknown_model import with_remedy
from checkpoint_store.model.error_text import add_note, describe, set_field
from checkpoint_store.model.money import cost_in, cost_of_error, unreadable_cost_of
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.recording import Outcomes
    from checkpoint_store.loop.schedule import InFlight, Schedule


class FailurePolicy:
    """Decides what follows from each failure of one loop, and records the failure."""

    def __init__(self, state: LoopState, schedule: Schedule, place: Workplace, outage: Outage) -> None:
        self._state, self._schedule, self._place, self._outage = state, schedule, place, outage
        self._is_retried = matcher("retry_on", state.options.retry_on, is_transient)
        self._stops_the_job = stop_rule(state.options.stop_on)

    def handle(self, outcomes: Outcomes) -> None:
        """Record the failures of attempts that have ended, and decide what follows.

        A failure that asks the program to end (KeyboardInterrupt out of the work) ends the loop: what else is in flight
        is finished and recorded first.
        """
        for attempt, error in outcomes.failures:
            self._schedule.unsettled.take_up(attempt)
            if isinstance(error, Exception):
                self.fail(attempt, error)
            else:
                self._state.claims.release([attempt.chunk])
                self._state.end_with(error)
                self._state.pause("the work asked for it")
        if outcomes.cancelled and self._place.is_orphaned:  # another attempt would be cancelled, too, and count
            self._state.pause("its event loop does not run any more")
        for attempt in outcomes.cancelled:
            self._schedule.unsettled.take_up(attempt)
            if self._state.is_paused:
                self._state.claims.release([attempt.chunk])
            else:
                self.fail(attempt, self._place.failure_of(CancelledError()))
        if outcomes.broken:
            self._handle_broken_pool(outcomes.broken)

    def fail(self, attempt: InFlight, error: BaseException, *, may_be_billed: bool = False) -> None:
        """Record that an attempt failed: retry its chunk, or fail it, or end the loop.

        ``may_be_billed``: the attempt may still cost what it reserved, since nobody knows how it ended.
        """
        state, chunk = self._state, attempt.chunk
        message, copy = f"{type(error).__name__} (nothing more can be read of it)", ""
        how: dict[str, Any] = {"may_be_billed": True}
        try:
            message = describe(with_remedy(error))
            # A result that the work itself refuses was paid for, too.
            copy = copy_in(error) if isinstance(error, InvalidResultError) and error.result is not None else ""
            cost = cost_of_error(error)
            is_in_doubt = cost is None and (self._names_no_amount(chunk, error) or may_have_arrived(error))
            how = {"cost": None if chunk.has_reported(error) else cost, "may_be_billed": may_be_billed or is_in_doubt}
            state.statistics.add_cost(cost)
            stops_the_job = self._stops_the_job(error)
            is_retried = not stops_the_job and self._is_retried(error)
            trouble = trouble_of(error) if is_retried else Trouble.NONE
            is_alone = trouble is Trouble.ERROR and not self._has_another(chunk.index)
            is_busy = trouble is Trouble.BUSY
            others_go_on = is_busy and (bool(self._schedule.in_flight) or self._has_another(None, now=True))
            is_spared = not is_retried and is_away(error)
        except BaseException as mistake:  # of the exception, of the caller's function, or of the store
            if isinstance(mistake, Exception):
                set_field(mistake, "__cause__", mistake.__cause__ or (None if mistake is error else error))
            self._record_uncounted(chunk, message, copy, **how)
            raise
        if stops_the_job:
            self._record_uncounted(chunk, message, copy, **how)
            self._log(chunk, "attempt %d met an error that every chunk would meet: %s", chunk.number, message)
            if state.error is None:
                state.error = error
            state.pause("an error would hit every chunk")
            return
        seconds = chunk.seconds
        try:
            next_attempt = self._record(
                chunk,
                message,
                copy,
                limit=state.options.max_attempts,
                again=is_retried,
                counted=not is_spared and self._outage.counts(trouble, attempt.stretch, is_alone=is_alone),
                permanent=not is_retried and not is_spared and state.options.on_error == "record",
                seconds=seconds,
                **how,
            )
        except ChunkAlreadyCompleted:
            self._note_overtaken(chunk, message, copy, how["cost"], seconds)
            return
        wait_seconds = wait_after(
            state, self._outage, attempt, error, trouble, is_last=next_attempt is None, others_go_on=others_go_on
        )
        is_tried_again = next_attempt is not None and wait_seconds is not None
        state.events.ended("retried" if is_tried_again else "failed", chunk, message, cost, seconds)
        if next_attempt is not None and wait_seconds is not None:
            self._retry(next_attempt, error, wait_seconds)
        elif next_attempt is not None:
            state.claims.release([next_attempt])
        else:
            self._note_failed_chunk(chunk, error)

    def _names_no_amount(self, chunk: ClaimedChunk, error: BaseException) -> bool:
        """Whether an exception has a cost that cannot be read: the attempt may cost something, nobody knows what."""
        if (stated := unreadable_cost_of(error)) is not None:
            remedy = "give its exception a number from 0 to 10^15 as cost"
            self._log(chunk, "attempt %d cost %s, which is no amount: %s", chunk.number, stated, remedy)
        return stated is not None

    def _has_another(self, index: int | None, *, now: bool = False) -> bool:
        """Whether this loop can try another chunk (``now``: at once) or, if it is ending, the next loop can."""
        if not (state := self._state).is_ending:
            return self._schedule.has_another(index, state.claim, now=now)
        is_there = self._schedule.has_another(index, list, now=now)
        return is_there or (not now and leaves_another(state.execution, state.options.shard))

    def _note_failed_chunk(self, chunk: ClaimedChunk, error: BaseException) -> None:
        """Log that a chunk is tried no more in this run; end the loop if ``on_error`` is ``"stop"``."""
        state = self._state
        state.failed_now.add(chunk.index)
        self._log(chunk, "attempt %d failed, and was the last one of this run: %s", chunk.number, describe(error))
        if state.options.on_error == "stop" and state.error is None:
            add_note(error, f"It ended attempt {chunk.number} at chunk {chunk.index} of job {state.job_id}.")
            state.error = error

    def _retry(self, chunk: ClaimedChunk, error: BaseException, seconds: float) -> None:
        """Queue a chunk for its next attempt, after a wait."""
        follows = "job %s, chunk %d: attempt %d follows after %.2f s, because the last one failed: %s"
        log.info(follows, self._state.job_id, chunk.index, chunk.number, seconds, describe(error))
        self._state.statistics.retried(error)
        self._schedule.retries.put(chunk, time.monotonic() + seconds)

    def time_out(self) -> None:
        """Fail the attempts that took too long; end the loop where every worker hangs.

        An error at one attempt costs no other attempt its late result; the first error is raised at the end.
        """
        errors = list[Exception]()
        for future, attempt in self._schedule.take_timed_out(self._place.lets_work_end):
            try:
                self._time_out(future, attempt)
            except Exception as error:  # the store, or a function of the caller's
                log_suppressed(error, f"job {self._state.job_id}, chunk {attempt.chunk.index}: timed out")
                errors.append(error)
        if errors:
            raise errors[0]
        if self._place.free_workers(hung=len(self._schedule.overdue)) < 1 and self._state.error is None:
            reason = f"work that hangs has taken all of the executor ({self._place.capacity} at a time)"
            remedy = "give each call a time limit of its own, and run it again"
            self._state.pause_by(TimeoutError(f"{reason}; {remedy}"), reason)

    def _time_out(self, future: Future[Any], attempt: InFlight) -> None:
        if self._place.abandon(future):  # attempts that hang occupy its place
            self._schedule.overdue.pop(future, None)
            chunk, claims = attempt.chunk, self._state.claims
            chunk.begun = False  # a kill before its next start leaves the chunk pending
            with claims.settling_late.lock:  # no other work begins meanwhile
                claims.storage.note_unbegun(chunk.runner_id, chunk.claim)
            self._schedule.retries.put(chunk)
            return
        late = TimeoutError(f"it took longer than {self._state.options.timeout_seconds:g} s")
        self._fail_alone(attempt, late, is_suspect=attempt.chunk.index in self._schedule.suspects)

    def _fail_alone(self, attempt: InFlight, error: BaseException, *, is_suspect: bool = True) -> None:
        """Record that an attempt failed, which may be billed. A suspect that is tried once more stays a suspect."""
        self._schedule.suspects.discard(attempt.chunk.index)
        self.fail(attempt, error, may_be_billed=True)
        if is_suspect and self._schedule.retries.has(attempt.chunk.index):
            self._schedule.suspects.add(attempt.chunk.index)

    # -- a result that cannot be stored

    def refuse(self, attempt: InFlight, error: InvalidResultError) -> None:
        """End the loop by a result that cannot be stored; record a readable copy of the result with the attempt.

        The program is wrong, not the chunk: the next result would be paid for in vain, too.
        """
        self._schedule.unsettled.take_up(attempt)
        self._state.end_with(error)
        cost = self._cost_in(error)
        self._state.statistics.add_cost(cost)
        self._record_uncounted(attempt.chunk, describe(error), copy_in(error), cost=cost, may_be_billed=cost is None)

    def refuse_late(self, chunk: ClaimedChunk, error: InvalidResultError) -> None:
        """Record what the late result of an attempt cost, and a copy, with the attempt that made it.

        If the chunk's next attempt has not begun, it is freed: the loop ends.
        """
        index, cost = chunk.index, self._cost_in(error)
        self._state.statistics.add_cost(cost)
        kept = self._state.late.note_error(chunk, describe(error) + copy_in(error), cost)
        self._log(chunk, "the late result of attempt %d cannot be stored: %s%s", chunk.number, describe(error), kept)
        if not self._schedule.is_in_flight(index):
            self._state.claims.release(self._schedule.retries.take(index))
            self._state.events.ended("failed", chunk, describe(error), cost, chunk.seconds)

    def _cost_in(self, error: InvalidResultError) -> float | None:
        return None if error.is_copy else cost_in(error.result, self._state.options.cost)

    # -- a process pool that broke

    def _handle_broken_pool(self, broken: list[InFlight]) -> None:
        """Retry the chunks that were in a pool when one of its processes died; a chunk that was alone in it failed."""
        was_alone = len(broken) == 1 and not self._schedule.in_flight and not self._place.is_broken
        self._place.mark_broken()
        for attempt in broken:
            self._schedule.unsettled.take_up(attempt)
            if was_alone:
                died = WorkerDied("the process that worked on this chunk ended before it gave a result")
                self._fail_alone(attempt, died)
            else:
                self._suspect(attempt)

    def _suspect(self, attempt: InFlight) -> None:
        """Retry a chunk alone: it was in a pool with others when a process of the pool died."""
        message = "WorkerDied: a process of the pool ended while this chunk was in it"
        next_attempt = self._record_uncounted(attempt.chunk, message, again=True, may_be_billed=True)
        if next_attempt is not None:
            self._state.statistics.retried(WorkerDied(message))
            self._log(next_attempt, "retried alone, because a process of its pool died")
            next_attempt.attempts_in_loop = attempt.chunk.attempts_in_loop
            self._schedule.suspects.add(next_attempt.index)
            self._schedule.retries.put(next_attempt)

    # -- recording

    def _record(self, chunk: ClaimedChunk, message: str, copy: str = "", **how: Any) -> ClaimedChunk | None:
        """Record a failed attempt. Return the chunk, claimed for its next attempt; None if no attempt follows.

        If the store cannot take it now, what the attempt cost, and the copy of its result, are kept for later.
        """
        try:
            self._state.raise_if_locked()
            fail = partial(self._state.claims.fail, chunk.index, message + copy, attempt=chunk, **how)
            return self._state.retry_while_busy(fail)
        except (ChunkAlreadyCompleted, JobNotFound):
            raise
        except CheckpointStoreError as unrecorded:
            if copy or how.get("cost") is not None:
                unrecorded.add_note(self._state.late.keep_error(chunk, message + copy, how.get("cost")))
            self._state.claims.release([chunk])
            raise

    def _record_uncounted(self, chunk: ClaimedChunk, message: str, copy: str = "", **how: Any) -> ClaimedChunk | None:
        """Record a failed attempt that does not count against the chunk. If another runner completed it, that stands.

        ``copy``, a readable copy of the result, is recorded behind the message and is no part of an event.
        """
        seconds, cost = chunk.seconds, how.get("cost")
        try:
            next_attempt = self._record(chunk, message, copy, counted=False, seconds=seconds, **how)
        except ChunkAlreadyCompleted:
            self._note_overtaken(chunk, message, copy, cost, seconds)
            return None
        self._state.events.ended("failed" if next_attempt is None else "retried", chunk, message, cost, seconds)
        return next_attempt

    def _note_overtaken(self, chunk: ClaimedChunk, message: str, copy: str, cost: float | None, seconds: float) -> None:
        """Record what a failed attempt cost, and the copy of its result: the chunk is complete, or in another hand."""
        is_complete = self._state.is_complete(chunk)
        became = "the chunk was completed" if is_complete else "another try at the chunk began"
        self._log(chunk, f"attempt %d failed, but {became} meanwhile: %s", chunk.number, message)
        if copy or cost is not None:
            self._state.late.note_error(chunk, message + copy, cost)
        error = None if is_complete else message
        self._state.events.ended("completed" if is_complete else "retried", chunk, error, cost, seconds)

    def _log(self, chunk: ClaimedChunk, message: str, *args: object) -> None:
        log.warning(f"job %s, chunk %d: {message}", self._state.job_id, chunk.index, *args)
