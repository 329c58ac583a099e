"""What an opened job needs before anybody works on it: the results that wait for it in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.unrecorded.of_gone_store import take_in_for_job

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import JobRecord


def settled(context: StoreContext, job: JobRecord, request: OpenRequest) -> JobRecord:
    """Take in the results that a store which is gone could not record; return the job as it is then. Durable.

    The chunks are identified once more only where a file of unrecorded results waits for a job that the store lacks.
    """
    fingerprints, files = request.fingerprints_by(job.fingerprint_rule), context.unrecorded.passed_over
    if not files or fingerprints is None or not job.remaining_count:
        return job
    is_taken = take_in_for_job(context.reading, context.record, sorted(files), job, fingerprints)
    return context.reading.jobs.find(job.job_id) if is_taken else job
