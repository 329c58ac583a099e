"""The jobs of other plans of a file, whose results the opening of a job may take over."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import JobNotFound, StoreBusy
from checkpoint_store.model.plan import compare, normal_name, same_settings
from checkpoint_store.system.log import A_WAIT, log, log_suppressed

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.verbs.jobs import JobVerbs


def may_give_results(jobs: JobVerbs, request: OpenRequest, job_id: str) -> bool:
    """Return whether a job of the same file has another plan, and a request may take over its results."""
    if request.fresh or request.on_change not in ("reuse", "refuse"):
        return False
    try:
        job = jobs.find(job_id)
    except JobNotFound:  # it was deleted
        return False
    return (
        normal_name(job.file_name) == request.plan.file_name
        and same_settings(job.plan, request.plan, request.reuse_ignoring)
        and bool(compare(job.plan, request.plan_by(job.fingerprint_rule)))
    )


def look_again(context: StoreContext, request: OpenRequest | None, job_id: str) -> None:
    """Give a job the results that other jobs got since it was opened with a request, as its next opening would.

    A call may end after its job was replaced by a job of an edited plan, and before the first loop of that job.
    """
    if request is None or request.on_change != "reuse" or request.fresh or request.fingerprints is None:
        return
    try:
        if context.reading.jobs.has_news(job_id):
            with suppress(StoreBusy):
                context.storage.claims.release(job_id)  # a chunk that is not in hand may get the result of another job
            with context.claims.none_begins():
                context.storage.job_changes.look_again(request, job_id)
                context.claims.free_completed(job_id)
            context.job_changed(job_id)
    except Exception as error:  # whatever a function of the caller's does: the loop says itself what it cannot do
        log_suppressed(error, f"job {job_id}: the results that other jobs got since its opening were not taken over")


def warn_of_double_work(context: StoreContext, request: OpenRequest, job_id: str) -> None:
    """Log which other programs work on another plan of a file: both pay for the chunks that the plans share.

    The opening waits for none of them, because they go on: while their calls end, they start as many others.
    """
    own = [claims.runner.runner_id for claims in list(context.runners)]
    for other, host, pid in context.reading.runners.elsewhere(own):
        if other != job_id and may_give_results(context.reading.jobs, request, other):
            log.warning(
                "job %s: process %d on %s works on job %s, another plan of this file, and both pay for the chunks that "
                "neither has finished yet. To end its work: store.job(%r).pause()",
                *(job_id, pid, host, other, other),
                extra=A_WAIT,
            )
