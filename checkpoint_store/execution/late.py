"""Record late results, late failures, and failures that the work reports by hand, through any open store object."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from checkpoint_store.errors import ChunkAlreadyCompleted, ChunkOutOfOrder, InvalidArgumentError, JobNotFound
from checkpoint_store.model.attempt import attempt_worked_on_here
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import add_note, describe
from checkpoint_store.model.money import amount, cost_of_error
from checkpoint_store.storage.records.records import Completion, FailedAttempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.context import StoreContext


def failure_of(
    job_id: str, index: int, error: str, *, attempt: tuple[int | None, float | None], cost: float | None
) -> Completion:
    """Return what a failed attempt cost, and its error; see :attr:`UnrecordedResult.is_failure`.

    ``attempt``: the number of the attempt, and its seconds.
    """
    text, (number, seconds) = json_text.encode(error), attempt
    digest = result_digest.digest(job_id, index, text)
    return Completion(job_id, index, now(), text, digest, attempt=number, seconds=seconds, cost=cost)


class LateRecorder:
    """Records late results and late failures of one job. Safe to share between threads.

    The store object of the loop may be closed by then. Another store object of the same file, if this process has it
    open, takes its place. Otherwise, or if the store is busy, the late result waits in a file. The next open of the
    store records it, or the next loop, in any process, that comes to its chunk.
    """

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context, self._job_id = context, job_id

    def look_before(self, chunk: ClaimedChunk) -> tuple[bool, str | None]:
        """Record the unrecorded results, and look at a chunk before a try; see :meth:`JobExecution.look_at`.

        The result of an earlier try may wait in a file: the process of that try had closed the store when it came. If
        it cannot be recorded now, that is raised: the try would be paid for in vain.
        """
        if chunk.number > chunk.attempts_in_loop:  # another loop tried it
            self._context.take_in_unrecorded()
        elif self._context.unrecorded.has_any:
            self._context.record_unrecorded()
        return self._context.storage.handles.look_at(self._job_id, chunk.index)

    def result(self, completion: Completion, submit: Callable[[], None]) -> str:
        """Record a late result. Durable on return, in the store or in a file; returns what became of it.

        ``submit`` records it through the store object of the loop. No work on its chunk begins meanwhile. The state
        file and the backups are written afterwards.
        """
        context = self._context.open_now()
        claims = context.claims.at_hand(self._job_id)
        no_begin: AbstractContextManager[object] = nullcontext() if claims is None else claims.settling_late.held()
        record = submit if context is self._context else partial(context.record, [completion])
        try:
            with no_begin:
                return _unless_deleted(partial(_record, context, completion, record), "is ")
        except BaseException as error:  # an interrupt, too: recording the same result twice changes nothing
            return f"is not recorded yet: {self._keep(error, completion)}"

    def failure(self, failure: Completion) -> str:
        """Record what a late failure cost; see :func:`failure_of`. Durable when this returns."""
        context = self._context.open_now()

        def record() -> str:
            context.storage.budgets.keep_failure(failure)
            return ""

        try:
            return _unless_deleted(record, ", and it is ")
        except BaseException as error:  # an interrupt, too
            return f"; {self._keep(error, failure, is_failure=True)}"

    def note_reported(
        self, chunk: ClaimedChunk | None, error: BaseException | str, message: str, paid: float | None
    ) -> bool:
        """Note a failure with its attempt, if the work on that attempt reports it here. Durable when it returns.

        The claim stays until the work ends: nobody else begins the chunk. If this attempt took too long, the claim of a
        later attempt stays. Returns whether the failure was noted.
        """
        index, number = attempt_worked_on_here(self._job_id) or (None, None)
        if chunk is None or index != chunk.index:
            return False
        if number != chunk.number:
            self.failure(failure_of(self._job_id, chunk.index, message, attempt=(number, None), cost=paid))
            return True
        failed = FailedAttempt(
            self._job_id, chunk.index, chunk.number, chunk.runner_id, message, None,
            attempts_max=0, is_counted=False, tries_again=False, cost=paid,
        )  # fmt: skip
        if not self._context.storage.budgets.report(failed):
            return False
        if paid is not None:
            chunk.reported.append(error)
        return True

    def _keep(self, error: BaseException, what: Completion, *, is_failure: bool = False) -> str:
        """Keep what an error kept from being recorded; return a sentence about both, or raise an interrupt again."""
        path, is_elsewhere = self._context.reading.path, isinstance(error, JobNotFound)
        why = f"another store, without its job, is at {path} now" if is_elsewhere else describe(error).rstrip(".")
        kept = f"{why}. {self._context.unrecorded.keep([what], are_failures=is_failure)}"
        if not isinstance(error, Exception):
            add_note(error, kept)
            raise error
        return kept


def _unless_deleted(record: Callable[[], str], begins: str) -> str:
    """Return what ``record`` returns; if the job was deleted, return words that say so, with ``begins`` before them.

    :class:`JobNotFound` is raised all the same if another store, which lacks the job, is at the path now.
    """
    try:
        return record()
    except JobNotFound as missing:
        if missing.deleted_at is None:
            raise
        return f"{begins}gone with its job, which was deleted"


def _record(context: StoreContext, completion: Completion, record: Callable[[], None]) -> str:
    """Record a late result, unless it was paid for in vain; return what became of it."""
    job_id, index = completion.job_id, completion.chunk_index
    try:
        if context.storage.handles.look_at(job_id, index)[0]:  # complete, perhaps with the same result
            raise ChunkAlreadyCompleted(job_id, index)
        record()
    except ChunkOutOfOrder as refused:  # the result was made from an earlier result of that chunk
        context.storage.budgets.keep_result(completion)
        what = "was done again after it was begun" if refused.is_stale else "is to be done before its chunk"
        return f"was paid for in vain: chunk {refused.missing_index} {what}"
    except ChunkAlreadyCompleted:
        is_in_vain = context.storage.budgets.keep_result(completion)
        if is_in_vain or context.reading.results.digest(job_id, index) != completion.digest:
            return "was paid for in vain: another result of the chunk stands"
        return "is recorded"
    if not context.storage.handles.look_at(job_id, index)[0]:  # it is the recorded one, and older than the redo
        return "answers no redo: it is the same as the recorded result, and the chunk is to be done again"
    return "is recorded"


def amount_paid(error: BaseException | str, cost: float | None) -> float | None:
    """Return the cost of a failed try; None if it is unknown. Refuse a ``cost`` that is no number from 0 to 10^15."""
    paid = cost_of_error(error) if cost is None and isinstance(error, BaseException) else amount(cost)
    if cost is not None and paid is None:
        raise InvalidArgumentError("cost", cost, "is no amount: a number from 0 to 10^15")
    return paid
