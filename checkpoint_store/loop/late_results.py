"""Results that come after their loop has given them up: they were paid for, so they are recorded all the same."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import BrokenExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from checkpoint_store.errors import InvalidResultError, readable
from checkpoint_store.execution.late import failure_of
from checkpoint_store.loop.executors import local, processes
from checkpoint_store.loop.executors.raised import Raised
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.money import cost_in, cost_of_error
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.records.records import Completion

    Call: TypeAlias = "ClaimedChunk | TimedCall"


def completion_of(execution: JobExecution, call: Call, result: Any, cost: Cost) -> Completion:
    """Return the completion of a chunk by the result of its attempt; refuse a result that cannot be stored."""
    if isinstance(result, local.Unstorable):
        raise result.error.at(execution.job_id)
    text = result.text if isinstance(result, processes.Packed) else None
    made, made_from = (call.number, call.seconds), call.made_from
    return execution.completion(call.index, result, text=text, cost=cost, attempt=made, made_from=made_from)


class TimedCall:
    """The facts about a call that begins now, as its late result will need them."""

    def __init__(self, attempt: Attempt) -> None:
        self.index, self.number, self.made_from = attempt.chunk_index, attempt.number, attempt.made_from
        self._since = time.monotonic()

    @property
    def elapsed(self) -> float:
        """How long the work has taken so far, exactly, in seconds."""
        return time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """How long the work has taken so far, as a claimed chunk says it."""
        return round(self.elapsed, 6)


class LateResults:
    """Records the results of attempts that one loop has given up. Safe to share between threads."""

    def __init__(self, execution: JobExecution, cost: Cost) -> None:
        self._execution, self._cost = execution, cost

    def take_from(self, call: Call, future: Future[Any]) -> None:
        """Record what came of an attempt, in the thread that ended it; an event loop does not wait for that."""
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, BrokenExecutor):  # the executor ended with the loop, and the call with it
            return
        where_it_may_wait(partial(self.take, call, future.result() if error is None else Raised(error)))

    def take(self, call: Call, result: Any) -> None:
        """Record the result of an attempt, or what a failed attempt cost. Durable when it returns.

        What the store cannot take now is kept for the next open, as any other result. No error is raised.
        """
        try:
            what = self._failed(call, result.error) if isinstance(result, Raised) else self._came(call, result)
        except Exception as error:  # nobody waits for it any more
            what = f"was paid for, and cannot be recorded: {describe(error)}"
        job_id = self._execution.job_id
        log.warning("job %s, chunk %d: a result that came after its loop had ended %s", job_id, call.index, what)

    def _came(self, call: Call, result: Any) -> str:
        execution = self._execution
        try:
            completion = completion_of(execution, call, result, self._cost)
        except InvalidResultError as error:
            self.note_error(call, describe(error) + copy_in(error), cost_in(result, self._cost))
            raise
        return execution.late.result(completion, lambda: execution.submit([completion]))

    def _failed(self, call: Call, error: BaseException) -> str:
        message, cost = describe(error), cost_of_error(error)
        return f"is a failure: {message}{'' if cost is None else self.note_error(call, message, cost)}"

    def note_error(self, call: Call, error: str, cost: float | None) -> str:
        """Record the error of a failed attempt, and what it cost; return how that went wrong, or an empty text.

        Durable when it returns, in the store or in a file. Repeating this changes nothing.
        """
        return self._execution.late.failure(self._failure_of(call, error, cost))

    def keep_error(self, call: Call, error: str, cost: float | None) -> str:
        """Keep the error of a failed attempt, and what it cost, for later; return a sentence about where they are."""
        return self._execution.keep_unrecorded([self._failure_of(call, error, cost)], are_failures=True)

    def _failure_of(self, call: Call, error: str, cost: float | None) -> Completion:
        return failure_of(self._execution.job_id, call.index, error, attempt=(call.number, call.seconds), cost=cost)


def copy_in(error: InvalidResultError) -> str:
    """Return the text of a result that cannot be stored, unredacted: it is recorded behind the error."""
    copy = error.result if error.is_copy else readable(error.result)
    return f"\nThe result was: {copy}"


def where_it_may_wait(work: Callable[[], None]) -> asyncio.Future[None] | None:
    """Call a function that may wait for the disk: here, or for the thread of an event loop in a thread of its pool.

    Returns the future of the call in the pool; None if the call is over. Interrupted, the function is called once more.
    """
    try:
        return asyncio.get_running_loop().run_in_executor(None, work)
    except RuntimeError:  # this thread runs no event loop; or the pool of the event loop was shut down
        pass
    except BaseException:  # it is unknown whether the pool has it; recording the same result twice changes nothing
        work()
        raise
    work()
    return None


async def take_late(take: Callable[[], None]) -> None:
    """Let a result be recorded that its loop has given up. A cancellation ends the wait, and not the recording."""
    taken = where_it_may_wait(take)
    if taken is not None:
        await asyncio.shield(taken)
