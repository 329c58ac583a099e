"""The verbs of the storage about budgets, which all runners of a job share. They take and return records."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from checkpoint_store.storage.statements import costs
from checkpoint_store.storage.statements.attempts import in_vain, reservations
from checkpoint_store.storage.verbs.base import WritingVerbs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from checkpoint_store.model.money import Spending
    from checkpoint_store.storage.records.records import Claim, Completion, Costs, FailedAttempt, ReservationRequest


class Reserved(Enum):
    """The outcome of a request to reserve a part of the budget."""

    YES = auto()
    NO = auto()
    """The reservation does not fit, or too many attempts are in work for now."""
    STALE = auto()
    """Other results were recorded meanwhile. The runner has to read their costs first."""


class BudgetStorage(WritingVerbs):
    """The budget of each job of one store file. Safe to share between threads."""

    def spending(self, job_id: str, results: Costs) -> Spending:
        """Return what a job has spent and reserved now. ``results`` are the costs of its results."""
        return self._database.read(reservations.spending, job_id, results)

    def reserve(self, request: ReservationRequest) -> Reserved:
        """Reserve the highest known cost for an attempt that is to start, if it fits. Durable when it returns.

        The runners reserve one after the other, and each counts what the others have spent and reserved. A transaction
        calls no function of the caller's for the cost of a result, because other processes wait for its end.
        """

        def work(connection: sqlite3.Connection) -> Reserved:
            costs_now = _costs_now(connection, request)
            if costs_now is None:
                return Reserved.STALE
            spending = reservations.spending(connection, request.job_id, costs_now)
            if costs_now.unreadable is not None or not spending.allows_another(request.max_cost):
                return Reserved.NO
            reservations.reserve(connection, request.job_id, request.runner_id, request.claim, spending.dearest)
            return Reserved.YES

        return self._database.write(work)

    def free(self, job_id: str, attempts: Sequence[tuple[int, Claim]]) -> None:
        """Clear the reservations of attempts (by runner id) that are not in work yet. Durable when it returns."""

        def work(connection: sqlite3.Connection) -> None:
            for runner_id, claim in attempts:
                reservations.reserve(connection, job_id, runner_id, claim, None)

        if attempts:
            self._database.write(work)

    def keep_result(self, completion: Completion) -> bool:
        """Keep a result that was paid for in vain with a failed attempt at its chunk.

        Another result of the chunk stands; or, in a sequential job, an earlier chunk is to be done first. Its cost
        counts from then on. Durable when it returns. Repeating this changes nothing. Returns whether anything was
        changed: not, if the attempt made the recorded result.

        Raises:
            JobNotFound: the job was deleted.
        """
        return self._write_of_job(completion.job_id, in_vain.keep_result, completion)

    def keep_failure(self, failure: Completion) -> None:
        """Count what a late failure cost, with its attempt. Durable when it returns. Repeating this changes nothing.

        If the attempt has completed its chunk, by hand, the failure becomes an attempt of its own.

        Args:
            failure: the attempt, its cost, and the error as JSON text in the place of a result.

        Raises:
            JobNotFound: the job was deleted.
        """
        self._write_of_job(failure.job_id, in_vain.keep_failure, failure)

    def report(self, failed: FailedAttempt) -> bool:
        """Note a failure that the work on a claim reports, and goes on. Durable when it returns.

        Returns whether the runner still has the claim; otherwise nothing is noted.
        """
        return self._write_of_job(failed.job_id, reservations.report, failed)

    def keep_reported(self, job_id: str, index: int, number: int) -> None:
        """Keep what an attempt reported, whose result is about to be recorded. Durable; repeating changes nothing."""
        self._write_of_job(job_id, reservations.keep_cost, job_id, index, number)


def _costs_now(connection: sqlite3.Connection, request: ReservationRequest) -> Costs | None:
    """Return the costs of all results of the job; None if a function of the caller's has to read some of them."""
    known, cost = request.known, request.cost
    if not isinstance(cost, str):
        return None if costs.page(connection, request.job_id, known.last_result, cost) else known

    def page(after: int) -> costs.Page:
        return costs.page(connection, request.job_id, after, cost)

    return known.followed_by(costs.costs_of_pages(page, known.last_result, cost))
