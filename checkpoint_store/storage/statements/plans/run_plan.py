"""Predict a run: the opening of a job, and the work on its chunks. Reads only."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Final

from checkpoint_store.model.records import RunPlan
from checkpoint_store.storage.sql import bindparam, completed_chunks, jobs, literal_column, select
from checkpoint_store.storage.statements import costs as cost_statements
from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements.attempts import attempt_log, reservations
from checkpoint_store.storage.statements.jobs.jobs import find_job
from checkpoint_store.storage.statements.plans import stored_answers
from checkpoint_store.storage.statements.plans.open_job import decide, handles_for_rest, reusable_for_rest
from checkpoint_store.storage.statements.plans.stored_results import StoredResults, setting_names
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.records.open_requests import Source
    from checkpoint_store.storage.records.records import Costs, JobRecord
    from checkpoint_store.storage.statements.costs import Page
    from checkpoint_store.storage.statements.plans.comparison import PlanSearch
    from checkpoint_store.storage.statements.results import Substitutes

_C: Final = completed_chunks.c
_PAYER: Final = Statement(
    select(_C.source_job_id)
    .join_from(completed_chunks, jobs, jobs.c.job_id == _C.source_job_id)
    .where(_C.job_id == bindparam("in_job"))
    .limit(literal_column("1"))
)


def plan_run(search: PlanSearch, earlier: JobRecord | None, *, cost: str, substitutes: Substitutes) -> RunPlan:
    """Return the prediction of a run that opens a job with the request.

    ``earlier``: the job with which the plan is compared. Its costs are used for the estimate of a fresh job, too.
    ``cost``: the field of the results, or the dotted path, with the cost.
    """
    connection, request, path = search
    decision = decide(search, None if request.fresh else earlier)
    if decision.action == "refuse":  # with the results and the handles that on_change="reuse" would take
        reused = StoredResults(*search).reusable()
        handles_of_new = stored_answers.for_new_job(search, reused)
        decision = dataclasses.replace(decision, reused=reused, handles=handles_of_new)
    job = decision.earlier if decision.action in ("resume", "extend", "complete") else None
    rest: dict[int, Source] = {}
    has_grown = decision.action == "extend"
    if job is not None:
        job = job._replace(total_chunks=request.plan.total_chunks)
        rest, _ = reusable_for_rest(search, job, reads_only=True, has_grown=has_grown)
    reused_count = len(decision.reused) if job is None else job.done_count + len(rest)
    reused_count -= len(redos.of_kept(connection, decision.reused if job is None else rest))
    troubled = [] if job is None else attempt_log.latest(connection, job.job_id, path, outcomes=("failed", "abandoned"))
    troubled = [record for record in troubled if record.chunk_index not in rest]
    held = set(decision.handles)
    if job is not None:
        held = handles.left_in(connection, job.job_id).keys() - rest.keys()
        if request.plan.sequential and rest:  # the handles behind were made from results that these replace
            held = {index for index in held if index < min(rest)}
        held |= handles_for_rest(search, job, rest, has_grown=has_grown).keys()
    failed = tuple(record.chunk_index for record in troubled if record.is_last)
    to_do = 0 if decision.action == "refuse" else request.plan.total_chunks - reused_count - len(failed)
    if failed and request.plan.sequential:  # the chunks after it wait for it
        to_do = max(failed[0] - reused_count, 0)
    spent, mean_cost, seconds = 0.0, None, None
    if earlier is not None:
        where = cost_statements.readable(cost, substitutes)
        paid = partial(_paid, connection, cost=where, substitutes=substitutes)
        own = paid(earlier.job_id)
        spent = reservations.spending(connection, earlier.job_id, own).spent
        payer = earlier if own.priced else _payer(connection, earlier, path) or earlier
        # Another model, prompt or chunk size has other prices; other chunks under the same settings have the same.
        if not setting_names(payer.plan, request.plan):
            mean_cost, seconds = _means(connection, payer, own if payer is earlier else paid(payer.job_id))
    return RunPlan(
        file_name=request.plan.file_name,
        job_id=None if job is None else job.job_id,
        action=decision.action,
        total_chunks=request.plan.total_chunks,
        chunks_to_do=to_do,
        kept=reused_count,
        in_doubt=tuple(record.chunk_index for record in troubled if record.outcome == "abandoned"),
        failed=failed,
        with_handle=tuple(sorted(held)),
        differences=tuple(decision.differences),
        estimated_cost=None if mean_cost is None else mean_cost * to_do,
        estimated_seconds=None if seconds is None else seconds * to_do,
        spent=spent,
        kept_elsewhere=decision.elsewhere.chunks + decision.elsewhere.by_place,
        other_settings=decision.elsewhere.other_settings,
    )


def _means(connection: sqlite3.Connection, job: JobRecord, results: Costs) -> tuple[float | None, float | None]:
    """Return the mean cost and the mean seconds of a chunk of a job; ``results`` are the costs of its own results."""
    attempt_count, seconds = attempt_log.seconds_of(connection, job.job_id)
    return (
        results.total / results.priced if results.priced else None,
        seconds / attempt_count if attempt_count else _pace(job),
    )


def _paid(connection: sqlite3.Connection, job_id: str, *, cost: Cost, substitutes: Substitutes) -> Costs:
    """Return the costs of the results that a job paid for itself."""

    def page(after: int) -> Page:
        return cost_statements.page(connection, job_id, after, cost, substitutes=substitutes)

    return cost_statements.costs_of_pages(page, 0, cost)


def _payer(connection: sqlite3.Connection, job: JobRecord, path: Path) -> JobRecord | None:
    """Return a job in the store that paid for a result that this job carries.

    A job that only carries results has paid for none. The costs of the payer then tell the cost of a chunk.
    """
    (payer_id,) = _PAYER.run(connection, in_job=job.job_id).fetchone() or (None,)
    return None if payer_id is None else find_job(connection, payer_id, path)


def _pace(job: JobRecord) -> float | None:
    """Return the seconds of work that a chunk of a job took, the time between chunks included."""
    per_minute = job.progress.chunks_per_minute
    return None if per_minute is None else 60 / per_minute
