"""Find the earlier job of a file with which a plan is compared. Reads only, in the transaction that acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import Plan, is_same
from checkpoint_store.storage.sql import bindparam, jobs, null, or_, select
from checkpoint_store.storage.statements import extend
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements.statement import statement_for_arguments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Select

    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.records import JobRecord


def earlier_job(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the job of this very plan; else the newest job of the file that has results; else None.

    With ``on_change="extend"``, a newest job of the file that can grow comes before a job with results.

    None means that nothing needs protection: no job of the file has this plan, a completed chunk, or a handle of work
    that a service holds.
    """
    job = job_of_plan(connection, request, path)
    if job is None and request.on_change == "extend":
        job = extend.job_to_extend(connection, request, path)
    return job or _newest_with_results(connection, request.plan.file_name, path)


def job_of_plan(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord | None:
    """Return the newest job of this plan, whatever its status and however many other jobs were opened since.

    A job that was opened with a number of chunks agrees with any chunks of that number. An older job comes before it if
    it has results and exactly these fingerprints.
    """
    by_number: Any = None
    plan = request.plan
    verdicts: dict[tuple[Any, ...], bool] = {}
    for row in _candidates(connection, request):
        if plan.chunks_digest is not None and row.chunks_digest not in (None, request.digest_by(row.fingerprint_rule)):
            continue
        settings = (row.model, row.provider, row.config)
        if settings not in verdicts:
            verdicts[settings] = is_same(_plan_of(row, plan, path), plan)
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
    names = job_statements.spelt(plan.file_name)
    given: dict[str, Any] = {"total": plan.total_chunks, "in_order": int(plan.sequential), **names}
    if plan.chunks_digest is not None:
        given |= {"digest": plan.chunks_digest, "old_digest": request.digest_by(1)}
    statement = _of_file(len(names), with_digest="digest" in given)
    yield from map(_Candidate._make, statement.run(connection, **given))


@statement_for_arguments
def _of_file(spellings: int, *, with_digest: bool) -> Select[Any]:
    where: list[Any] = [job_statements.named(spellings), jobs.c.total_chunks == bindparam("total")]
    where.append(jobs.c.sequential == bindparam("in_order"))
    if with_digest:
        digests = [jobs.c.chunks_digest == bindparam(name) for name in ("digest", "old_digest")]
        where.append(or_(*digests, jobs.c.chunks_digest.is_(null())))
    columns = (jobs.c[name] for name in _Candidate._fields)
    return select(*columns).where(*where).order_by(jobs.c.job_number.desc())


def _plan_of(row: _Candidate, plan: Plan, path: Path) -> Plan:
    try:
        config = json_text.decode(row.config)
    except ValueError as error:
        raise StoreDamaged(path, f"its row in jobs cannot be read: {error}", job_id=row.job_id) from error
    return Plan(plan.file_name, plan.total_chunks, row.model, row.provider, config, sequential=plan.sequential)


def _newest_with_results(connection: sqlite3.Connection, file_name: str, path: Path) -> JobRecord | None:
    # A chunk that was completed without a result counts: the work was done, and its result is kept elsewhere.
    return next(iter(job_statements.list_jobs(connection, path, file_name=file_name, with_results=True, limit=1)), None)
