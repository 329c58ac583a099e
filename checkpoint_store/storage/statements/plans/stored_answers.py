"""Find handles, results by place, and answers to redo marks for the chunks of a plan. Reads only."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.plan import normal_name, same_settings
from checkpoint_store.storage.records.open_requests import Source
from checkpoint_store.storage.sql import bindparam, completed_chunks, jobs, null, select
from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs.jobs import find_job
from checkpoint_store.storage.statements.plans.comparison import Begun, has_same_results, joined
from checkpoint_store.storage.statements.plans.stored_results import setting_names
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Container, Mapping

    from sqlalchemy import Select

    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import JobRecord
    from checkpoint_store.storage.statements.handles import HandleRow
    from checkpoint_store.storage.statements.plans.comparison import PlanSearch


def for_new_job(search: PlanSearch, reused: Mapping[int, Source]) -> dict[int, str]:
    """Return the newest handle that a new job with these results can take over, by chunk. Reads only.

    A handle is taken under the conditions of a result: the same fingerprint and settings. A result that is to be done
    again takes the handle of the same redo.
    """
    asked_at = redos.of_kept(search.connection, reused)
    return _taken(search, reused, asked_at, begun_in=_last_source(reused, ""))


def for_rest(
    search: PlanSearch, job: JobRecord, reused: Mapping[int, Source], *, of: Container[str] | None
) -> dict[int, str]:
    """Return the handles that a job which goes on can take over, for chunks left without a handle.

    ``reused``: the results that the job takes over. ``of``: take the handles of these jobs only; None: of any job.
    """
    connection = search.connection
    done = {*result_statements.indices(connection, job.job_id), *reused}
    marks = {mark.chunk_index: mark.asked_at for mark in redos.marks(connection, job.job_id)}
    asked_at = {at: asked for at, asked in marks.items() if at not in reused} | redos.of_kept(connection, reused)
    begun_in = _last_source(reused, job.job_id)  # a plan reads them there: they are not carried over
    taken = _taken(search, done, asked_at, begun_in=begun_in, but_job=job.job_id, of=of)
    own = handles.left_in(connection, job.job_id).keys() - reused.keys()
    return {at: handle for at, handle in taken.items() if at not in own}


def _last_source(reused: Mapping[int, Source], default: str) -> str:
    """Return the job of the last result that a plan takes over. A sequential plan takes all results from one job."""
    return reused[max(reused)].job_id if reused else default


def carry(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, by_chunk: Mapping[int, str]) -> None:
    """Add handles of other jobs to a job, in the open transaction."""
    if by_chunk:
        named = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
        handles.add(
            connection, job.job_id, [(at, by_chunk[at], fingerprint) for at, fingerprint in named if at in by_chunk]
        )


def adopt(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest) -> None:
    """Fill in the fingerprints of handles that were recorded while only the number of chunks was known."""
    unknown = {at for at, fingerprint in handles.left_in(connection, job.job_id).items() if fingerprint is None}
    if unknown:
        named = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
        handles.set_fingerprints(
            connection, job.job_id, {at: fingerprint for at, fingerprint in named if at in unknown}
        )


def _taken(
    search: PlanSearch,
    done: Collection[int],
    asked_at: Mapping[int, str],
    *,
    begun_in: str,
    but_job: str = "",
    of: Container[str] | None = None,
) -> dict[int, str]:
    """Return handles by chunk. ``asked_at``: when each redo of the ``done`` chunks was asked for, by chunk."""
    connection, request, path = search
    if request.fingerprints is None:
        return {}
    begun = Begun(begun_in, min(asked_at, default=len(done)))
    rules = (0,) if request.by_old_rule is None else (0, 1)
    given = chain.from_iterable(request.fingerprints_by(rule) or () for rule in rules)
    outstanding = handles.outstanding(connection, given, request.plan.total_chunks, but_job)
    rows = [row for row in outstanding if of is None or row.job_id in of]
    rows = [row for row in rows if _goes_on(search, row, begun)]
    rule_of = {
        job.job_id: 1 if job.fingerprint_rule == 1 and normal_name(job.file_name) == request.plan.file_name else 0
        for job in (find_job(connection, job_id, path) for job_id in {row.job_id for row in rows})
        if same_settings(job.plan, request.plan, request.reuse_ignoring)
    }
    by_chunk: dict[int, str] = {}
    for rule in set(rule_of.values()):  # rule 1 reads only a part of an object: it counts within a file
        by_redo: dict[tuple[str | None, str], str] = {}
        for row in rows:
            if rule_of.get(row.job_id) == rule and _fits(search, row):
                for redo in {None, row.redo_asked_at}:  # a chunk that has no result yet takes any handle
                    by_redo.setdefault((redo, row.fingerprint), row.handle)
        for at, fingerprint in enumerate(request.fingerprints_by(rule) or ()):
            handle = by_redo.get((asked_at.get(at), fingerprint))
            if handle is not None and (at in asked_at or at not in done):
                by_chunk.setdefault(at, handle)
    return by_chunk


def _fits(search: PlanSearch, row: HandleRow) -> bool:
    """Whether the job that recorded a handle has the settings of the plan, as far as they count."""
    connection, request, path = search
    origin = handles.origin(connection, row.job_id, row.chunk_index)
    if origin == row.job_id:
        return True
    return same_settings(find_job(connection, origin, path).plan, request.plan, request.reuse_ignoring)


def _goes_on(search: PlanSearch, row: HandleRow, begun: Begun) -> bool:
    """Whether the work of a handle began with the results that the job of the plan has before it."""
    if not search.request.plan.sequential:
        return True
    if row.chunk_index != begun.chunks:
        return False
    return row.job_id == begun.job_id or has_same_results(search.connection, begun, row.job_id)


_C: Final = completed_chunks.c


def _results() -> Select[Any]:
    return (
        select(_C.chunk_index, _C.fingerprint)
        .where(_C.job_id == bindparam("in_job"), _C.digest.is_not(null()), _C.source_differs_in.is_(null()))
        .order_by(_C.chunk_index)
    )


_RESULTS: Final = Statement(_results())
_OF_UNKNOWN_CHUNKS: Final = Statement(_results().where(_C.fingerprint.is_(null())))
"""SQLite returns no row of a job that knows its chunks: the write transaction waits for no loop over such rows."""


def results_by_place(search: PlanSearch, ignoring: frozenset[str], but: Container[int]) -> dict[int, Source]:
    """Return results of the newest job of the file that has them, and that has as many chunks.

    ``ignoring``: the settings in which the job may differ. ``but``: the chunks that have a result already.
    """
    connection, request, path = search
    plan = request.plan
    if all(index in but for index in range(plan.total_chunks)):
        return {}
    needs_unknown = request.fingerprints is not None
    statement = _OF_UNKNOWN_CHUNKS if needs_unknown and not plan.sequential else _RESULTS
    for job in job_statements.list_jobs(connection, path, file_name=plan.file_name, with_results=True):
        if job.total_chunks != plan.total_chunks or not same_settings(job.plan, plan, ignoring):
            continue
        differs_in = joined(None, setting_names(job.plan, plan))
        sources: dict[int, Source] = {}
        for index, fingerprint in statement.run(connection, in_job=job.job_id):
            if plan.sequential and (index != len(sources) or (needs_unknown and fingerprint is not None)):
                break
            if index not in but:
                sources[index] = Source(job.job_id, index, differs_in)
        if sources:
            return sources
    return {}


_ANSWERS: Final = Statement(
    select(_C.redo_asked_at, _C.fingerprint, _C.job_id, _C.chunk_index)
    .join_from(completed_chunks, jobs, jobs.c.job_id == _C.job_id)
    .where(
        _C.redo_asked_at.is_not(null()),
        _C.job_id != bindparam("but_job"),
        _C.digest.is_not(null()),
        _C.source_differs_in.is_(null()),
    )
    .order_by(jobs.c.job_number.desc(), _C.chunk_index)
)


def answers(search: PlanSearch, job: JobRecord, *, of: Container[str] | None) -> dict[int, Source]:
    """Return the sources of results of other jobs that answer the redo marks of a job, by chunk index.

    ``of``: take the results of these jobs only; None: of any job.

    The results were made under the same settings. For a sequential job, all results come from one other job, which has
    the same results before the first mark; the chunks end before the first mark that this other job does not answer.
    """
    connection, request, _ = search
    marks = sorted(redos.marks(connection, job.job_id))
    fingerprints = list(request.fingerprints_by(job.fingerprint_rule) or ()) if marks else []
    by_redo = _answers_in_store(search, job, of=of) if fingerprints else {}
    of_chunks = {
        mark.chunk_index: by_redo.get((mark.asked_at, fingerprints[mark.chunk_index]), []) for mark in marks if by_redo
    }
    if request.plan.sequential:
        return _in_order(connection, job, of_chunks)
    # The result of the chunk with the same index; if it is not among these, the first result.
    return {
        index: next((source for source in sources if source.chunk_index == index), sources[0])
        for index, sources in of_chunks.items()
        if sources
    }


def _in_order(connection: sqlite3.Connection, job: JobRecord, of_chunks: dict[int, list[Source]]) -> dict[int, Source]:
    """Return the answers for a sequential job: see :func:`answers`. ``of_chunks`` has the marks in ascending order."""
    taken: dict[int, Source] = {}
    begun = Begun(job.job_id, min(of_chunks, default=0))
    candidates = [source.job_id for source in of_chunks.get(begun.chunks, [])]
    answering = next((job_id for job_id in candidates if has_same_results(connection, begun, job_id)), None)
    for index, sources in of_chunks.items():
        source = Source(answering or "", index)
        if source not in sources:
            break
        taken[index] = source
    return taken


def _answers_in_store(
    search: PlanSearch, job: JobRecord, *, of: Container[str] | None
) -> dict[tuple[str, Any], list[Source]]:
    """Return the sources of results that answer a redo, those of the newest job first.

    The key is (when the redo was asked for, fingerprint of the chunk).
    """
    connection, request, path = search
    usable: dict[str, bool] = {}
    by_redo = defaultdict(list)
    for asked_at, fingerprint, job_id, index in _ANSWERS.run(connection, but_job=job.job_id):
        if job_id not in usable:
            other = job_statements.find_job(connection, job_id, path)
            usable[job_id] = (of is None or job_id in of) and same_settings(other.plan, request.plan)
        if usable[job_id]:
            by_redo[asked_at, fingerprint].append(Source(job_id, index))
    return by_redo
