"""The costs of replaced results: money that was spent stays counted, with the attempt that spent it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.money import usual_cost_in
from checkpoint_store.storage.sql import attempts, bindparam, func, literal_column, null, select
from checkpoint_store.storage.statements import compiled
from checkpoint_store.storage.statements.attempts.attempt_log import IN_JOB_BY_RANGE, of_jobs
from checkpoint_store.storage.statements.attempts.attempts import literal
from checkpoint_store.storage.statements.compiled import at_chunk
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.records.records import Completion

_A: Final = attempts.c
_HERE: Final[Any] = at_chunk(_A)
_REPLACED: Final = _A.replaced_result_id.is_not(null())
_THIS: Final = attempts.alias()
_NOTE: Final = Statement(
    attempts.update()
    .where(
        *_HERE,
        _A.number
        == select(func.max(_THIS.c.number))
        .where(
            *at_chunk(_THIS.c),
            _THIS.c.outcome == literal(AttemptOutcome.COMPLETED),
            _THIS.c.replaced_result_id.is_(null()),
        )
        .scalar_subquery(),
    )
    .values(cost=bindparam("amount"), replaced_result_id=bindparam("result"))
)
_LAST_NUMBER: Final = (
    select(func.coalesce(func.max(_THIS.c.number), literal_column("0")) + literal_column("1"))
    .where(*at_chunk(_THIS.c))
    .scalar_subquery()
)
_ADD: Final = Statement(
    attempts.insert()
    .values(
        job_id=bindparam("in_job"),
        chunk_index=bindparam("at_index"),
        number=_LAST_NUMBER,
        runner_id=literal_column("0"),
        started_at=bindparam("made_at"),
        finished_at=bindparam("made_at"),
        outcome=literal(AttemptOutcome.COMPLETED),
        counted=literal_column("0"),
        is_last=literal_column("0"),
        cost=bindparam("amount"),
        replaced_result_id=bindparam("result"),
    )
    .inline()
)
_AFTER: Final = Statement(
    select(_A.replaced_result_id, _A.chunk_index, literal_column("'replaced'"), _A.cost)
    .where(_A.job_id == bindparam("in_job"), _A.replaced_result_id > bindparam("after"), _REPLACED)
    .order_by(_A.replaced_result_id)
    .limit(bindparam("rows"))
)
_ELSE: Final[Any] = literal_column("0")
_MADE_ELSEWHERE: Final[Any] = (
    select(_A.cost)
    .where(_A.job_id == bindparam("in_job"), _A.replaced_result_id.between(_ELSE, _ELSE), _REPLACED)
    # With the order SQLite uses the index, and does not read all attempts of a job for each chunk of a loop.
    .order_by(_A.replaced_result_id)
    .limit(literal_column("-1"))
    .subquery()
)
_ELSEWHERE: Final = Statement(
    select(
        func.count(_MADE_ELSEWHERE.c.cost),
        func.total(_MADE_ELSEWHERE.c.cost),
        func.coalesce(func.max(_MADE_ELSEWHERE.c.cost), 0.0),
    )
)
BY_JOB: Final = Statement(of_jobs(select(_A.job_id, func.total(_A.cost))).where(_REPLACED).group_by(_A.job_id))
_OF_JOB: Final = Statement(select(func.total(_A.cost)).where(IN_JOB_BY_RANGE, _REPLACED))


def note(connection: sqlite3.Connection, completion: Completion, result_id: int | None, made_at: str) -> None:
    """Keep the cost of a result that a completion replaces, with the attempt that made the result.

    A result without an attempt (it was recorded without a claim) gets an attempt of no runner.
    """
    amount = completion.earlier_cost
    if amount is None and result_id is not None:
        amount = _cost_of(connection, result_id)
    if not amount:
        return
    here = {"in_job": completion.job_id, "at_index": completion.chunk_index}
    if not _NOTE.run(connection, **here, amount=amount, result=result_id).rowcount:
        _ADD.run(connection, **here, amount=amount, result=result_id, made_at=made_at)


def _cost_of(connection: sqlite3.Connection, result_id: int) -> float | None:
    (text,) = compiled.RESULT_TEXT.run(connection, id=result_id).fetchone() or (None,)
    try:
        return None if text is None else usual_cost_in(json_text.decode(text))
    except ValueError:  # it is damaged, and says nothing any more
        return None


def costs_after(connection: sqlite3.Connection, job_id: str, after: int, rows: int) -> list[tuple[Any, ...]]:
    """Return (result id, chunk index, ``"replaced"``, cost) of replaced results after a result id, by id."""
    return _AFTER.run(connection, in_job=job_id, after=after, rows=rows).fetchall()


def cost_in(connection: sqlite3.Connection, job_id: str) -> float:
    """Return the cost of all replaced results of a job."""
    (total,) = _OF_JOB.run(connection, in_job=job_id).fetchone()
    return float(total)


def costs_elsewhere(connection: sqlite3.Connection, job_id: str) -> tuple[int, float, float]:
    """Return number, sum and maximum of the costs of results that were replaced elsewhere, or before a recovery."""
    costs: tuple[int, float, float] = _ELSEWHERE.run(connection, in_job=job_id).fetchone()
    return costs


def with_result_elsewhere(attempt: dict[str, Any]) -> dict[str, Any]:
    """Return an attempt for another store, where the id of its replaced result has no meaning."""
    return attempt if attempt["replaced_result_id"] is None else attempt | {"replaced_result_id": 0}
