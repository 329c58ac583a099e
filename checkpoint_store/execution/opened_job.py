"""What an opened job needs before anybody works on it: results that wait for it, and results of another content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError, counted
from checkpoint_store.execution.unrecorded.of_gone_store import take_in_for_job
from checkpoint_store.model.plan import digest_of_fingerprints
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.open_requests import OpenRequest
    from checkpoint_store.storage.records import JobRecord


def settled(context: StoreContext, job: JobRecord, request: OpenRequest, *, reads_content: bool) -> JobRecord:
    """Settle what an opened job has from elsewhere, and return the job as it is then. Durable when this returns.

    Results that another store could not record, and that is gone, are taken in. Results that were made from another
    content than the plan of the job has are to be done again.

    Args:
        context: the store.
        job: the job.
        request: the request that led to it.
        reads_content: whether the content of a chunk is read anew each time, such as that of a file that it names.
    """
    fingerprints = request.fingerprints_by(job.fingerprint_rule)
    if fingerprints is None or not job.total_chunks:
        return job
    changed, files = False, context.unrecorded.passed_over
    if files and job.remaining_count:
        changed = take_in_for_job(context.reading, context.record, sorted(files), job, fingerprints)
    if reads_content and job.completed_count:
        changed |= _redo_other_contents(context, job, request)
    return context.reading.jobs.find(job.job_id) if changed else job


def _redo_other_contents(context: StoreContext, job: JobRecord, request: OpenRequest) -> bool:
    """Let the chunks be done again whose results were made from another content than the plan of the job has.

    A file was edited while a job worked on it, and the edit was undone since: its result is that of the edited text. A
    result that answers a redo stays: else work that changes its own chunks would be paid for with each opening.
    Returns whether a chunk is to be done again.
    """
    made_from = context.storage.marks.made_from(job.job_id)
    if len(made_from) == job.total_chunks and digest_of_fingerprints(made_from.values()) == job.chunks_digest:
        return False  # every chunk is complete, and no content is read again
    given = enumerate(request.fingerprints_by(job.fingerprint_rule) or ()) if made_from else ()
    # Two rules give one content two fingerprints.
    others = [at for at, own in given if at in made_from and made_from[at] != own and made_from[at][0] == own[0]]
    if others and job.sequential:  # each later result was made from the results before it
        others = context.storage.chunks.completed_in(job.job_id, others[0], job.total_chunks)
    if not others:
        return False
    what = f"{counted(len(others), 'result')}, the first of chunk {others[0]}"
    try:
        context.storage.redos.redo(job.job_id, others)
    except CheckpointStoreError as error:  # somebody works on such a chunk: the next opening looks again
        log_suppressed(error, f"job {job.job_id}: {what}, came of another content, and could not be marked for a redo")
        return False
    log.warning("job %s: %s, came of a content that was changed back since, and is done again", job.job_id, what)
    return True
