"""Failures that the work on a chunk reports by hand while it goes on: they end no attempt, and their cost stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import now
from checkpoint_store.storage.sql import attempts, bindparam, func, literal_column, select
from checkpoint_store.storage.statements import in_vain
from checkpoint_store.storage.statements.attempts import THIS, literal
from checkpoint_store.storage.statements.compiled import at_chunk, insert_into
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records import FailedAttempt

_A: Final = attempts.c
_OF_RUNNER: Final[Any] = _A.runner_id == bindparam("its_runner")
_REPORT: Final = Statement(
    lambda: (
        attempts.update()
        .where(*THIS, _OF_RUNNER, _A.outcome == literal(AttemptOutcome.RUNNING))
        .values(
            error=func.coalesce(_A.error + literal_column("char(10)"), literal_column("''")) + bindparam("its_error"),
            cost=func.coalesce(_A.cost + bindparam("its_cost"), _A.cost, bindparam("its_cost")),
        )
    )
)
_REPORTED: Final = Statement(
    lambda: select(_A.cost, _A.error, _A.started_at).where(
        *THIS, _A.outcome != literal(AttemptOutcome.COMPLETED), _A.cost.is_not(None)
    )
)
_LAST: Final = Statement(lambda: select(func.max(_A.number)).where(*at_chunk(_A)))
_TAKE_COST: Final = Statement(lambda: attempts.update().where(*THIS).values(cost=None))
_ADD: Final = insert_into("attempts")


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
    (last,) = _LAST.run(connection, in_job=job_id, at_index=index).fetchone()
    _ADD.run(
        connection,
        job_id=job_id,
        chunk_index=index,
        number=last + 1,
        runner_id=0,
        started_at=started_at,
        finished_at=now(),
        outcome=AttemptOutcome.FAILED.value,
        error=f"attempt {number} reported this before it completed the chunk: {error}",
        seconds=None,
        counted=0,
        is_last=0,
        reserved_cost=None,
        cost=cost,
        replaced_result_id=None,
    )
    _TAKE_COST.run(connection, **here)
