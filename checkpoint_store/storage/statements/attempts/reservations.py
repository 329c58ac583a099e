"""The costs of attempts without a result, actual or possible, and failures that are reported by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.model.money import JobCosts, Spending
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.storage.sql import attempts, bindparam, func, literal_column, null, runners, select
from checkpoint_store.storage.statements import redos
from checkpoint_store.storage.statements.attempts import in_vain, replaced
from checkpoint_store.storage.statements.attempts.attempt_log import IN_JOB_BY_RANGE, TROUBLE, is_complete, of_jobs
from checkpoint_store.storage.statements.attempts.attempts import COST_ADDED, THIS, literal
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records.records import Claim, Costs, FailedAttempt


_A: Final = attempts.c
_W: Final = runners.c
_ENDED_WITHOUT_RESULT: Final[Any] = (IN_JOB_BY_RANGE, TROUBLE)
_RUNNING: Final = _A.outcome == literal(AttemptOutcome.RUNNING)
_OF_RUNNER: Final[Any] = _A.runner_id == bindparam("its_runner"), _RUNNING

# A failed try without a cost does not count: it says nothing about the cost of a chunk.
_COSTS: Final = Statement(
    select(func.count(func.nullif(_A.cost, literal_column("0"))), func.total(_A.cost), func.max(_A.cost)).where(
        *_ENDED_WITHOUT_RESULT
    )
)
FAILED_BY_JOB: Final = Statement(of_jobs(select(_A.job_id, func.total(_A.cost))).where(TROUBLE).group_by(_A.job_id))
_IN_DOUBT: Final = Statement(
    select(func.total(_A.reserved_cost)).where(
        *_ENDED_WITHOUT_RESULT,
        _A.reserved_cost.is_not(null()),
        ~is_complete(),
    )
)
# By the runners at work, because a job has few of them, and may have any number of attempts.
_IN_WORK: Final = Statement(
    select(func.count(_A.reserved_cost), func.total(func.max(_A.reserved_cost, bindparam("dearest"))))
    .select_from(runners)
    .join(attempts, _A.runner_id == _W.runner_id)
    .where(_W.job_id == bindparam("in_job"), _W.ended_at.is_(null()), _RUNNING)
)
_RESERVE: Final = Statement(attempts.update().where(*THIS, *_OF_RUNNER).values(reserved_cost=bindparam("amount")))


def spending(connection: sqlite3.Connection, job_id: str, results: Costs) -> Spending:
    """Return what a job has spent and reserved; ``results`` are the costs of its results. All costs meet here.

    An attempt in work that reserved less than the highest cost known by now counts as if it had reserved that.
    """
    failed_count, failed_total, failed_dearest = _COSTS.run(connection, in_job=job_id).fetchone()
    gone_count, gone_total, gone_dearest = replaced.costs_elsewhere(connection, job_id)
    dearest = max(results.dearest, failed_dearest or 0.0, gone_dearest)
    (in_doubt,) = _IN_DOUBT.run(connection, in_job=job_id).fetchone()
    in_work, reserved = _IN_WORK.run(connection, in_job=job_id, dearest=dearest).fetchone()
    return Spending(
        spent=results.total + failed_total + gone_total,
        reserved=in_doubt + reserved,
        in_work=in_work,
        priced=results.priced + failed_count + gone_count,
        dearest=dearest,
    )


def job_costs(connection: sqlite3.Connection, job_id: str, own: Costs, carried: Costs) -> JobCosts:
    """Return the costs of a job from the costs of its ``own`` results and of its ``carried`` results."""
    paid = spending(connection, job_id, own)
    _, failed_cost, _ = _COSTS.run(connection, in_job=job_id).fetchone()
    return JobCosts(
        cost=round(paid.spent, 9) if paid.priced or carried.priced else None,
        carried=round(carried.total, 9) if own.priced or carried.priced else None,
        failed_cost=round(failed_cost, 9),
        reserved_cost=round(paid.reserved, 9),
        dearest_cost=paid.dearest,
        unreadable_chunk=None if own.unreadable is None else own.unreadable.chunk_index,
        replaced_cost=round(replaced.cost_in(connection, job_id), 9),
    )


def reserve(connection: sqlite3.Connection, job_id: str, runner_id: int, claim: Claim, amount: float | None) -> None:
    """Let a runner's attempt reserve an amount, or nothing."""
    _RESERVE.run(
        connection,
        in_job=job_id,
        at_index=claim.chunk_index,
        its_number=claim.number,
        its_runner=runner_id,
        amount=amount,
    )


_REPORT: Final = Statement(
    attempts.update()
    .where(*THIS, *_OF_RUNNER)
    .values(
        error=func.coalesce(_A.error + literal_column("char(10)"), literal_column("''")) + bindparam("its_error"),
        cost=COST_ADDED,
    )
)
_REPORTED: Final = Statement(
    select(_A.cost, _A.error, _A.started_at).where(
        *THIS, _A.outcome != literal(AttemptOutcome.COMPLETED), _A.cost.is_not(None)
    )
)
_TAKE_COST: Final = Statement(attempts.update().where(*THIS).values(cost=None))


def report(connection: sqlite3.Connection, failed: FailedAttempt) -> bool:
    """Note an error and its cost with an attempt that goes on. Returns whether its runner still has the attempt."""
    noted = _REPORT.run(
        connection,
        in_job=failed.job_id,
        at_index=failed.chunk_index,
        its_number=failed.number,
        its_runner=failed.runner_id,
        its_error=failed.error,
        its_cost=failed.cost,
    )
    return noted.rowcount > 0


def keep_cost(connection: sqlite3.Connection, job_id: str, index: int, number: int) -> None:
    """Keep what an attempt reported as an attempt of its own: its result is about to complete it.

    What a completed attempt cost stands in its result. Repeating this changes nothing. An attempt whose result was paid
    for in vain keeps its cost: it completes nothing.
    """
    here = {"in_job": job_id, "at_index": index, "its_number": number}
    reported = _REPORTED.run(connection, **here).fetchone()
    if reported is None or in_vain.is_noted(reported[1]):
        return
    cost, error, started_at = reported
    last = redos.last_attempt(connection, job_id, index)
    failed = Completion(job_id, index, now(), None, None, attempt=last + 1, cost=cost)
    text = f"attempt {number} reported this before it completed the chunk: {error}"
    in_vain.add_failed(connection, failed, started_at=started_at, error=text)
    _TAKE_COST.run(connection, **here)
