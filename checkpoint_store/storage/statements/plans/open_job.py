"""Open a job in one transaction: it goes on, grows, begins anew with or without results, or is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.plan import FINGERPRINT_RULE, compare
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records.open_requests import BY_PLACE, Decision, OpenedJob
from checkpoint_store.storage.records.state_fields import metadata_text
from checkpoint_store.storage.statements import chunks as chunk_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.attempts.liveness import Liveness
from checkpoint_store.storage.statements.job_rows import finish_if_done
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import stretch
from checkpoint_store.storage.statements.plans import earlier_job, stored_answers
from checkpoint_store.storage.statements.plans.carry_over import carry_over, chunks_at_work
from checkpoint_store.storage.statements.plans.comparison import PlanSearch
from checkpoint_store.storage.statements.plans.stored_answers import results_by_place
from checkpoint_store.storage.statements.plans.stored_results import StoredResults, jobs_before, setting_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from checkpoint_store.storage.records.open_requests import Action, OpenRequest, Source
    from checkpoint_store.storage.records.records import JobRecord


def open_job(connection: sqlite3.Connection, request: OpenRequest, path: Path) -> OpenedJob | Decision:
    """Return the job that ``request`` leads to, as the newest and current one.

    If the plan differs, and ``on_change`` is "refuse", return the decision to refuse it. Nothing was changed, then.
    """
    search = PlanSearch(connection, request, path)
    earlier = None if request.fresh else earlier_job.earlier_job(connection, request, path)
    decision = decide(search, earlier)
    if decision.action == "refuse":
        return decision
    if decision.earlier is not None and decision.action == "extend":
        grown = earlier_job.extend(connection, decision.earlier, request, path)
        return OpenedJob(_resume(search, grown, has_grown=True), None)
    if decision.earlier is not None and decision.action in ("resume", "complete"):
        return OpenedJob(_resume(search, decision.earlier), None)
    job = _begin(connection, request, path)
    chunk_statements.put(connection, job.job_id, request.keys or ())
    if decision.reused:
        job = carry_over(connection, job, decision.reused, request, path)
    stored_answers.carry(connection, job, request, decision.handles)
    if _looks(request) and not request.fresh:
        job = _has_looked(connection, job, path)
    return OpenedJob(job, decision.elsewhere or None)


def decide(search: PlanSearch, earlier: JobRecord | None) -> Decision:
    """Return the decision for a request and the earlier job. Reads only.

    Results of other jobs are looked for only where a new job begins. A refusal says later what could be kept.
    """
    connection, request, _ = search
    differences = [] if earlier is None else compare(earlier.plan, request.plan_by(earlier.fingerprint_rule))
    if earlier is not None and not differences:
        is_done = not earlier.remaining_count
        return Decision("complete" if is_done else "resume", earlier, [], {})
    if request.fresh:
        return Decision("new", None, [], {})
    if earlier is not None and request.on_change == "extend":
        if earlier_job.can_grow(earlier, request):
            return Decision("extend", earlier, differences, {})
        differences = earlier_job.differences_at_beginning(connection, earlier, request, differences)
    if earlier is not None and request.on_change in ("refuse", "extend"):
        return Decision("refuse", earlier, differences, {})
    stored = StoredResults(*search)
    reused, by_place = _reusable(search, earlier, stored)
    handles = stored_answers.for_new_job(search, reused) if request.on_change == "reuse" else {}
    action: Action = "restart" if request.on_change == "restart" else "reuse"
    elsewhere = stored.elsewhere(reused, by_place)
    if earlier is None and not reused and not handles:
        action = "new"
        if request.on_change == "refuse":  # no job of the file has handles
            elsewhere = elsewhere._replace(handles=len(stored_answers.for_new_job(search, {})))
    return Decision(action, earlier, differences, reused, elsewhere, handles=handles)


def _reusable(
    search: PlanSearch, earlier: JobRecord | None, stored: StoredResults
) -> tuple[dict[int, Source], dict[int, Source]]:
    """Return the results that a new job takes over, and those that it could take by the places of their chunks."""
    request = search.request
    if request.on_change != "reuse":
        return {}, {}
    reused = stored.reusable()
    if BY_PLACE in request.reuse_ignoring:
        return reused | results_by_place(search, request.reuse_ignoring, reused), {}
    differing = () if earlier is None else setting_names(earlier.plan, request.plan)
    return reused, results_by_place(search, request.reuse_ignoring.union(differing), reused)


def reusable_for_rest(
    search: PlanSearch, job: JobRecord, *, reads_only: bool, has_grown: bool
) -> tuple[dict[int, Source], bool]:
    """Return the results that a job which goes on can take over: results of other jobs since the last search.

    Chunks that a living runner has begun are left out; the second value is whether any was. A runner looks at a chunk
    that has waited before it begins it. With ``reads_only`` a dead runner is not reaped.
    """
    connection, request, path = search
    if request.fingerprints is None or not job.remaining_count:
        return {}, False
    givers = _givers(search, job, has_grown=has_grown)
    if givers == set():
        return {}, False
    sources = {}
    is_torn = request.plan.sequential and job.redo_count  # later results were made from other ones
    if job.completed_count < job.total_chunks and not is_torn:
        sources = StoredResults(*search).reusable_since(job, of=givers)
        if BY_PLACE in request.reuse_ignoring:
            done = {*result_statements.indices(connection, job.job_id), *sources}
            sources |= results_by_place(search, request.reuse_ignoring, done)
    if job.redo_count:
        sources |= stored_answers.answers(search, job, of=givers)
    if not sources:
        return {}, False
    liveness = Liveness(connection, path, job.job_id, reads_only=reads_only)
    claimed = chunks_at_work(connection, job.job_id)
    busy = {index for index, number, runner_id in claimed if liveness.has_begun(runner_id, (index, number))}
    first_busy = min(busy, default=job.total_chunks) if request.plan.sequential else job.total_chunks
    free = {index: source for index, source in sources.items() if index not in busy and index <= first_busy}
    return free, len(free) < len(sources)


def _givers(search: PlanSearch, job: JobRecord, *, has_grown: bool) -> set[str] | None:
    """Return the jobs whose results and handles a job that goes on takes; None: those of any job.

    Without a word of the caller's it takes those of jobs for which the caller said so before. A job that ``has_grown``
    takes them from the jobs with which it shares results already: so an input that was cut off for one run is not paid
    for again. A job that another job replaced, and whose plan is back, takes what the other job paid for.
    """
    connection, request, path = search
    if _looks(request):
        return None
    if has_grown:
        return earlier_job.payers(connection, job.job_id) | earlier_job.exchanging(connection, job, path)
    is_back = job.superseded_by is not None and request.on_change != "restart"
    return earlier_job.exchanging(connection, job, path) if is_back else set()


def handles_for_rest(
    search: PlanSearch, job: JobRecord, reused: Mapping[int, Source], *, has_grown: bool
) -> dict[int, str]:
    """Return the handles of other jobs that a job which goes on can take over, besides the ``reused`` results."""
    givers = _givers(search, job, has_grown=has_grown)
    if search.request.fingerprints is None or givers == set():
        return {}
    return stored_answers.for_rest(search, job, reused, of=givers)


def _looks(request: OpenRequest) -> bool:
    return request.on_change == "reuse" and request.fingerprints is not None


def _has_looked(connection: sqlite3.Connection, job: JobRecord, path: Path) -> JobRecord:
    """Record that all present results were searched for a job, and return the job."""
    count, chunks = jobs_before(connection, job.job_id, job.job_number)
    looked = {"looked_number": job.job_number, "looked_jobs": count, "looked_chunks": chunks}
    job_statements.update_job(connection, job.job_id, path, **looked)
    return job_statements.find_job(connection, job.job_id, path)


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
            "fingerprint_rule": FINGERPRINT_RULE,
            "metadata": metadata_text(request.metadata),
            "sequential": int(plan.sequential),
        },
    )
    return job_statements.find_job(connection, job_id, path)


def _resume(search: PlanSearch, job: JobRecord, *, has_grown: bool = False) -> JobRecord:
    """Go on with a job of the same plan, whatever its status."""
    connection, request, path = search
    changes: dict[str, Any] = {}
    job_id = job.job_id
    job = stretch.go_on(connection, job_id, path)
    if request.keys is not None:
        chunk_statements.put(connection, job_id, request.keys)
    if request.video_title is not None and request.video_title != job.video_title:
        changes["video_title"] = request.video_title
    if request.metadata is not None and request.metadata != (job.metadata or {}):
        changes["metadata"] = metadata_text(request.metadata)
    if job.chunks_digest is None and request.plan.chunks_digest is not None:
        # The job was begun (or imported) without the chunks at hand: its plan agrees as far as it is known.
        changes |= {"chunks_digest": request.plan.chunks_digest, "fingerprint_rule": FINGERPRINT_RULE}
        job = job._replace(fingerprint_rule=FINGERPRINT_RULE)
    is_named = request.fingerprints is not None
    if is_named and result_statements.WITHOUT_FINGERPRINT.run(connection, in_job=job_id).fetchone():
        named = enumerate(request.fingerprints_by(job.fingerprint_rule) or ())
        rows = ({"in_job": job_id, "at_index": index, "value": fingerprint} for index, fingerprint in named)
        result_statements.SET_FINGERPRINT.run_many(connection, rows)
    stored_answers.adopt(connection, job, request)
    job, leaves_some = _take_over(search, job, has_grown=has_grown)
    if job.remaining_count:
        changes |= {"status": JobStatus.RUNNING.value, "error_message": None}
    elif job.status is not JobStatus.COMPLETED:
        changes |= {"status": JobStatus.COMPLETED.value, "error_message": None}
    if changes:
        job_statements.update_job(connection, job_id, path, **changes)
    job_statements.make_newest(connection, job_id, job.file_name)
    job_statements.make_current(connection, job_id)
    job = job_statements.find_job(connection, job_id, path)
    return _has_looked(connection, job, path) if _looks(request) and not leaves_some else job


def look_again(connection: sqlite3.Connection, request: OpenRequest, job_id: str, path: Path) -> None:
    """Give a job that was opened with a request what other jobs got since, as its next opening would."""
    search = PlanSearch(connection, request, path)
    job, leaves_some = _take_over(search, job_statements.find_job(connection, job_id, path), has_grown=False)
    finish_if_done(connection, job_id)
    if not leaves_some:
        _has_looked(connection, job, path)


def _take_over(search: PlanSearch, job: JobRecord, *, has_grown: bool) -> tuple[JobRecord, bool]:
    """Give a job that goes on the results and handles of other jobs; see :func:`reusable_for_rest`."""
    connection, request, path = search
    reused, leaves_some = reusable_for_rest(search, job, reads_only=False, has_grown=has_grown)
    if reused:
        job = carry_over(connection, job, reused, request, path)
    held = handles_for_rest(search, job, reused, has_grown=has_grown)
    stored_answers.carry(connection, job, request, held)
    return job, leaves_some
