"""Opening a job, in one transaction: found, resumed, refused, carried over or begun."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import PlanChanged
from checkpoint_store.model.clock import now, parse_time
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import compare
from checkpoint_store.model.records import JobStatus, RunPlan
from checkpoint_store.storage.records import Action, Completion, Decision, OpenRequest
from checkpoint_store.storage.statements import attempt_log, earlier_job
from checkpoint_store.storage.statements import costs as cost_statements
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.completions import count, record

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from checkpoint_store.storage.records import JobRecord


_BATCH: Final = 1000


def open_job(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord:
    """Return the job that ``request`` leads to, as the newest and current one."""
    decision = decide(
        connection, request, None if request.fresh else earlier_job.earlier_job(connection, request.plan, path)
    )
    if decision.earlier is None or decision.action == "restart":
        return _begin(connection, request, path)
    if decision.action == "refuse":
        raise PlanChanged(request.plan.file_name, decision.earlier.job_id, decision.differences, len(decision.kept))
    if decision.action == "reuse":
        begun = _begin(connection, request, path)
        _carry_over(connection, decision.earlier, begun, decision.kept, path)
        return job_statements.find_job(connection, begun.job_id, path)
    return _resume(connection, decision.earlier, request, path)


def decide(connection: sqlite3.Connection, request: OpenRequest, earlier: JobRecord | None) -> Decision:
    """Return what ``request`` comes to beside the job that is there. Reads only."""
    if earlier is None:
        return Decision("new", None, [], {})
    differences = compare(earlier.plan, request.plan)
    if not differences:
        is_done = earlier.completed_count == earlier.total_chunks
        return Decision("complete" if is_done else "resume", earlier, [], {})
    if request.on_change == "restart":
        return Decision("restart", earlier, differences, {})
    action: Action = "refuse" if request.on_change == "refuse" else "reuse"
    return Decision(action, earlier, differences, _reusable(connection, earlier, request))


def _begin(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> JobRecord:
    plan, moment, job_id = request.plan, now(), str(uuid.uuid4())
    status = JobStatus.RUNNING if plan.total_chunks else JobStatus.COMPLETED
    job_statements.insert_job(
        connection,
        {
            "job_id": job_id,
            "status": status.value,
            "file_name": plan.file_name,
            "video_title": request.video_title,
            "model": plan.model,
            "provider": plan.provider,
            "total_chunks": plan.total_chunks,
            "completed_count": 0,
            "started_at": moment,
            "updated_at": moment,
            "config": json_text.encode(plan.config),
            "chunks_digest": plan.chunks_digest,
            "stretch_started_at": moment,
            "stretch_completed_count": 0,
        },
    )
    return job_statements.find_job(connection, job_id, path)


def _resume(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest, path: Path) -> JobRecord:
    """Go on with a job of the same plan, whatever its status."""
    changes: dict[str, Any] = {}
    if request.video_title is not None and request.video_title != job.video_title:
        changes["video_title"] = request.video_title
    if job.chunks_digest is None and request.plan.chunks_digest is not None:
        # Begun (or imported) without the chunks at hand: the plan is the same as far as it is known, and complete now.
        changes["chunks_digest"] = request.plan.chunks_digest
    if request.fingerprints is not None and result_statements.lacks_fingerprints(connection, job.job_id):
        _adopt_fingerprints(connection, job, request)
    if job.completed_count < job.total_chunks:
        changes |= {"status": JobStatus.RUNNING.value, "error_message": None}
        changes |= {"stretch_started_at": now(), "stretch_completed_count": job.completed_count}
    elif job.status is not JobStatus.COMPLETED:
        changes |= {"status": JobStatus.COMPLETED.value, "error_message": None}
    if changes:
        job_statements.update_job(connection, job.job_id, path, **changes)
    job_statements.make_newest(connection, job.job_id)
    job_statements.make_current(connection, job.job_id)
    return job_statements.find_job(connection, job.job_id, path)


def _adopt_fingerprints(connection: sqlite3.Connection, job: JobRecord, request: OpenRequest) -> None:
    pairs = [{"at_index": index, "value": value} for index, value in enumerate(request.fingerprints or ())]
    for start in range(0, len(pairs), _BATCH):
        result_statements.set_fingerprints(connection, job.job_id, pairs[start : start + _BATCH])


def _reusable(connection: sqlite3.Connection, old: JobRecord, request: OpenRequest) -> dict[int, int]:
    """Return, for each new chunk that was done before, the old chunk with the same content."""
    done: dict[int, str] = {}
    first: dict[str, int] = {}
    for index, fingerprint in result_statements.fingerprints(connection, old.job_id):
        if fingerprint is not None:
            done[index] = fingerprint
            first.setdefault(fingerprint, index)
    found: dict[int, int] = {}
    for index, fingerprint in enumerate(request.fingerprints or ()):
        if fingerprint in first:
            found[index] = index if done.get(index) == fingerprint else first[fingerprint]
    return found


def _carry_over(
    connection: sqlite3.Connection, old: JobRecord, new: JobRecord, kept: dict[int, int], path: Path
) -> None:
    moment, carried = now(), 0
    fingerprints = dict(result_statements.fingerprints(connection, old.job_id))
    for index, source in kept.items():
        row = result_statements.result_row(connection, old.job_id, source)
        assert row is not None
        text = _moved(result_statements.verified(path, old.job_id, source, *row), source, index)
        digest = result_digest.digest(new.job_id, index, text)
        carried += record(connection, Completion(new.job_id, index, moment, text, digest, fingerprints[source])) or 0
    count(connection, new.job_id, carried, moment)
    job_statements.update_job(connection, new.job_id, path, stretch_completed_count=carried)


def _moved(text: str, source: int, index: int) -> str:
    """A result that names its chunk names the chunk's new place; any other ``chunk_index`` is the caller's own."""
    if source == index or '"chunk_index"' not in text:
        return text
    result = json_text.decode(text)
    if isinstance(result, dict) and type(result.get("chunk_index")) is int and result["chunk_index"] == source:
        result["chunk_index"] = index
        return json_text.encode(result)
    return text


def plan_run(connection: sqlite3.Connection, request: OpenRequest, path: Path, earlier: JobRecord | None) -> RunPlan:
    """Return what opening a job with ``request``, and working it off, would do.

    ``earlier`` is the job that the plan is held against; it tells the price also where ``request`` is for a fresh one.
    """
    decision = decide(connection, request, None if request.fresh else earlier)
    goes_on = decision.action in ("resume", "complete")
    job = decision.earlier if goes_on else None
    kept = len(decision.kept) if job is None else job.completed_count
    troubled = [] if job is None else attempt_log.latest(connection, job.job_id, path, outcomes=("failed", "abandoned"))
    failed = tuple(record.chunk_index for record in troubled if record.is_last)
    to_do = 0 if decision.action == "refuse" else request.plan.total_chunks - kept - len(failed)
    spent, cost, seconds = (0.0, None, None) if earlier is None else _measured(connection, earlier, request)
    return RunPlan(
        file_name=request.plan.file_name,
        job_id=None if job is None else job.job_id,
        action=decision.action,
        total_chunks=request.plan.total_chunks,
        chunks_to_do=to_do,
        kept=kept,
        in_doubt=tuple(record.chunk_index for record in troubled if record.outcome == "abandoned"),
        failed=failed,
        differences=tuple(decision.differences),
        estimated_cost=None if cost is None else cost * to_do,
        estimated_seconds=None if seconds is None else seconds * to_do,
        spent=spent,
    )


def _measured(
    connection: sqlite3.Connection, job: JobRecord, request: OpenRequest
) -> tuple[float, float | None, float | None]:
    """Return what a job has cost, and the means of a chunk's cost and seconds, where its plan is like the request's."""
    found = cost_statements.added_up(
        lambda after: cost_statements.page(connection, job.job_id, after, "cost"), 0, "cost"
    )
    priced, spent = found.priced, found.total
    # Another model, prompt or chunk size has other prices; other chunks of the same kind have the same.
    if any(difference.field not in ("total_chunks", "chunks") for difference in compare(job.plan, request.plan)):
        return spent, None, None
    tries, seconds = attempt_log.seconds_of(connection, job.job_id)
    return spent, spent / priced if priced else None, seconds / tries if tries else _pace(job)


def _pace(job: JobRecord) -> float | None:
    """Return the seconds that a chunk took in a job's last stretch of work, the time between chunks included."""
    done = job.completed_count - job.stretch_completed_count
    seconds = (parse_time(job.updated_at) - parse_time(job.stretch_started_at)).total_seconds()
    return seconds / done if done > 0 and seconds > 0 else None
