"""Failures that the work of a loop reports by hand, and goes on: a fallback may still give the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution.late import LateRecorder, failure_of
from checkpoint_store.model.amounts import amount, cost_of_error
from checkpoint_store.model.attempt import attempt_worked_on_here
from checkpoint_store.storage.records import FailedAttempt

if TYPE_CHECKING:
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.context import StoreContext


def amount_paid(error: BaseException | str, cost: float | None) -> float | None:
    """Return the cost of a failed try, as its report says; None if no cost is known.

    Raises:
        InvalidArgumentError: ``cost`` is no number from 0 to 10^15.
    """
    paid = cost_of_error(error) if cost is None and isinstance(error, BaseException) else amount(cost)
    if cost is not None and paid is None:
        raise InvalidArgumentError("cost", cost, "is no amount: a number from 0 to 10^15")
    return paid


class ReportedFailures:
    """Notes the failures that the work on a chunk of one job reports. Safe to share between threads."""

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context: Final = context
        self._job_id: Final = job_id

    def note(self, chunk: ClaimedChunk | None, error: BaseException | str, message: str, paid: float | None) -> bool:
        """Note a failure with its attempt, if the work on that attempt reports it here. Durable when it returns.

        The claim stays until the work ends: nobody else begins the chunk. If this attempt took too long, the claim of a
        later attempt stays. Returns whether the failure was noted.
        """
        index, number = attempt_worked_on_here(self._job_id) or (None, None)
        if chunk is None or index != chunk.index:
            return False
        if number != chunk.number:
            failure = failure_of(self._job_id, chunk.index, message, attempt=(number, None), cost=paid)
            LateRecorder(self._context, self._job_id).failure(failure)
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
