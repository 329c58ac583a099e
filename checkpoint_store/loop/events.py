"""The events of one loop: its caller gets a record of each by ``on_event`` while the loop runs."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.model.amounts import cost_in
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.loop_event import LoopEvent
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options
    from checkpoint_store.model.loop_event import EventKind
    from checkpoint_store.model.run_record import RunRecord
    from checkpoint_store.storage.records import Completion

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
            cost, seconds = cost_in(result, self._cost), completion.seconds
            self._note("completed", completion.chunk_index, attempt=completion.attempt, cost=cost, seconds=seconds)

    def redone(self, completion: Completion, result: object) -> None:
        """Note that a result came to nothing: the chunk has another one, and is to be done again since."""
        error, cost = "the chunk was asked to be done again after this try began", cost_in(result, self._cost)
        about = {"attempt": completion.attempt, "cost": cost, "seconds": completion.seconds, "error": error}
        self._note("retried", completion.chunk_index, **about)

    def ended(
        self, kind: EventKind, chunk: ClaimedChunk, error: str | None, cost: float | None, seconds: float | None
    ) -> None:
        """Note how an attempt without a result ended; None for the seconds of an attempt that did not begin."""
        self._note(kind, chunk.index, attempt=chunk.number, cost=cost, seconds=seconds, error=error)

    def refused(self, chunk: ClaimedChunk, error: BaseException, cost: float | None) -> None:
        """Note that the late result of an attempt cannot be stored."""
        self.ended("failed", chunk, describe(error), cost, chunk.seconds)

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
    """Calls a hook, and logs its errors. A hook that asked the program to end is called no more: the loop is ending."""

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
