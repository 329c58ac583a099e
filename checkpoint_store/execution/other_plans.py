"""The jobs of other plans of a file, whose results the opening of a job may take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import JobNotFound
from checkpoint_store.model.plan import compare, normal_name, same_settings
from checkpoint_store.system.log import A_WAIT, log

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
