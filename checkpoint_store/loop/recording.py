"""How one loop records results: many in one commit, without replacing a result of another runner or losing one."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, InvalidResultError, JobNotFound
from checkpoint_store.execution.unrecorded.kept_results import note_where
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.loop.late_results import completion_of
from checkpoint_store.loop.outage import LATE
from checkpoint_store.loop.stood_still import SleptTime
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.money import cost_in, cost_of_error
from checkpoint_store.model.records import MapItem
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.loop.executors.workplace import Workplace
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import InFlight, Schedule
    from checkpoint_store.storage.records.records import Completion


class Success(NamedTuple):
    """A result that can be recorded."""

    completion: Completion
    result: Any
    """The result as ``Job.result(index)`` will return it."""


@dataclass(slots=True)
class Outcomes:
    """The outcomes of attempts that have ended."""

    successes: list[Success] = field(default_factory=list)
    unstorable: list[tuple[InFlight, InvalidResultError]] = field(default_factory=list)
    """Attempts whose result cannot be stored."""
    failures: list[tuple[InFlight, BaseException]] = field(default_factory=list)
    """Attempts that the work, or its executor, ended with an exception."""
    cancelled: list[InFlight] = field(default_factory=list)
    broken: list[InFlight] = field(default_factory=list)
    """Attempts that were in an executor when it broke."""

    def without_result(self) -> list[InFlight]:
        """Return the attempts that gave no result that can be stored."""
        return [attempt for attempt, _ in [*self.unstorable, *self.failures]] + self.cancelled + self.broken


class Recorder:
    """Records the results of one loop."""

    def __init__(self, state: LoopState, schedule: Schedule, place: Workplace, outage: Outage) -> None:
        self._state, self._schedule, self._place, self._outage = state, schedule, place, outage
        self._slept = SleptTime(state.execution)
        self._completed_late: set[int] = set()
        """Chunks that a late result completed. Their next attempt may be in flight, and is not yielded again."""
        self._just_recorded: frozenset[int] = frozenset()
        """The chunks whose results were recorded last, in one commit."""
        self._settled_late: WeakSet[Future[Any]] = WeakSet()
        """Attempts that took too long, and whose results are recorded."""

    def settle(self, ended: list[tuple[Future[Any], InFlight]]) -> tuple[Outcomes, list[MapItem]]:
        """Sort what came of attempts that have ended, record the results, and return what to yield of them.

        After an interrupt, these attempts are settled once more: recording the same result twice changes nothing. An
        attempt without a result stays unsettled until the failure policy takes it up, also where an error comes first.
        """
        outcomes = Outcomes()
        for future, attempt in ended:
            self._schedule.suspects.discard(attempt.chunk.index)
            try:
                self._sort(future, attempt, outcomes)
            except Exception as error:  # whatever an executor of the caller's does: the others were paid for, too
                outcomes.failures.append((attempt, error))
        try:
            items = self.record(outcomes.successes)
        except Exception:  # what could not be recorded is kept already
            self._schedule.unsettled.keep(outcomes.without_result())
            raise
        self._schedule.unsettled.keep(outcomes.without_result())
        return outcomes, items

    def _sort(self, future: Future[Any], attempt: InFlight, outcomes: Outcomes) -> None:
        try:
            result = future.result()
        except BrokenExecutor:
            outcomes.broken.append(attempt)
            return
        except CancelledError:
            outcomes.cancelled.append(attempt)
            return
        except BaseException as error:  # whatever the executor met
            if not isinstance(error, Exception) and error is not future.exception():
                raise  # an interrupt of this thread
            outcomes.failures.append((attempt, self._place.failure_of(error)))
            return
        if isinstance(result, Raised):
            outcomes.failures.append((attempt, result.as_failure()))
            return
        if self._outage.is_long:
            log.info("job %s: the service answers again, after %.0f s", self._state.job_id, self._outage.seconds)
        self._outage.completed(attempt.stretch)
        try:
            outcomes.successes.append(self._success(attempt.chunk, result))
        except InvalidResultError as error:
            outcomes.unstorable.append((attempt, error))

    def _success(self, chunk: ClaimedChunk, result: Any) -> Success:
        job_id, index = self._state.job_id, chunk.index
        try:
            completion = completion_of(self._state.execution, chunk, result, self._state.options.cost)
        except InvalidResultError:
            raise
        except Exception as error:  # the store cannot be read: a copy of the result is kept with its attempt
            reason = f"cannot be recorded: {describe(error)}"
            raise InvalidResultError(reason, job_id=job_id, chunk_index=index, result=result) from error
        assert completion.text is not None
        return Success(completion, json_text.decode(completion.text))

    def record(self, successes: list[Success], *, are_late: bool = False) -> list[MapItem]:
        """Record results in one commit, and return what to yield of them. Durable on return.

        What cannot be recorded now is kept, and recorded later; not the results of a job that was deleted.
        ``are_late``: the chunk of each may be one that is to be done again since the attempt began.
        """
        if not successes:
            return []
        self._place.mark_working()
        try:
            self._slept.notice()
            recorded = self._submit([done for done in successes if not self._is_repeated(done)], are_late=are_late)
        except BaseException as error:  # an interrupt, too: recording the same result twice changes nothing
            indices = ", ".join(str(success.completion.chunk_index) for success in successes)
            reason = describe(error)
            if isinstance(error, JobNotFound) and error.deleted_at is not None:
                error.add_note(f"The results of chunk {indices} are gone with their job, which was deleted.")
                log.warning("job %s, chunk %s: gone with its job, which was deleted", self._state.job_id, indices)
                raise
            note_where(error, self._state.execution.keep_unrecorded([success.completion for success in successes]))
            log.warning("job %s, chunk %s: unrecorded, and kept for later: %s", self._state.job_id, indices, reason)
            raise
        self._just_recorded = frozenset(success.completion.chunk_index for success in recorded)
        if are_late:
            recorded = [success for success in recorded if self._is_answer(success)]
        items: list[MapItem] = []
        for done, result in recorded:
            self._state.statistics.completed(done, result)
            if done.chunk_index not in self._completed_late:
                self._state.events.completed(done, result)
                items.append(MapItem(done.chunk_index, result, self._state.execution.keys.of(done.chunk_index)))
        return items

    def _is_repeated(self, success: Success) -> bool:
        """Whether a late result completed the chunk first, so that this result was paid for in vain."""
        index = success.completion.chunk_index
        if index not in self._completed_late or not self._is_complete(index):
            return False
        log.warning("job %s, chunk %d: paid for again in vain: another try had completed it", self._state.job_id, index)
        self._state.claims.abandon(index, success.completion.attempt)
        self._keep(success)
        return True

    def _is_answer(self, success: Success) -> bool:
        """Whether a late result has completed its chunk; if not, the chunk is to be done again, and the cost counts."""
        if not (is_complete := self._is_complete(success.completion.chunk_index)):
            self._state.statistics.add_cost(cost_in(success.result, self._state.options.cost))
        return is_complete

    def _is_complete(self, index: int) -> bool:
        """Whether a chunk is complete. If the store cannot be read: whether its result was recorded just now."""
        try:
            return self._state.execution.look_at(index)[0]
        except CheckpointStoreError:  # the recording says what is wrong, and keeps the result
            return index in self._just_recorded

    def _submit(self, successes: list[Success], *, are_late: bool) -> list[Success]:
        """Record results, and return those that no other runner recorded before."""
        if not successes:
            return []
        completions = [success.completion for success in successes]
        try:
            self._state.retry_while_busy(self._state.execution.submit, completions)
        except ChunkAlreadyCompleted:  # another runner's result stands; the other results are recorded one by one
            if len(successes) == 1:
                index = completions[0].chunk_index
                log.warning("job %s, chunk %d: completed by another runner", self._state.job_id, index)
                self._keep(successes[0])
                if self._is_complete(index):
                    self._state.events.completed(*successes[0])
                elif not are_late:  # the event of a late result is that of its time-out
                    self._state.events.redone(*successes[0])
                return []
            return [done for success in successes for done in self._submit([success], are_late=are_late)]
        return successes

    def _keep(self, success: Success) -> None:
        """Record what was paid for in vain, text and cost: another result of the chunk stands."""
        self._state.statistics.add_cost(cost_in(success.result, self._state.options.cost))
        self._state.retry_while_busy(self._state.execution.storage.budgets.keep_result, success.completion)

    def leave_overdue(self) -> None:
        """Have recorded what still comes of attempts that took too long, or were given up: the loop waits for none."""
        interrupt: BaseException | None = None
        left = self._schedule.overdue | self._schedule.given_up
        for future, chunk in left.items():
            try:
                future.add_done_callback(partial(self._state.late.take_from, chunk))
            except BaseException as error:  # an interrupt, while this thread recorded a result that had just come
                interrupt = error
        self._schedule.overdue.clear()
        self._schedule.given_up.clear()
        if interrupt is not None:
            raise interrupt

    def record_late(self) -> tuple[list[MapItem], list[tuple[ClaimedChunk, InvalidResultError]]]:
        """Record the results that came after their deadline; return what to yield, and what cannot be stored."""
        ended = self._schedule.ended_late()
        try:
            recorded = self._record_late(ended)
        except Exception:  # what could not be recorded is kept already; after an interrupt all are settled once more
            self._forget_late(ended)
            raise
        self._forget_late(ended)
        return recorded

    def _forget_late(self, ended: list[tuple[ClaimedChunk, Future[Any]]]) -> None:
        for _, future in ended:
            self._schedule.overdue.pop(future, None)

    def _record_late(
        self, ended: list[tuple[ClaimedChunk, Future[Any]]]
    ) -> tuple[list[MapItem], list[tuple[ClaimedChunk, InvalidResultError]]]:
        successes: dict[int, Success] = {}
        in_vain: list[tuple[Success, Future[Any]]] = []
        unstorable: list[tuple[ClaimedChunk, InvalidResultError]] = []
        for chunk, future in ended:
            if future.cancelled() or future in self._settled_late:
                continue
            failure = future.exception()
            if failure is None and isinstance(raised := future.result(), Raised):
                failure = raised.error
            if failure is not None:
                cost = cost_of_error(failure)
                self._state.statistics.add_cost(cost)
                if cost is not None and not chunk.has_reported(failure):
                    self._state.late.note_error(chunk, describe(failure), cost)
                self._settled_late.add(future)
                continue
            self._outage.completed(LATE)
            try:
                success = self._success(chunk, future.result())
            except InvalidResultError as error:
                self._state.end_with(error)
                unstorable.append((chunk, error))
                continue
            if self._is_complete(chunk.index) or successes.setdefault(chunk.index, success) is not success:
                in_vain.append((success, future))
        try:
            with self._state.claims.settling_late.held():
                items = self.record(list(successes.values()), are_late=True)
        except Exception:  # the results that are to be recorded are kept: those paid for in vain are kept, too
            self._keep_late(in_vain)
            raise
        self._settled_late.update({future for _, future in ended}.difference([future for _, future in in_vain]))
        completed = {index for index in successes if self._is_complete(index)}
        self._schedule.drop_completed(completed)
        self._completed_late |= completed
        self._keep_late(in_vain)
        return [item for item in items if item.index in completed], unstorable

    def _keep_late(self, in_vain: list[tuple[Success, Future[Any]]]) -> None:
        """Record what late results cost that were paid for in vain. What cannot be recorded now is kept for later."""
        for success, future in in_vain:
            completion, execution = success.completion, self._state.execution
            try:
                self._keep(success)
            except CheckpointStoreError:
                what = execution.late.result(completion, partial(execution.submit, [completion]))
                log.warning("job %s, chunk %d: a late result %s", self._state.job_id, completion.chunk_index, what)
            self._settled_late.add(future)
