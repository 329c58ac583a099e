"""Results that come after their loop has given them up: they were paid for, so they are recorded all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted
from checkpoint_store.loop.executors import local, processes
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.model.amounts import cost_in, cost_of_error
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from concurrent.futures import Future

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.storage.records import Completion


def completion_of(execution: JobExecution, index: int, result: Any, cost: Cost) -> Completion:
    """Return the completion of a chunk (0-based) by a result as the future of its attempt has it.

    Raises:
        InvalidResultError: the result cannot be stored.
    """
    if isinstance(result, local.Unstorable):
        raise result.error.at(execution.job_id)
    text = result.text if isinstance(result, processes.Packed) else None
    return execution.completion(index, result, text=text, cost=cost)


class LateResults:
    """Records the results of attempts that one loop has given up. Safe to share between threads."""

    def __init__(self, execution: JobExecution, cost: Cost) -> None:
        self._execution, self._cost = execution, cost

    def take_from(self, index: int, future: Future[Any]) -> None:
        """Record what came of a chunk (0-based), in the thread that ended it; an event loop does not wait for that."""
        if future.cancelled():
            return
        error = future.exception()
        result = future.result() if error is None else Raised(error)
        try:
            event_loop = asyncio.get_running_loop()
        except RuntimeError:
            self.take(index, result)
        else:
            event_loop.run_in_executor(None, self.take, index, result)

    def take(self, index: int, result: Any) -> None:
        """Record a result of a chunk (0-based), or what a failed attempt cost. Durable when it returns.

        A result that the store cannot take now is kept for the next open, as any other. Nothing is raised.
        """
        try:
            self._record(index, result)
        except Exception as error:  # nobody waits for it any more
            self._tell(index, f"was paid for, and cannot be recorded: {describe(error)}")

    def _record(self, index: int, result: Any) -> None:
        if isinstance(result, Raised):
            self._note_cost(index, cost_of_error(result.error))
            self._tell(index, f"is a failure: {describe(result.error)}")
            return
        try:
            completion = completion_of(self._execution, index, result, self._cost)
        except CheckpointStoreError:
            self._note_cost(index, cost_in(result, self._cost))
            raise
        try:
            if self._execution.look_at(index)[0]:  # also where the other result is the same
                raise ChunkAlreadyCompleted(self._execution.job_id, index)
            self._execution.submit([completion])
        except ChunkAlreadyCompleted:
            self._note_cost(index, cost_in(json_text.decode(completion.text or "null"), self._cost))
            self._tell(index, "was paid for in vain: another result of the chunk stands")
        except CheckpointStoreError as error:
            self._tell(index, f"{describe(error)}. {self._execution.keep_unrecorded([completion])}")
        else:
            self._tell(index, "is recorded")

    def _note_cost(self, index: int, cost: float | None) -> None:
        if cost is not None:
            self._execution.budget.note_cost(index, cost)

    def _tell(self, index: int, what: str) -> None:
        job_id = self._execution.job_id
        log.warning("job %s, chunk %d: a result that came after its loop had ended %s", job_id, index, what)
