"""The job of this store that a job of another store is merged into: a job of the same plan, or a new job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.plan import compare
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records.open_requests import OpenRequest
from checkpoint_store.storage.records.state_fields import metadata_text
from checkpoint_store.storage.sql import bindparam, func, jobs, null, select
from checkpoint_store.storage.statements.compiled import insert_into, rows_of_job
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import stretch
from checkpoint_store.storage.statements.plans.earlier_job import fingerprints_of_done, job_of_plan
from checkpoint_store.storage.statements.statement import Statement, named_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from pathlib import Path

    from checkpoint_store.storage.records.records import JobRecord

_J: Final = jobs.c
_JOB_NUMBER_GAP: Final = 1024
"""Add this number to the numbers of the jobs here if no numbers below them are free."""
_BY_REUSE: Final = (
    ". To take its results: in the other store, call open_job with its chunks, then those added here, and "
    "on_change='reuse'; then merge again"
)
_OF_CHUNKS: Final = ("total_chunks", "chunks")
_LEAST_NUMBER: Final = Statement(select(func.min(_J.job_number), func.max(_J.is_current)))
# In two steps: each number is unique at each moment, and SQLite looks at one row after the other.
_LOWER_NUMBERS: Final = Statement(
    jobs.update().values(
        job_number=-_J.job_number - bindparam("gap"), looked_number=_J.looked_number + bindparam("gap")
    )
)
_RAISE_NUMBERS: Final = Statement(jobs.update().values(job_number=-_J.job_number))
# A search counted the jobs before it, and their chunks. A job that is added and a job that is deleted keep the counts.
_SEARCH_ANEW: Final = Statement(jobs.update().where(_J.looked_jobs.is_not(null())).values(looked_jobs=null()))


def job_for(connection: sqlite3.Connection, path: Path, job: JobRecord, *, taken: Collection[str]) -> JobRecord | None:
    """Return the job of this store that a job of another store is merged into; None for a new job.

    It has the same id, or it is the newest job of the same plan. Jobs of one plan in the other store stay apart: only
    the newest is merged into the job here. ``taken`` are the jobs of this store that newer jobs were merged into.
    """
    same = job_statements.find_exact(connection, job.job_id, path)
    if same is not None:
        return same
    if not job.file_name:  # the plan of a state without a name says nothing
        return None
    twin = job_of_plan(connection, OpenRequest(job.plan, None, None, "refuse", fresh=False), path)
    is_twin = twin is not None and twin.sequential == job.sequential and twin.job_id not in taken
    return twin if is_twin else None


def reason_against(
    connection: sqlite3.Connection, own: JobRecord, other: sqlite3.Connection, job: JobRecord
) -> str | None:
    """Return why a job may not be merged into the job of this store; None if it may.

    A job may have grown on one machine: the added chunks follow the others. If it grew on both machines, and completed
    chunks show that its chunks are others there, a merge would give chunks the results of other chunks.
    """
    differences = compare(own.plan, job.plan)
    if any(difference.field == "total_chunks" for difference in differences):
        differences = [difference for difference in differences if difference.field not in _OF_CHUNKS]
    if not differences and own.sequential == job.sequential:
        changed = _first_changed(connection, own, other, job) if own.total_chunks != job.total_chunks else None
        return None if changed is None else f"it grew by other chunks than here, as chunk {changed} shows{_BY_REUSE}"
    grew_apart = [difference.field for difference in differences] == ["chunks"]
    what = "; ".join(map(str, differences)) or "sequential"
    return f"its plan is another one than here: {what}{_BY_REUSE if grew_apart else ''}"


def _first_changed(
    connection: sqlite3.Connection, own: JobRecord, other: sqlite3.Connection, job: JobRecord
) -> int | None:
    """Return the first chunk that both stores completed, of another content; None if there is none."""
    if own.fingerprint_rule != job.fingerprint_rule:
        return None
    theirs = fingerprints_of_done(other, job.job_id)
    here = fingerprints_of_done(connection, own.job_id)
    return min((index for index in here.keys() & theirs.keys() if here[index] != theirs[index]), default=None)


def grow(connection: sqlite3.Connection, path: Path, own: JobRecord, job: JobRecord) -> None:
    """Give a job of this store the chunks that were added to it elsewhere, and a title and metadata if it has none.

    A completed job that grows has chunks left: it is paused. The digest of the chunks and the rule that made it go
    together.
    """
    changes: dict[str, Any] = {}
    if own.total_chunks < job.total_chunks:
        changes = {"total_chunks": job.total_chunks} | _digest_of(job)
        changes |= stretch.changes_now(connection, own.job_id, path)
        if own.status is JobStatus.COMPLETED:
            changes |= {"status": JobStatus.PAUSED.value}
    elif own.chunks_digest is None and job.chunks_digest is not None and own.total_chunks == job.total_chunks:
        changes = _digest_of(job)
    if own.video_title is None and job.video_title is not None:
        changes |= {"video_title": job.video_title}
    if own.metadata is None and job.metadata is not None:
        changes |= {"metadata": metadata_text(job.metadata)}
    if changes:
        job_statements.update_job(connection, own.job_id, path, **changes)


def _digest_of(job: JobRecord) -> dict[str, Any]:
    return {"chunks_digest": job.chunks_digest, "fingerprint_rule": job.fingerprint_rule}


def add(connection: sqlite3.Connection, path: Path, other: sqlite3.Connection, job: JobRecord) -> None:
    """Add a job without its chunks, with a lower number than the jobs here: the newest job here stays the newest.

    A job of the same file here supersedes it. If no job is current here, the current job of the other store is. If it
    was opened to reuse results, it still shares them with its file's other jobs: a change that is undone costs nothing.
    """
    (values,) = named_rows(rows_of_job("jobs").run(other, in_job=job.job_id))
    newest = job_statements.list_jobs(connection, path, file_name=job.file_name, limit=1) if job.file_name else []
    least, has_current = _LEAST_NUMBER.run(connection).fetchone()
    if least is not None and least <= 1:
        for step in (_LOWER_NUMBERS, _RAISE_NUMBERS):
            step.run(connection, gap=_JOB_NUMBER_GAP)
        least += _JOB_NUMBER_GAP
    _SEARCH_ANEW.run(connection)
    is_shown = not has_current and job.is_current
    values |= {
        "job_number": _JOB_NUMBER_GAP if least is None else least - 1,
        "completed_count": 0,
        "is_current": int(is_shown),
        "looked_number": None if values["looked_number"] is None else 0,
        "looked_jobs": None,
        "looked_chunks": None,
        "superseded_by": newest[0].job_id if newest else None,
    }
    if job.status is JobStatus.RUNNING:  # nobody works on it here
        is_whole = job.completed_count and not job.remaining_count
        values["status"] = (JobStatus.COMPLETED if is_whole else JobStatus.PAUSED).value
    insert_into("jobs").run(connection, **values)
