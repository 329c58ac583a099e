"""Statements that read the summaries of jobs, in a fixed number of reads for any number of jobs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.records import JobSummary
from checkpoint_store.storage.sql import and_, attempts, func, literal_column, select
from checkpoint_store.storage.statements import handles
from checkpoint_store.storage.statements.attempts import replaced, reservations
from checkpoint_store.storage.statements.attempts.attempt_log import (
    TROUBLE,
    is_complete,
    is_last_and_incomplete,
    of_jobs,
    runner_notes,
)
from checkpoint_store.storage.statements.attempts.attempts import literal
from checkpoint_store.storage.statements.compiled import of_same_chunk
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.statements.attempts.attempt_log import RunnerNotes

_A: Final = attempts.c


class _Failures(NamedTuple):
    """The numbers of chunks of each job that are failed or in doubt."""

    failed: Counter[str]
    in_doubt: Counter[str]
    with_handle: Counter[str]
    """The number of chunks in doubt that have a handle."""


def _troubled() -> Select[Any]:
    in_doubt = _A.outcome == literal(AttemptOutcome.ABANDONED)
    columns = (_A.job_id, func.sum(_A.is_last), func.sum(in_doubt), func.sum(and_(in_doubt, handles.of_attempt())))
    return of_jobs(select(*columns)).where(TROUBLE, *is_last_and_incomplete()).group_by(_A.job_id)


def _outcome_before() -> Any:
    """Return the SQL expression for the outcome of the attempt before an attempt, if that left its chunk incomplete."""
    before = attempts.alias()
    earlier = select(before.c.outcome).where(
        *of_same_chunk(before.c, _A), before.c.number < _A.number, ~is_complete(before.c)
    )
    return earlier.order_by(before.c.number.desc()).limit(literal_column("1")).scalar_subquery()


_TROUBLED: Final = Statement(_troubled())
_IN_HAND: Final = Statement(
    select(_A.job_id, _A.chunk_index, _A.number, _A.runner_id, handles.of_attempt(), _outcome_before())
    .select_from(attempts)
    .where(_A.outcome == literal(AttemptOutcome.RUNNING), *is_last_and_incomplete())
)


def summaries(connection: sqlite3.Connection, records: Sequence[JobRecord], path: Path) -> list[JobSummary]:
    """Return the summaries of these jobs, in their order. Each runner is probed once."""
    numbers = json_text.encode([record.job_number for record in records])
    job_id = records[0].job_id if len(records) == 1 else None
    notes = runner_notes(connection, job_id, path)
    active = {runner.job_id for runner in notes.values() if not runner.is_dead}
    failures = _failures(connection, numbers, notes)
    of_jobs_with_costs = replaced.BY_JOB, reservations.FAILED_BY_JOB
    replaced_costs, failed_costs = (dict(costs.run(connection, numbers=numbers)) for costs in of_jobs_with_costs)
    return [
        JobSummary(
            job_id=record.job_id,
            file_name=record.file_name,
            video_title=record.video_title,
            model=record.model,
            provider=record.provider,
            status=record.status,
            is_active=record.job_id in active,
            progress=record.progress,
            failed_chunks=failures.failed[record.job_id],
            in_doubt_chunks=failures.in_doubt[record.job_id],
            in_doubt_with_handle=failures.with_handle[record.job_id],
            redo_chunks=record.redo_count,
            replaced_cost=replaced_costs.get(record.job_id, 0.0),
            failed_cost=failed_costs.get(record.job_id, 0.0),
            superseded_by=record.superseded_by,
            error_message=record.error_message,
            config=record.config,
            metadata=record.metadata or {},
        )
        for record in records
    ]


def _failures(connection: sqlite3.Connection, numbers: str, notes: Mapping[int, RunnerNotes]) -> _Failures:
    """Return the counts for the jobs with these numbers, a JSON list.

    An attempt that its runner has claimed and not begun does not count: the attempt before it is the last one.
    """
    failures = _Failures(Counter(), Counter(), Counter())
    for of, failed, in_doubt, held in _TROUBLED.run(connection, numbers=numbers):
        failures.failed[of], failures.in_doubt[of], failures.with_handle[of] = failed, in_doubt, held
    for of, index, number, runner_id, held, before in _IN_HAND.run(connection) if notes else ():
        runner = notes.get(runner_id)  # None: of another job
        if runner and (runner.is_dead if runner.has_begun(index, number) else before == AttemptOutcome.ABANDONED):
            failures.in_doubt[of] += 1
            failures.with_handle[of] += held
    return failures
