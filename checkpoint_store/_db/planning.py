"""Opening a job, in one transaction: found, resumed, refused, carried over or begun."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import codec
from checkpoint_store._db import queries
from checkpoint_store._db.driver import driver_of
from checkpoint_store._db.writer import Completion, count, record
from checkpoint_store.errors import PlanChanged
from checkpoint_store.plan import Plan, compare
from checkpoint_store.state import JobStatus, now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import Connection

    from checkpoint_store._db.queries import JobRecord

_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller of ``open_job`` wants. ``fingerprints`` can be gone through more than once."""

    plan: Plan
    fingerprints: Iterable[str] | None
    video_title: str | None
    on_change: str
    fresh: bool


def open_job(connection: Connection, wish: Wish, path: Path) -> JobRecord:
    """Return the job that ``wish`` leads to, as the newest and current one."""
    newest = None if wish.fresh else _newest(connection, wish, path)
    if newest is None:
        return _begin(connection, wish, path)
    differences = compare(newest.plan, wish.plan)
    if not differences:
        return _resume(connection, newest, wish, path)
    if wish.on_change == "restart":
        return _begin(connection, wish, path)
    kept = _reusable(connection, newest, wish)
    if wish.on_change == "refuse":
        raise PlanChanged(wish.plan.file_name, newest.job_id, differences, len(kept))
    begun = _begin(connection, wish, path)
    _carry_over(connection, newest, begun, kept, path)
    return queries.find_job(connection, begun.job_id, path)


def _newest(connection: Connection, wish: Wish, path: Path) -> JobRecord | None:
    return next(iter(queries.list_jobs(connection, path, file_name=wish.plan.file_name, limit=1)), None)


def _begin(connection: Connection, wish: Wish, path: Path) -> JobRecord:
    plan, moment, job_id = wish.plan, now(), str(uuid.uuid4())
    status = JobStatus.RUNNING if plan.total_chunks else JobStatus.COMPLETED
    queries.insert_job(
        connection,
        {
            "job_id": job_id,
            "status": status.value,
            "file_name": plan.file_name,
            "video_title": wish.video_title,
            "model": plan.model,
            "provider": plan.provider,
            "total_chunks": plan.total_chunks,
            "completed_count": 0,
            "started_at": moment,
            "updated_at": moment,
            "config": codec.encode(plan.config),
            "chunks_digest": plan.chunks_digest,
            "stretch_started_at": moment,
            "stretch_completed_count": 0,
        },
    )
    return queries.find_job(connection, job_id, path)


def _resume(connection: Connection, job: JobRecord, wish: Wish, path: Path) -> JobRecord:
    """Go on with a job of the same plan, whatever its status."""
    changes: dict[str, Any] = {}
    if wish.video_title is not None and wish.video_title != job.video_title:
        changes["video_title"] = wish.video_title
    if job.chunks_digest is None and wish.plan.chunks_digest is not None:
        # Begun (or imported) without the chunks at hand: the plan is the same as far as it is known, and complete now.
        changes["chunks_digest"] = wish.plan.chunks_digest
    if wish.fingerprints is not None and queries.lacks_fingerprints(connection, job.job_id):
        _adopt_fingerprints(connection, job, wish)
    if job.completed_count < job.total_chunks:
        changes |= {"status": JobStatus.RUNNING.value, "error_message": None}
        changes |= {"stretch_started_at": now(), "stretch_completed_count": job.completed_count}
    elif job.status is not JobStatus.COMPLETED:
        changes |= {"status": JobStatus.COMPLETED.value, "error_message": None}
    if changes:
        queries.update_job(connection, job.job_id, path, **changes)
    queries.make_newest(connection, job.job_id)
    queries.make_current(connection, job.job_id)
    return queries.find_job(connection, job.job_id, path)


def _adopt_fingerprints(connection: Connection, job: JobRecord, wish: Wish) -> None:
    pairs = [{"at_index": index, "value": value} for index, value in enumerate(wish.fingerprints or ())]
    for start in range(0, len(pairs), _BATCH):
        queries.set_fingerprints(connection, job.job_id, pairs[start : start + _BATCH])


def _reusable(connection: Connection, old: JobRecord, wish: Wish) -> dict[int, int]:
    """Return, for each new chunk that was done before, the old chunk with the same content."""
    done: dict[int, str] = {}
    first: dict[str, int] = {}
    for index, fingerprint in queries.fingerprints(connection, old.job_id):
        if fingerprint is not None:
            done[index] = fingerprint
            first.setdefault(fingerprint, index)
    found: dict[int, int] = {}
    for index, fingerprint in enumerate(wish.fingerprints or ()):
        if fingerprint in first:
            found[index] = index if done.get(index) == fingerprint else first[fingerprint]
    return found


def _carry_over(connection: Connection, old: JobRecord, new: JobRecord, kept: dict[int, int], path: Path) -> None:
    driver, moment, carried = driver_of(connection), now(), 0
    prints = dict(queries.fingerprints(connection, old.job_id))
    for index, source in kept.items():
        row = queries.result_row(connection, old.job_id, source)
        assert row is not None
        text = _moved(queries.verified(path, old.job_id, source, *row), source, index)
        digest = codec.digest(new.job_id, index, text)
        carried += record(driver, Completion(new.job_id, index, moment, text, digest, prints[source])) or 0
    count(driver, new.job_id, carried, moment)
    queries.update_job(connection, new.job_id, path, stretch_completed_count=carried)


def _moved(text: str, source: int, index: int) -> str:
    """A result that says which chunk it is of says so of the chunk's new place."""
    if source == index or '"chunk_index"' not in text:
        return text
    result = codec.decode(text)
    if isinstance(result, dict) and type(result.get("chunk_index")) is int:
        result["chunk_index"] = index
        return codec.encode(result)
    return text
