"""One loop over a job: start chunks, wait for one of them to end, settle what has ended.

Each attempt is recorded in the store before it starts. What has ended is recorded before anything else starts. However
the loop ends, it waits for the attempts in flight and records their results, because they are paid for.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from math import isfinite
from typing import TYPE_CHECKING, Any

from checkpoint_store.loop.executors.workplace import Workplace, has_broken
from checkpoint_store.loop.failures import FailurePolicy
from checkpoint_store.loop.gates.budget import BudgetGate, CostReader
from checkpoint_store.loop.gates.gates import UNTIL_ONE_ENDS, Gates, OutageGate, PlaceGate
from checkpoint_store.loop.gates.limits import deadline_gates, rate_gates
from checkpoint_store.loop.lifecycle import abandon_in_flight, abandon_unrecorded, begin, conclude, leave_early
from checkpoint_store.loop.loop_state import POLL_INTERVAL_SECONDS, LoopState
from checkpoint_store.loop.outage import Outage
from checkpoint_store.loop.progress_bar import LiveBar
from checkpoint_store.loop.recording import Recorder
from checkpoint_store.loop.schedule import Schedule
from checkpoint_store.loop.signals import Interrupts
from checkpoint_store.loop.starting import Starter
from checkpoint_store.loop.stood_still import StoodStill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.gates.gates import Gate
    from checkpoint_store.loop.options import Options
    from checkpoint_store.loop.schedule import InFlight
    from checkpoint_store.model.records import MapItem


class Loop:
    """One ``map``: made, iterated once, and done."""

    def __init__(
        self,
        execution: JobExecution,
        fn: Callable[[Any], Any],
        options: Options,
        interrupts: Interrupts | None = None,
        known_pause: int | None = None,
    ) -> None:
        self._execution = execution
        self._known_pause = execution.lifecycle.pauses.last if known_pause is None else known_pause
        self._fn = fn
        self._options = options
        self._heeds_signals = interrupts is None
        self._interrupts = interrupts or Interrupts()
        self._place = Workplace(options.executor, options.workers, has_time_limit=options.timeout_seconds is not None)
        self._state = LoopState(execution, options, self._interrupts)
        self._schedule = Schedule(ordered=options.ordered)
        needs_costs = options.max_cost is not None or options.progress
        self._costs = CostReader(execution, options.cost) if needs_costs else None
        self._outage = Outage(options.outage_seconds)
        self._stood_still = StoodStill(self._schedule, self._place, self._outage)
        self._recorder = Recorder(self._state, self._schedule, self._place, self._outage)
        self._failures = FailurePolicy(self._state, self._schedule, self._place, self._outage)
        gates: list[Gate] = [
            *deadline_gates(self._state, self._outage),  # first: the deadline also ends a wait at another gate
            PlaceGate(self._schedule, self._place),
            OutageGate(self._state, self._schedule, self._outage),
            *rate_gates(self._state),
        ]
        if self._costs is not None and options.max_cost is not None:
            gates.append(BudgetGate(self._state, self._schedule, self._costs, self._outage, options.max_cost))
        self._gates = Gates(gates)
        self._look_again_at = UNTIL_ONE_ENDS
        """When a chunk may start that could not start at the last look, on the monotonic clock."""
        self._starter = Starter(
            fn, self._state, schedule=self._schedule, place=self._place, failures=self._failures, gates=self._gates
        )
        self._bar: LiveBar | None = None

    def stop(self) -> None:
        """Start nothing more, as after a pause; from any thread."""
        self._state.is_paused = True

    @property
    def has_item(self) -> bool:
        """Whether the next item is there already: no chunk is started, or waited for, before it is yielded."""
        return self._schedule.items_left > 0

    def forget(self) -> None:
        """After a fork, in the child: what is in flight is the parent's."""
        self._schedule.forget()

    def settle(self) -> bool:
        """Between two items, see :class:`StoppableLoop`. The loop yields what is recorded when it goes on."""
        if self._schedule.has_results:
            self._settle_whatever_happens()
        return self._schedule.has_results

    def run(self) -> Iterator[MapItem]:
        """Yield what is completed, and give the job the status that follows; see :meth:`Job.map`."""
        error: BaseException | None = None
        self._state.statistics.begin()
        try:
            yield from self._run()
        except BaseException as raised:
            error = raised
            raise
        finally:
            record = self._state.statistics.record(self._gates.waited(), error, self._state.pause_reason)
            error = None  # a frame that its own error refers to would live on, with the locks that it holds
            self._execution.lifecycle.note_run(record)
            self._state.events.loop_ended(record)

    def _run(self) -> Iterator[MapItem]:
        ended_by: BaseException | None = None
        with ExitStack() as signals:  # made first: no call, and so no interrupt, comes between begin() and `try`
            begin(self._state, self._place, self._fn, self._known_pause)
            try:
                if self._heeds_signals:
                    signals.enter_context(self._interrupts)
                if self._options.progress and self._costs is not None:
                    self._bar = LiveBar(self._execution, self._costs.paid)
                while True:  # no `while condition`: an interrupt at its jump skips `finally` (python/cpython#130279)
                    self._start()
                    if not self._wait():
                        break
                    self._settle()
                    self._state.events.tell()
                    yield from self._schedule.in_order()
                self._state.events.tell()  # what settle() noted in another thread
                yield from self._schedule.in_order(everything=True)
            except BaseException as error:
                ended_by = error
                raise
            finally:
                try:
                    self._wind_up(ended_by)
                finally:
                    ended_by = None  # see run()
            conclude(self._state)

    # -- start

    def _start(self) -> None:
        """Start chunks until a gate is closed or no chunk is left to start, and note when to look again."""
        self._look_again_at = UNTIL_ONE_ENDS
        while not self._is_stopping():
            opens_at = self._gates.opens_at(len(self._schedule.in_flight))
            if opens_at > time.monotonic():
                self._look_again_at = opens_at
                return
            chunk = self._starter.next_chunk(retries_last=self._outage.is_probing)
            if chunk is None or not self._start_one(chunk):
                self._look_again_at = self._schedule.retries.due_at
                return
            if self._place.runs_inline and self._schedule.in_flight:  # it has ended: record it before the next start
                return

    def _start_one(self, chunk: ClaimedChunk) -> bool:
        """Start a claimed chunk, or queue it where it cannot start now; return whether it was started."""
        if self._place.is_broken:
            self._starter.renew_executor()
        if self._place.is_broken or self._is_stopping():
            self._starter.postpone(chunk)
            return False
        return self._starter.start_if_admitted(chunk)

    def _is_stopping(self) -> bool:
        if self._interrupts.requested:
            self._state.pause("a signal came")
        elif self._state.queue.is_paused():
            self._state.pause("somebody asked for it")
        elif self._options.stop_when is not None and self._options.stop_when():
            self._state.pause("stop_when returned True")
        return self._state.is_ending

    # -- wait

    def _wait(self) -> bool:
        """Wait for an attempt to end or a chunk to be due; return False where nothing is left to wait for."""
        schedule = self._schedule
        if schedule.in_flight:
            self._wait_for_attempts()
            return True
        if self._is_stopping():
            return False
        if schedule.retries or (isfinite(self._look_again_at) and schedule.has_another(None, self._state.claim)):
            self._stood_still.sleep(min(POLL_INTERVAL_SECONDS, max(0.0, self._look_again_at - time.monotonic())))
            return True
        if self._state.queue.waits_for_others():
            time.sleep(POLL_INTERVAL_SECONDS)
            return True
        return False

    def _wait_for_attempts(self) -> None:
        """Wait until an attempt has ended, a start or a deadline is due, or it is time to look for a pause."""
        if self._place.runs_inline:  # what was submitted has ended
            return
        self._starter.hand_over()
        schedule = self._schedule
        futures = [*schedule.in_flight, *schedule.overdue]
        if schedule.in_flight and not any(future.done() for future in futures):
            self._place.cancel_orphans(futures, is_ending=self._state.is_ending)
            until = min(time.monotonic() + POLL_INTERVAL_SECONDS, schedule.next_deadline, self._look_again_at)
            if not self._stood_still.wait(futures, until) and self._state.queue.is_slow:
                self._state.queue.give_back(schedule.take_ready())
        self._place.gather(schedule.in_flight)

    # -- settle

    def _settle(self) -> None:
        """Record what has ended: results first, because they are paid for, then failures."""
        late, unstorable_late = self._recorder.record_late() if self._schedule.overdue else ([], [])
        for chunk, error in unstorable_late:
            self._failures.refuse_late(chunk, error)
        outcomes, recorded = self._recorder.settle(self._take_ended())
        items = late + recorded
        self._schedule.to_yield += items
        self._gates.recorded(items)
        self._state.look_for_none(items)
        for attempt, error in outcomes.unstorable:
            self._failures.refuse(attempt, error)
        self._failures.handle(outcomes)
        if self._options.timeout_seconds is not None or self._place.may_break:
            self._failures.time_out()
        if self._costs is not None:
            self._costs.update()
        if self._bar is not None:
            self._bar.show()

    def _take_ended(self) -> list[tuple[Future[Any], InFlight]]:
        ended = self._schedule.take_ended()
        if self._place.may_break and has_broken((future for future, _ in ended), self._schedule.in_flight):
            ended = self._schedule.take_ended()
        return ended

    # -- the end

    def _wind_up(self, ended_by: BaseException | None) -> None:
        """Record what is in flight, and release everything else. ``ended_by``: the exception that ended the loop."""
        try:
            try:
                self._finish_in_flight(is_left_early=ended_by is not None)
            finally:
                self._release()
        except BaseException as error:
            leave_early(self._state, ended_by or error)
            raise
        if ended_by is not None:
            leave_early(self._state, ended_by)

    def _finish_in_flight(self, *, is_left_early: bool) -> None:
        """Record what is in flight. Only a second signal, or an exception in the thread that waits, cuts that short."""
        try:
            if is_left_early:
                self._state.pause("its loop was left early")
            if self._interrupts.is_urgent:
                abandon_in_flight(self._state, self._schedule, self._place)
            while True:  # no `while condition`: see run()
                if not self._schedule.has_results:
                    break
                self._settle_whatever_happens()
                self._state.events.tell()
            with self._state.log_instead_of_raising("results are still unrecorded"):
                self._execution.record_unrecorded()
        except BaseException:
            abandon_unrecorded(self._state, self._schedule, self._place)
            raise

    def _settle_whatever_happens(self) -> None:
        """Settle the next attempts that end; an error keeps no other attempt from being settled."""
        schedule, self._look_again_at = self._schedule, UNTIL_ONE_ENDS
        count_before = len(schedule.in_flight) + len(schedule.unsettled) + len(schedule.overdue)
        try:
            self._wait_for_attempts()
            self._settle()
        except Exception as error:  # a full disk, the caller's function: the others are waited for
            self._state.pause_by(error, "an error came between the chunks")
            if len(schedule.in_flight) + len(schedule.unsettled) + len(schedule.overdue) == count_before:
                time.sleep(POLL_INTERVAL_SECONDS)

    def _release(self) -> None:
        """Release the chunks that were not started, the executor and the bar."""
        try:  # an interrupt may come in each step; it must not keep the next step from being done
            self._recorder.leave_overdue()  # first: calls that go on are paid for
        finally:
            try:
                self._state.queue.close(self._schedule.take_unstarted())
            finally:
                self._place.close()
        if self._bar is not None:
            with self._state.log_instead_of_raising("its progress bar could not be closed"):
                self._bar.close()
