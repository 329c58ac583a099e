"""How one loop starts a chunk: the attempt is recorded, then the executor gets the work."""

from __future__ import annotations

import time
from concurrent.futures import BrokenExecutor
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.loop.executors import local
from checkpoint_store.loop.loop_state import POLL_INTERVAL_SECONDS
from checkpoint_store.loop.schedule import InFlight
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.failures import FailurePolicy
    from checkpoint_store.loop.gates.gates import Gates
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.schedule import Schedule

_WAITED_SECONDS_MIN: Final = 0.05
"""A first try at a chunk that was claimed less than this ago is taken to be needed: the store is not asked."""


class Starter:
    """Starts the chunks of one loop in its executor."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        state: LoopState,
        *,
        schedule: Schedule,
        place: Workplace,
        failures: FailurePolicy,
        gates: Gates,
    ) -> None:
        self._fn, self._state, self._gates = fn, state, gates
        self._schedule, self._place, self._failures = schedule, place, failures
        self._starts_quickly = _starts_quickly(state)
        self._held_count = 0
        """How many chunks were started since the last hand-over."""
        self._has_handles: bool | None = None
        """Whether the job has handles, asked once for all chunks of a hand-over; None if it was not asked yet."""

    def claim(self) -> list[ClaimedChunk]:
        """Claim the next chunks; see :meth:`LoopState.claim`. The executor works on the started chunks meanwhile."""
        self.hand_over()
        return self._state.claim(self._gates.free_places(len(self._schedule.in_flight)))

    def next_chunk(self, *, retries_last: bool) -> ClaimedChunk | None:
        """Return the chunk to start next, or None; see :meth:`Schedule.next_chunk`.

        A chunk that has waited may have been completed meanwhile, by a late answer or another process. It is freed. A
        loop without workers, which cannot do so during a slow chunk, first frees what it has claimed ahead.
        """
        if self._place.runs_inline and self._state.queue.is_slow:
            self._state.queue.give_back(self._schedule.take_ready())
        while True:
            chunk = self._schedule.next_chunk(self.claim, retries_last=retries_last)
            if chunk is None or not self._is_done_elsewhere(chunk):
                return chunk
            self._pass_over(chunk)

    def _pass_over(self, chunk: ClaimedChunk) -> None:
        """Free a chunk that was completed while it was to be tried: the try would be paid for in vain.

        If it was not completed, its try was ended by hand (``fail_chunk``): the loop may claim the chunk again.
        """
        self._schedule.drop_completed([chunk.index])
        self._state.claims.release([chunk])
        if self._state.is_complete(chunk):
            self._state.events.ended("completed", chunk, None, None, None)
            return
        reason = "it was ended by hand before it began"
        log.info("job %s, chunk %d: attempt %d: %s", self._state.job_id, chunk.index, chunk.number, reason)
        self._state.queue.give_back([chunk])
        self._state.events.ended("retried", chunk, reason, None, None)

    def _is_done_elsewhere(self, chunk: ClaimedChunk) -> bool:
        if chunk.number == 1 and time.monotonic() - chunk.since < _WAITED_SECONDS_MIN:
            return False
        is_done: bool | None = None
        try:
            is_done = self._state.retry_while_busy(self._state.execution.late.look_before, chunk)[0]
        finally:
            if is_done is None:
                self._schedule.retries.put(chunk)
        return is_done

    def hand_over(self) -> None:
        """Let the started chunks begin. Their begin is noted just before, in one write; see :meth:`Claims.note_begun`.

        So a process that is killed while it starts chunks leaves no chunk in doubt that nobody worked on. If the begin
        cannot be noted, no chunk begins, and all are released.
        """
        if self._place.begins_at_hand_over:
            started = self._schedule.in_flight.items()
            held = {future: attempt.chunk for future, attempt in started if not attempt.chunk.begun}
            if held:
                self._note_begun(held)
        self._place.hand_over()
        self._has_handles, self._held_count = None, 0

    def _note_begun(self, held: dict[Future[Any], ClaimedChunk]) -> None:
        chunks = list(held.values())
        try:
            begun = self._state.claims.note_begun(chunks)
        except Exception:
            for future in held:
                future.cancel()
                del self._schedule.in_flight[future]
            self._state.claims.release(chunks)
            raise
        if len(begun) == len(held):
            return
        passed_over = {future: chunk for future, chunk in held.items() if chunk not in begun}
        for future in passed_over:
            future.cancel()
            del self._schedule.in_flight[future]
        for chunk in passed_over.values():
            self._pass_over(chunk)

    def start_if_admitted(self, chunk: ClaimedChunk) -> bool:
        """Start an attempt at a claimed chunk that the gates admit, or queue the chunk; return whether it started."""
        is_admitted = False
        try:
            is_admitted = self._gates.admit(chunk)
        finally:
            if not is_admitted:
                self._schedule.retries.put(chunk)
        if is_admitted:
            self._start(chunk)
        return is_admitted

    def _start(self, chunk: ClaimedChunk) -> None:
        """Start an attempt at a claimed chunk: give the work to the executor. The begin is noted before the work.

        A chunk that was completed meanwhile is passed over. A chunk that cannot be sent to where the work is done has
        failed; a chunk that a broken executor does not take is postponed; and one that it refuses is released.
        """
        execution = self._state.execution
        self._state.queue.start(chunk)
        in_flight = InFlight(chunk, chunk.since + (self._state.options.timeout_seconds or float("inf")))
        data: Any = None
        try:
            self._state.events.started(chunk)
            data = execution.contents.data(chunk.index) if execution.contents.are_given else chunk.index
            is_done, handle = self._look_at(chunk.index)
            attempt = execution.attempt_of(chunk, handle=handle)
            chunk.begun = False
            begins_now = not self._place.begins_at_hand_over
            # From here on the work may have begun: an interrupt of submit() leaves it unknown.
            if is_done or (begins_now and not self._state.claims.note_begun([chunk])):
                self._pass_over(chunk)
                return
            self._gates.started(in_flight)  # first: the submit of a loop without threads is the whole call
            future = self._place.submit(self._fn, attempt, data)
        except BrokenExecutor:
            self._place.mark_broken()
            self.postpone(chunk)
        except BaseException as error:
            if isinstance(error, PicklingError | TypeError | AttributeError) and not local.can_be_pickled(data):
                self._failures.fail(in_flight, error)
                return
            # An object that is no executor may have started the work, and no result can come back from it.
            is_no_executor = isinstance(error, InvalidArgumentError) and error.name == "executor"
            if self._place.may_break and isinstance(error, Exception):
                chunk.begun = is_no_executor
            self._place.cancel_unknown(self._schedule.in_flight)
            self._state.claims.release([chunk])
            raise
        else:
            self._schedule.in_flight[future] = in_flight
            self._held_count += 1
            if not self._starts_quickly or self._held_count >= self._place.handed_over_max():
                self.hand_over()

    def _look_at(self, index: int) -> tuple[bool, str | None]:
        """Return whether a chunk is complete, and its handle; see :meth:`JobExecution.look_at`.

        Chunks that begin together ask once whether there is any handle; if not, they are taken to be incomplete.
        """
        execution = self._state.execution
        if self._place.begins_at_hand_over:
            if self._has_handles is None:
                self._has_handles = execution.storage.handles.has_any(execution.job_id)
            if not self._has_handles:
                return False, None
        return execution.look_at(index)

    def postpone(self, chunk: ClaimedChunk) -> None:
        """Queue a chunk that was not started until the executor works again."""
        chunk.begun = False
        next_poll_at = time.monotonic() + POLL_INTERVAL_SECONDS if self._schedule.in_flight else 0.0
        self._schedule.retries.put(chunk, max(self._place.ready_at, next_poll_at))

    def renew_executor(self) -> None:
        """Make a broken executor anew once everything in it has ended; end the loop where that is impossible."""
        if self._schedule.in_flight:
            return
        try:
            self._place.renew(self._state.job_id)
        except Exception as error:  # whatever the caller's function raises
            self._state.pause_by(error, "the executor is broken")


def _starts_quickly(state: LoopState) -> bool:
    """Whether a start calls no function of the caller, and asks for no limit that all runners share.

    Either may take long. Without them, the chunks that are started together are handed over together.
    """
    options = state.options
    slow = (options.on_event, options.stop_when, options.max_calls_per_minute, options.max_tokens_per_minute)
    return options.max_cost is None and all(option is None for option in slow) and state.execution.contents.are_at_hand
