"""The jobs of other plans of a file, whose results the opening of a job may take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import JobNotFound
from checkpoint_store.model.plan import compare, normal_name, same_settings

if TYPE_CHECKING:
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
