"""Unrecorded results of a removed store: a job of the same plan, in a new store at its path, takes them in."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, JobNotFound
from checkpoint_store.execution.unrecorded.taking_in import leave_only, names_store
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.unrecorded import plan_digest
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.storage.files.unrecorded import UnrecordedResult
    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import Completion, JobRecord


def settled(context: StoreContext, job: JobRecord, request: OpenRequest) -> JobRecord:
    """Take in the results that a store which is gone could not record; return the job as it is then. Durable.

    A result is recorded for a chunk of the job if it was made from this very chunk for a job that no store here has.
    The other job had the same plan, and the file of its results names this store or lies beside it. A sequential job
    takes in none: nobody knows the results before them, from which they were made.
    """
    fingerprints, paths = request.fingerprints_by(job.fingerprint_rule), sorted(context.unrecorded.passed_over)
    if not paths or job.sequential or fingerprints is None or not job.remaining_count:
        return job
    reading = context.reading
    left = {path: _results_in(reading.path, path) for path in paths}
    wanted = {
        (result.completion.chunk_index, result.completion.fingerprint): (path, result)
        for path, results in left.items()
        for result in results
        if _is_for(reading, job, path, result)
    }
    taken = False
    count = max((index + 1 for index, _ in wanted), default=0)  # a file may stay for good: identify no chunk in vain
    for index, fingerprint in enumerate(islice(fingerprints, count)):
        path, result = wanted.get((index, fingerprint), (None, None))
        if path is None or result is None:
            continue
        if _record(context.record, job.job_id, result):
            taken = True
            left[path].remove(result)
            leave_only(path, left[path])
    return reading.jobs.find(job.job_id) if taken else job


def _results_in(store: Path, path: Path) -> list[UnrecordedResult]:
    try:
        return unrecorded_files.read(store, path)
    except CheckpointStoreError:  # the opening of the store has told of it
        return []


def _is_for(reading: Reading, job: JobRecord, path: Path, result: UnrecordedResult) -> bool:
    """Whether a result fits a job: a job that is nowhere made it for the same plan, from a chunk of known content.

    It does not fit if the chunk is complete.
    """
    if result.plan != plan_digest(job) or result.completion.fingerprint is None or result.is_failure:
        return False
    if not names_store(reading.path, path, result) or unrecorded_files.is_of_another(reading.path, path, result):
        return False
    index = result.completion.chunk_index
    if not 0 <= index < job.total_chunks or reading.chunks.is_completed(job.job_id, index):
        return False
    try:
        reading.jobs.find(result.completion.job_id)
    except JobNotFound as missing:
        return missing.deleted_at is None
    return False


def _record(record: Callable[[Sequence[Completion]], None], job_id: str, result: UnrecordedResult) -> bool:
    """Record a result in another job than the job that it was made for; return False if a chunk has one by now."""
    made = result.completion
    digest = result_digest.digest(job_id, made.chunk_index, made.text or "")
    try:
        record([made._replace(job_id=job_id, digest=digest, attempt=None, replace=False)])
    except ChunkAlreadyCompleted:
        return False
    where = f"job {job_id}, chunk {made.chunk_index}"
    log.warning("%s: taken in is a result of job %s, whose store is gone", where, made.job_id)
    return True
