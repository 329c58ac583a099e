"""Which of a file's jobs a plan is held against. Reads only; ask inside the transaction that acts on the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from checkpoint_store.errors import StoreDamaged
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import Plan, is_same
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.tables import jobs

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from checkpoint_store.storage.records import JobRecord


def earlier_job(connection: Connection, plan: Plan, path: Path) -> JobRecord | None:
    """Return the job of this very plan; else the newest job of the file that has results; else None.

    None says that there is nothing to protect: no job of the file has a completed chunk, and none has this plan.
    """
    return _of_this_plan(connection, plan, path) or _newest_with_results(connection, plan.file_name, path)


def _of_this_plan(connection: Connection, plan: Plan, path: Path) -> JobRecord | None:
    """Return the newest job of this plan, whatever its status and however many other jobs were opened since.

    A job that was opened by its number of chunks agrees with any chunks of that number. But a job that has results and
    is known to be of these very chunks is the surer one, also where it is older.
    """
    by_number: Any = None
    verdicts: dict[tuple[Any, ...], bool] = {}
    for row in _candidates(connection, plan):
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


def _candidates(connection: Connection, plan: Plan) -> Any:
    """Yield the file's jobs whose chunks agree with the plan's as far as both are known, the newest first.

    The index on ``file_name`` gives them in this order: its rows are sorted by ``job_number``, the table's rowid.
    """
    columns = jobs.c.job_id, jobs.c.model, jobs.c.provider, jobs.c.config, jobs.c.chunks_digest, jobs.c.completed_count
    statement = select(*columns).where(jobs.c.file_name == plan.file_name, jobs.c.total_chunks == plan.total_chunks)
    if plan.chunks_digest is not None:
        statement = statement.where(or_(jobs.c.chunks_digest == plan.chunks_digest, jobs.c.chunks_digest.is_(None)))
    return connection.execute(statement.order_by(jobs.c.job_number.desc()))


def _plan_of(row: Row[Any], plan: Plan, path: Path) -> Plan:
    try:
        config = json_text.decode(row.config)
    except ValueError as error:
        raise StoreDamaged(path, f"its row in jobs does not read: {error}", job_id=row.job_id) from error
    return Plan(plan.file_name, plan.total_chunks, row.model, row.provider, config)


def _newest_with_results(connection: Connection, file_name: str, path: Path) -> JobRecord | None:
    # A chunk that was completed without a result counts: the work was done, and its result is kept elsewhere.
    return next(iter(job_statements.list_jobs(connection, path, file_name=file_name, with_results=True, limit=1)), None)
