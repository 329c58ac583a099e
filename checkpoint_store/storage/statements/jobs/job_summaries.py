"""Statements that read the summaries of jobs, in a fixed number of reads for any number of jobs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.records import JobSummary
from checkpoint_store.storage.runner_lock import probe, runner_lock_path
from checkpoint_store.storage.sql import and_, attempts, func, select
from checkpoint_store.storage.statements import handles
from checkpoint_store.storage.statements.attempts import replaced, reservations
from checkpoint_store.storage.statements.attempts.attempt_log import IN_JOB_BY_TROUBLE, TROUBLE, is_last_and_incomplete
from checkpoint_store.storage.statements.attempts.attempts import literal
from checkpoint_store.storage.statements.attempts.runners import runners_at_work
from checkpoint_store.storage.statements.statement import Statement, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.records.records import JobRecord

_A: Final = attempts.c


class _Failures(NamedTuple):
    """The numbers of chunks of each job that are failed or in doubt."""

    failed: Counter[str]
    in_doubt: Counter[str]
    with_handle: Counter[str]
    """The number of chunks in doubt that have a handle."""


@statement_for_arguments
def _troubled(*, of_one_job: bool) -> Select[Any]:
    in_doubt = _A.outcome == literal(AttemptOutcome.ABANDONED)
    columns = (_A.job_id, func.sum(_A.is_last), func.sum(in_doubt), func.sum(and_(in_doubt, handles.of_attempt())))
    where = [TROUBLE, *is_last_and_incomplete(), *([IN_JOB_BY_TROUBLE] if of_one_job else [])]
    return select(*columns).where(*where).group_by(_A.job_id)


_IN_HAND: Final = Statement(
    lambda: (
        select(_A.job_id, _A.chunk_index, _A.number, _A.runner_id, handles.of_attempt())
        .select_from(attempts)
        .where(_A.outcome == literal(AttemptOutcome.RUNNING), *is_last_and_incomplete())
    )
)


def summaries(connection: sqlite3.Connection, records: Sequence[JobRecord], path: Path) -> list[JobSummary]:
    """Return the summaries of these jobs, in their order. Each runner is probed once."""
    job_id = records[0].job_id if len(records) == 1 else None
    active, begun_by_dead = _runners(connection, path, job_id)
    failures = _failures(connection, job_id, begun_by_dead)
    replaced_costs = replaced.costs_by_job(connection, job_id)
    failed_costs = reservations.failed_costs(connection, job_id)
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


_Begun = dict[int, frozenset[tuple[int, int]] | None]
"""The attempts that each dead runner had begun; None: any of its attempts may have begun."""


def _runners(connection: sqlite3.Connection, path: Path, job_id: str | None) -> tuple[set[str], _Begun]:
    """Return the jobs that a living runner works on, and the begun attempts of dead runners that are not reaped."""
    active: set[str] = set()
    begun_by_dead: _Begun = {}
    for runner in runners_at_work(connection, job_id):
        dead = probe(runner_lock_path(path, runner.lock_file))
        if dead is None:
            active.add(runner.job_id)
        else:
            begun_by_dead[runner.runner_id] = dead.begun
    return active, begun_by_dead


def _failures(connection: sqlite3.Connection, job_id: str | None, begun_by_dead: _Begun) -> _Failures:
    failures = _Failures(Counter(), Counter(), Counter())
    of_job = {} if job_id is None else {"in_job": job_id}
    for of, failed, in_doubt, held in _troubled(of_one_job=job_id is not None).run(connection, **of_job):
        failures.failed[of], failures.in_doubt[of], failures.with_handle[of] = failed, in_doubt, held
    for of, index, number, runner_id, held in _IN_HAND.run(connection) if begun_by_dead else ():
        begun = begun_by_dead.get(runner_id, frozenset())
        if begun is None or (index, number) in begun:
            failures.in_doubt[of] += 1
            failures.with_handle[of] += held
    return failures
