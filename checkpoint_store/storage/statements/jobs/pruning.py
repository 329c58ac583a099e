"""Statements that prune: delete superseded and complete jobs, and old attempts at complete chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.attempt import AttemptOutcome
from checkpoint_store.model.clock import in_text, parse_time
from checkpoint_store.model.records import JobStatus
from checkpoint_store.model.reports import Prunable
from checkpoint_store.storage.sql import (
    LargeBinary,
    attempts,
    bindparam,
    cast,
    chunk_handles,
    chunk_results,
    completed_chunks,
    func,
    literal_column,
    null,
    select,
)
from checkpoint_store.storage.statements import handles, redos
from checkpoint_store.storage.statements.attempts import liveness
from checkpoint_store.storage.statements.attempts.attempt_log import is_complete
from checkpoint_store.storage.statements.attempts.attempts import literal
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.statement import Statement

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container
    from pathlib import Path

    from checkpoint_store.model.reports import PruneRequest
    from checkpoint_store.storage.records.records import JobRecord

_A: Final = attempts.c
_H: Final = chunk_handles.c
_IN_JOB: Final[Any] = _A.job_id == bindparam("in_job")
# An attempt with a cost is part of its job's cost; an attempt in work, or at a chunk that is left, is still needed.
_OLD: Final[Any] = (
    _IN_JOB,
    _A.outcome != literal(AttemptOutcome.RUNNING),
    _A.cost.is_(null()),
    _A.finished_at < bindparam("before"),
    is_complete(),
    ~redos.is_marked(_A),
)
_COUNT_OLD: Final = Statement(select(func.count()).select_from(attempts).where(*_OLD))
_DELETE_OLD: Final = Statement(attempts.delete().where(*_OLD))
_COUNT_ATTEMPTS: Final = Statement(select(func.count()).select_from(attempts).where(_IN_JOB))
_RESULT_BYTES: Final = Statement(
    select(func.coalesce(func.sum(func.length(cast(chunk_results.c.result, LargeBinary))), literal_column("0")))
    .join_from(completed_chunks, chunk_results, chunk_results.c.result_id == completed_chunks.c.result_id)
    .where(completed_chunks.c.job_id == bindparam("in_job"))
)
_OPEN_HANDLE: Final = Statement(
    select(_H.chunk_index)
    .where(
        _H.job_id == bindparam("in_job"),
        handles.is_left(),
    )
    .limit(literal_column("1"))
)
# For each deleted job SQLite looks for its runners, and no index of the schema has those that have ended.
_INDEX_RUNNERS: Final = "CREATE INDEX ix_runners_job_id ON runners (job_id)"
_DROP_INDEX: Final = "DROP INDEX ix_runners_job_id"


def prunable(connection: sqlite3.Connection, path: Path, request: PruneRequest) -> Prunable:
    """Return the rows that a request deletes, from the snapshot of ``connection``. Reads only."""
    every = job_statements.list_jobs(connection, path)
    going = [job.job_id for job in _jobs(connection, path, every, request)]
    count = sum(_number(_COUNT_ATTEMPTS, connection, in_job=job_id) for job_id in going)
    for job_id, before in _with_old_attempts(every, going, request):
        count += _number(_COUNT_OLD, connection, in_job=job_id, before=before)
    size = sum(_number(_RESULT_BYTES, connection, in_job=job_id) for job_id in going)
    return Prunable(tuple(going), count, size)


def prune(connection: sqlite3.Connection, path: Path, request: PruneRequest) -> Prunable:
    """Delete the rows of a request, and return them. The transaction has an index of its own while it deletes jobs."""
    every = job_statements.list_jobs(connection, path)
    pruned = prunable(connection, path, request)
    if pruned.jobs:
        connection.execute(_INDEX_RUNNERS)
        job_statements.delete_jobs(connection, pruned.jobs)
        connection.execute(_DROP_INDEX)
    for job_id, before in _with_old_attempts(every, pruned.jobs, request):
        _DELETE_OLD.run(connection, in_job=job_id, before=before)
    return pruned


def _jobs(connection: sqlite3.Connection, path: Path, every: list[JobRecord], request: PruneRequest) -> list[JobRecord]:
    if not request.names_jobs:
        return []
    return [
        job
        for job in every[request.keep_last or 0 :]
        if request.is_old(parse_time(job.updated_at)) and _may_go(connection, path, job)
    ]


def _may_go(connection: sqlite3.Connection, path: Path, job: JobRecord) -> bool:
    """Whether a job is superseded or complete, nobody works on it, and no service holds paid work of it."""
    is_done = job.status is JobStatus.COMPLETED and not job.remaining_count
    if job.superseded_by is None and not is_done:
        return False
    if _OPEN_HANDLE.run(connection, in_job=job.job_id).fetchone():
        return False
    return not liveness.is_anyone_at_work(connection, path, job.job_id)


def _with_old_attempts(every: list[JobRecord], going: Container[str], request: PruneRequest) -> list[tuple[str, str]]:
    """Return the jobs that stay, each with the time before which its attempts are old; none without an age limit."""
    if request.before is None:
        return []
    before = in_text(request.before)
    return [(job.job_id, before) for job in every if job.job_id not in going]


def _number(statement: Statement, connection: sqlite3.Connection, **named: Any) -> int:
    (number,) = statement.run(connection, **named).fetchone()
    return int(number)
