"""The stretch of a job: the last completed chunks and the time of work on them. They give the rate of the job.

Somebody worked from ``stretch_started_at`` to ``updated_at``. Each completion moves ``updated_at``. A time without work
moves both, so that the rate is the same before and after a night. The time of runners that worked together counts
once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.model.clock import in_text, now, parse_time
from checkpoint_store.storage.statements.attempts import liveness
from checkpoint_store.storage.statements.jobs import jobs as job_statements

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.records.records import JobRecord

_TICK: Final = timedelta(milliseconds=1)
"""The shortest time between two moments in a store."""
REMEMBERED_CHUNKS: Final = 50
"""The most chunks of a stretch when work goes on: the new work may have other workers, or another service."""


def go_on(connection: sqlite3.Connection, job_id: str, path: Path) -> JobRecord:
    """Continue a job's stretch as work begins: if nobody is at work, the time since its last change does not count.

    Call it before the runner that begins is recorded. A job with nothing left stays as it is. Returns the job.
    """
    job = job_statements.find_job(connection, job_id, path)
    if not job.remaining_count or liveness.is_anyone_at_work(connection, path, job_id):
        return job
    times = moved(_shortened(job))
    job_statements.update_job(connection, job_id, path, **times)
    return job._replace(**times)


def leave_out(connection: sqlite3.Connection, job_id: str, path: Path, seconds: float) -> None:
    """Take the last ``seconds`` out of the stretch, unless the job changed in them: another process has done so."""
    job = job_statements.find_job(connection, job_id, path)
    changed = parse_time(job.updated_at)
    if (parse_time(now()) - changed).total_seconds() >= seconds:
        job_statements.update_job(connection, job_id, path, **moved(job, in_text(changed + timedelta(seconds=seconds))))


def changes_now(connection: sqlite3.Connection, job_id: str, path: Path) -> dict[str, Any]:
    """Return what becomes of the times of a job that changes now, by something else than a completion."""
    job = job_statements.find_job(connection, job_id, path)
    at = max(now(), in_text(parse_time(job.updated_at) + _TICK))  # later than the last chunk, which tells the two apart
    return {"updated_at": at} if liveness.is_anyone_at_work(connection, path, job_id) else moved(job, at)


def moved(job: JobRecord, until: str | None = None) -> dict[str, Any]:
    """Return the columns of a stretch that is moved to end at ``until`` (None: now), with the same length."""
    at = max(now() if until is None else until, job.updated_at)
    return {
        "updated_at": at,
        "stretch_started_at": in_text(parse_time(at) - job.worked),
        "stretch_completed_count": job.stretch_completed_count,
    }


def _shortened(job: JobRecord) -> JobRecord:
    """Return the job with its last chunks alone in the stretch, at the same rate."""
    done = job.done_count - job.stretch_completed_count
    if done <= REMEMBERED_CHUNKS:
        return job
    worked = job.worked * REMEMBERED_CHUNKS / done
    return job._replace(
        stretch_started_at=in_text(parse_time(job.updated_at) - worked),
        stretch_completed_count=job.done_count - REMEMBERED_CHUNKS,
    )
