"""The events of one loop, and their counts for the record of its run."""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal

from checkpoint_store.errors import CheckpointStoreError, JobPaused, WorkFailed, counted
from checkpoint_store.loop.options import remaining_chunks
from checkpoint_store.loop.service.service_errors import CLIENT_ERROR_MIN, status_of
from checkpoint_store.model.clock import now
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.frozen import freeze
from checkpoint_store.model.loop_records import LIMITS, SERVICE, Durations, LoopEvent, RunRecord
from checkpoint_store.model.money import cost_in, tokens_in
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.model.loop_records import EventKind
    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.records.records import Completion


def _cost_of(completion: Completion, result: object, cost: Cost) -> float | None:
    """Return the cost of a result. A function of the caller's was called as the completion was made."""
    return cost_in(result, cost) if isinstance(cost, str) else completion.cost


class Statistics:
    """The counts of one loop."""

    def __init__(self, execution: JobExecution, options: Options) -> None:
        self._execution, self._options = execution, options
        self.begin()
        self._completed = 0
        self._retries: Counter[str] = Counter()
        self._work = Durations()
        self._cost: float | None = None
        self._tokens: float | None = None

    def begin(self) -> None:
        """Note that the loop begins now."""
        self._started_at = now()
        self._began = time.monotonic()

    def completed(self, completion: Completion, result: object) -> None:
        """Count a recorded result, and how long the work on it took."""
        self._completed += 1
        if completion.seconds is not None:
            self._work.add(completion.seconds)
        self.add_cost(_cost_of(completion, result, self._options.cost))
        tokens = tokens_in(result)
        if tokens is not None:
            self._tokens = (self._tokens or 0) + tokens

    def retried(self, error: BaseException) -> None:
        """Count a chunk that is tried again because of this error."""
        self._retries[_kind_of(error)] += 1

    def add_cost(self, cost: float | None) -> None:
        """Count what a try cost, if that is known."""
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost

    def record(
        self, waited_seconds: Mapping[str, float], error: BaseException | None, pause_reason: str | None
    ) -> RunRecord:
        """Return the record of the run, which has ended. ``error``: the exception that ended it; None without one."""
        ended = self._ended(error, pause_reason)
        return RunRecord(
            job_id=self._execution.job_id,
            started_at=self._started_at,
            seconds=round(time.monotonic() - self._began, 3),
            completed_chunks=self._completed,
            retries=freeze(dict(self._retries.most_common())),
            waited_for_service_seconds=round(waited_seconds.get(SERVICE, 0.0), 3),
            waited_for_limits_seconds=round(waited_seconds.get(LIMITS, 0.0), 3),
            work_seconds_p50=self._work.percentile(50),
            work_seconds_p95=self._work.percentile(95),
            work_seconds_p99=self._work.percentile(99),
            cost=None if self._cost is None else round(self._cost, 9),
            tokens=self._tokens,
            ended=ended,
            reason=None if ended == "completed" else self._reason(error, pause_reason),
        )

    def _ended(
        self, error: BaseException | None, pause_reason: str | None
    ) -> Literal["completed", "paused", "failed", "interrupted", "left"]:
        if isinstance(error, GeneratorExit):
            return "left"
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return "interrupted"
        if error is not None:
            return "paused" if pause_reason is not None or isinstance(error, JobPaused) else "failed"
        with suppress(CheckpointStoreError):
            if not remaining_chunks(self._execution, self._options.shard):
                return "completed"
        return "failed" if pause_reason is None else "paused"

    def _reason(self, error: BaseException | None, pause_reason: str | None) -> str:
        if error is not None and not isinstance(error, GeneratorExit) and type(error) is not JobPaused:
            return describe(error)
        return pause_reason or self._what_is_left()

    def _what_is_left(self) -> str:
        """Return why a loop that nothing ended has left chunks."""
        shard, says = self._options.shard, []
        with suppress(CheckpointStoreError):
            records = self._execution.recorded.failed_chunks()
            failed = sum(shard is None or record.chunk_index in shard for record in records)
            others = remaining_chunks(self._execution, shard) - failed
            if failed:
                says.append(f"{counted(failed, 'chunk')} {'is' if failed == 1 else 'are'} failed")
            if others > 0:
                why = "behind a failed chunk" if self._execution.is_sequential else "in the hands of other loops"
                says.append(f"{counted(others, 'chunk')} {'is' if others == 1 else 'are'} {why}")
        return ", and ".join(says) or "chunks are left"


def _kind_of(error: BaseException) -> str:
    status = status_of(error)
    if status is not None and status >= CLIENT_ERROR_MIN:
        return f"HTTP {status}"
    return error.kind if isinstance(error, WorkFailed) else type(error).__name__


if TYPE_CHECKING:
    Hook = Callable[[LoopEvent], object]


class Events:
    """The events of one loop.

    Events are noted when they happen. The hook is called where no step is half done: a KeyboardInterrupt that the hook
    raises ends the loop there like any other interrupt.
    """

    def __init__(self, execution: JobExecution, options: Options) -> None:
        self._execution, self._cost = execution, options.cost
        self._hook = None if options.on_event is None else _Guard(execution.job_id, options.on_event)
        self._untold: deque[LoopEvent] = deque()

    def started(self, chunk: ClaimedChunk) -> None:
        """Tell that an attempt begins. Call this before the work: a loop of one worker works in its own thread."""
        if self._hook is not None:
            self._note("started", chunk.index, attempt=chunk.number)
            self.tell()

    def completed(self, completion: Completion, result: object) -> None:
        """Note that a chunk is complete."""
        if self._hook is not None:
            cost, seconds = _cost_of(completion, result, self._cost), completion.seconds
            self._note("completed", completion.chunk_index, attempt=completion.attempt, cost=cost, seconds=seconds)

    def redone(self, completion: Completion, result: object) -> None:
        """Note that a result was not recorded: its chunk has another result, and is to be done again."""
        error = "the chunk was asked to be done again after this try began"
        cost = _cost_of(completion, result, self._cost)
        about = {"attempt": completion.attempt, "cost": cost, "seconds": completion.seconds, "error": error}
        self._note("retried", completion.chunk_index, **about)

    def ended(
        self, kind: EventKind, chunk: ClaimedChunk, error: str | None, cost: float | None, seconds: float | None
    ) -> None:
        """Note how an attempt without a result ended; None for the seconds of an attempt that did not begin."""
        self._note(kind, chunk.index, attempt=chunk.number, cost=cost, seconds=seconds, error=error)

    def loop_ended(self, record: RunRecord) -> None:
        """Call the hook with a pause if the loop has ended with chunks left and without an error."""
        if self._hook is not None:
            with suppress(CheckpointStoreError):  # the store is closed, or the job deleted: nothing is paused
                if (
                    record.ended in ("paused", "interrupted", "left")
                    and self._execution.recorded.progress().remaining_chunks
                ):
                    self._note("paused", error=record.reason)
            self.tell()

    def _note(self, kind: EventKind, index: int | None = None, **what: Any) -> None:
        if self._hook is not None:
            key = None if index is None else self._execution.keys.of(index)
            self._untold.append(LoopEvent(kind=kind, index=index, key=key, **what))

    def tell(self) -> None:
        """Call the hook with what was noted, in order. An Exception of the hook is logged."""
        while self._hook is not None and self._untold:
            self._hook(self._untold.popleft())


class _Guard:
    """Calls a hook, and logs its errors. A hook that asked the program to end is not called again: the loop ends."""

    def __init__(self, job_id: str, hook: Hook) -> None:
        self._job_id, self._hook = job_id, hook
        self._is_over = False

    def __call__(self, event: LoopEvent) -> None:
        if self._is_over:
            return
        try:
            self._hook(event)
        except Exception as error:  # whatever the caller's function raises
            log.warning("job %s: on_event raised for %r: %s", self._job_id, event.kind, describe(error))
        except BaseException:
            self._is_over = True
            raise


def called_in(event_loop: asyncio.AbstractEventLoop, job_id: str, hook: Hook) -> Hook:
    """Return a hook that calls ``hook`` in the thread of an event loop, in the context of the caller of this function.

    The events of a step reach the hook before the task that awaits the step goes on.
    """
    context, guarded = copy_context(), _Guard(job_id, hook)
    return lambda event: event_loop.call_soon_threadsafe(guarded, event, context=context)
