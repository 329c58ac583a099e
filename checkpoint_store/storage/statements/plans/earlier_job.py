"""Find the earlier job of a file with which a plan is compared, and let that job grow."""

from __future__ import annotations

from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.errors import Difference, counted
from checkpoint_store.model.plan import Plan, digest_of_fingerprints, is_same, same_settings
from checkpoint_store.storage.sql import bindparam, completed_chunks, null, select
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.plans.comparison import config_of
from checkpoint_store.storage.statements.statement import Statement, select_text, statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import JobRecord


_C: Final = completed_chunks.c
_FINGERPRINTS: Final = Statement(
    select(_C.chunk_index, _C.fingerprint).where(_C.job_id == bindparam("in_job"), _C.fingerprint.is_not(null()))
)
_PAYERS: Final = Statement(
    select(_C.source_job_id).where(_C.job_id == bindparam("in_job"), _C.source_job_id.is_not(null())).distinct()
)
_CONTENT_NOT_GIVEN: Final = "not given (only their number is)"


def job_to_extend(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the newest job of the file if it can grow into a plan, or has more chunks than the plan; otherwise None.

    The job need not have results: a runner may be at work on it. A plan with fewer chunks than the job is of an old
    version of the input. A second job for it would be paid for in vain.
    """
    newest = job_statements.list_jobs(connection, path, file_name=request.plan.file_name, limit=1)
    total = request.plan.total_chunks
    return next((job for job in newest if job.total_chunks > total or can_grow(job, request)), None)


def can_grow(job: JobRecord, request: OpenRequest) -> bool:
    """Return whether a job's settings are the plan's, and its chunks the first ones of the plan, which has more."""
    total = job.total_chunks
    return (
        total < request.plan.total_chunks
        and job.sequential == request.plan.sequential
        and same_settings(job.plan, request.plan)
        and job.chunks_digest in (None, _digest_of_first(total, request, job.fingerprint_rule))
    )


def differences_at_beginning(
    connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, differences: Iterable[Difference]
) -> list[Difference]:
    """Return the differences that keep a job from growing into a plan: all except the growth itself."""
    total, wanted = job.total_chunks, request.plan.total_chunks
    grows_by_number = total <= wanted
    growth = ("chunks", "total_chunks") if grows_by_number else ("chunks",)
    others = [difference for difference in differences if difference.field not in growth]
    if not grows_by_number or job.chunks_digest is None or job.sequential != request.plan.sequential:
        return others
    if request.fingerprints is None:
        not_at_hand = Difference("chunks", f"{counted(total, 'chunk')} with their content", _CONTENT_NOT_GIVEN)
        return [*others, not_at_hand] if total < wanted else others
    digest = _digest_of_first(total, request, job.fingerprint_rule)
    if digest != job.chunks_digest:
        old, new = (
            f"the first {counted(total, 'chunk')} with digest {(text or '')[:14]}"
            for text in (job.chunks_digest, digest)
        )
        changed = _first_changed(connection, job, request)
        others.append(Difference("chunks", old, new if changed is None else f"{new}; chunk {changed} is another one"))
    return others


def _first_changed(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest) -> int | None:
    """Return the first chunk of a plan whose result in the job was made from another chunk; None if there is none."""
    made_from = fingerprints_of_done(connection, job.job_id)
    given = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
    return next((index for index, fingerprint in given if made_from.get(index, fingerprint) != fingerprint), None)


def fingerprints_of_done(connection: sqlite3.Connection, job_id: str) -> dict[int, str]:
    """Return the fingerprint of each completed chunk of a job, as far as it is known, by index."""
    return dict(_FINGERPRINTS.run(connection, in_job=job_id).fetchall())


def payers(connection: sqlite3.Connection, job_id: str) -> set[str]:
    """Return the jobs that paid for results which a job carries: its caller chose to reuse their results."""
    return {payer for (payer,) in _PAYERS.run(connection, in_job=job_id)}


def exchanging(connection: sqlite3.Connection, job: JobRecord, path: Path) -> set[str]:
    """Return the jobs of the same file with which a job shares results: the caller opened the later of the two so.

    The later job says that its results were looked for in the jobs before it (``looked_number``). None of them is left
    out: a job whose change was undone also takes the results of a job that found none of its own results.
    """
    others = job_statements.list_jobs(connection, path, file_name=job.file_name)
    return {
        other.job_id
        for other in others
        if other.job_id != job.job_id
        and max(job, other, key=attrgetter("started_at", "job_number")).looked_number is not None
    }


def _digest_of_first(total: int, request: OpenRequest, rule: int) -> str | None:
    """Return the digest of a plan's first chunks; None if they are not at hand, or the rule does not identify them."""
    fingerprints = request.fingerprints_by(rule)
    return None if fingerprints is None else digest_of_fingerprints(islice(fingerprints, total))


def extend(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, path: Path) -> JobRecord:
    """Let a job grow into a plan, and return the grown job. Completed chunks stay as they are."""
    changes: dict[str, Any] = {"total_chunks": request.plan.total_chunks}
    if job.chunks_digest is not None:
        changes["chunks_digest"] = request.digest_by(job.fingerprint_rule)
    job_statements.update_job(connection, job.job_id, path, **changes)
    return job_statements.find_job(connection, job.job_id, path)


def earlier_job(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the job of this very plan; else the newest job of the file that has results; else None.

    With ``on_change="extend"``, a newest job of the file that can grow comes before a job with results.

    None means that nothing needs protection: no job of the file has this plan, a completed chunk, or a handle of work
    that a service holds.
    """
    job = job_of_plan(connection, request, path)
    if job is None and request.on_change == "extend":
        job = job_to_extend(connection, request, path)
    if job is not None:
        return job
    # A chunk that was completed without a result counts: the work was done, and its result is kept elsewhere.
    name = request.plan.file_name
    return next(iter(job_statements.list_jobs(connection, path, file_name=name, with_results=True, limit=1)), None)


def job_of_plan(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the newest job of this plan, whatever its status and however many other jobs were opened since.

    A job that was opened with a number of chunks agrees with any chunks of that number. An older job comes before it if
    it has results and exactly these fingerprints.
    """
    by_number: Any = None
    plan = request.plan
    verdicts: dict[tuple[Any, ...], bool] = {}

    def plan_of(row: _Candidate) -> Plan:
        config = config_of(row.config, row.job_id, path)
        return Plan(plan.file_name, plan.total_chunks, row.model, row.provider, config, sequential=plan.sequential)

    for row in _candidates(connection, request):
        if plan.chunks_digest is not None and row.chunks_digest not in (None, request.digest_by(row.fingerprint_rule)):
            continue
        settings = (row.model, row.provider, row.config)
        if settings not in verdicts:
            verdicts[settings] = is_same(plan_of(row), plan)
        if not verdicts[settings]:
            continue
        if plan.chunks_digest is None or row.chunks_digest is not None:
            if by_number is None or row.completed_count > 0:
                return job_statements.find_job(connection, row.job_id, path)
            break
        by_number = by_number or row.job_id
    return None if by_number is None else job_statements.find_job(connection, by_number, path)


class _Candidate(NamedTuple):
    """A job whose chunks may agree with those of a plan."""

    job_id: str
    model: str | None
    provider: str | None
    config: str
    chunks_digest: str | None
    fingerprint_rule: int
    completed_count: int


def _candidates(connection: sqlite3.Connection, request: OpenRequest) -> Iterator[_Candidate]:
    """Yield the file's jobs whose chunks may agree with the plan's, as far as both are known, the newest first.

    The index on ``file_name`` gives them in this order: its rows are sorted by ``job_number``, the table's rowid.
    """
    plan = request.plan
    names = job_statements.spelt(connection, plan.file_name)
    given: dict[str, Any] = {"total": plan.total_chunks, "in_order": int(plan.sequential), **names}
    if plan.chunks_digest is not None:
        given |= {"digest": plan.chunks_digest, "old_digest": request.digest_by(1)}
    statement = _of_file(len(names), with_digest="digest" in given)
    yield from map(_Candidate._make, statement.run(connection, **given))


@statement_for_arguments
def _of_file(spellings: int, *, with_digest: bool) -> str:
    where = f"{job_statements.named(spellings)} AND total_chunks = :total AND sequential = :in_order"
    if with_digest:
        where += " AND (chunks_digest IN (:digest, :old_digest) OR chunks_digest IS NULL)"
    return f"{select_text('jobs', _Candidate._fields)} WHERE {where} ORDER BY job_number DESC"
