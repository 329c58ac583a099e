"""Unrecorded results are recorded: those that this process keeps, those in files, and those of a removed store."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import islice
from logging import DEBUG, WARNING
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunkOutOfOrder,
    JobNotFound,
    StorageFullError,
    StorageUnavailableError,
    StoreBusy,
    counted,
)
from checkpoint_store.execution.chunk_order import in_order_if_needed
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.files.unrecorded import plan_digest
from checkpoint_store.system.files import remove_file
from checkpoint_store.system.log import A_WAIT, log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from checkpoint_store.storage.files.unrecorded import UnrecordedResult
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.records.records import Completion, JobRecord
    from checkpoint_store.storage.storage import Reading, Storage


_FOR_NOW: Final = (StoreBusy, StorageFullError)
"""The errors of a store that can take a result later."""
_STAYS: Final = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""The errors at a file that no user of this process may read, or that is no regular file."""


def record_one(storage: Storage, record: Callable[[Sequence[Completion]], None], result: UnrecordedResult) -> bool:
    """Record one result. Where another result of its chunk stands, keep its text and its cost with an attempt.

    The same is done in a sequential job if a chunk before it is to be done first: the result was made from an earlier
    result of that chunk. Returns False if the result is still to be kept: the store lacks its job, and nobody deleted
    the job there.
    """
    completion = result.completion
    try:
        try:
            if result.is_failure:
                storage.budgets.keep_failure(completion)
            else:
                record([in_order_if_needed(storage, completion)])
        except (ChunkAlreadyCompleted, ChunkOutOfOrder) as error:
            storage.budgets.keep_result(completion)
            kept = "its text and its cost are kept with an attempt at the chunk: see job.attempts()"
            log.warning("an unrecorded result came too late: %s; %s", error, kept)
    except JobNotFound as missing:
        if missing.deleted_at is None:
            return False
        _tell_of_deleted(result)
    return True


def _tell_of_deleted(result: UnrecordedResult) -> None:
    job_id, index = result.completion.job_id, result.completion.chunk_index
    log.warning("job %s, chunk %d: an unrecorded result is gone with its job, which was deleted", job_id, index)


def take_in(
    storage: Storage,
    record: Callable[[Sequence[Completion]], None],
    passed_over: set[Path],
    *,
    is_opening: bool = False,
) -> None:
    """Record the results that another process could not record, and remove its files. Repeatable after a kill.

    The files ``passed_over`` need no second look; this call adds to them. While the store is being opened
    (``is_opening``), no result that cannot be recorded raises; otherwise an error is raised that may pass.
    """
    for path in unrecorded_files.files_of(storage.path):
        if path in passed_over:
            continue
        try:
            results = unrecorded_files.read(storage.path, path)
            left = [result for result in results if not _take_in_one(storage, record, path, result)]
        except CheckpointStoreError as error:
            if not isinstance(error, _FOR_NOW) and not os.path.lexists(path):
                continue  # another process has taken it in just now
            is_for_now = _may_pass(error)
            if is_for_now and not is_opening:
                raise
            log.warning("unrecorded results were not taken in, and stay where they are: %s", error)
            if not is_for_now:
                passed_over.add(path)
        else:
            if left:
                passed_over.add(path)
                if len(left) < len(results):
                    leave_only(path, left)
                continue
            with suppress(OSError):
                path.unlink(missing_ok=True)
            log.warning("taken in from %s: %s that had not been recorded", path, counted(len(results), "result"))


def warn_of_waiting(other: Path) -> None:
    """Log which results wait beside another store, which was merged without them. Nothing is written."""
    for path in Siblings(other).unrecorded():
        log.warning(
            "%s was merged without the results in %s, which it could not record yet. A run there, or "
            "CheckpointStore(%r), records them: merge it again then",
            *(other, path, str(other)),
            extra=A_WAIT,
        )


def leave_only(path: Path, left: Sequence[UnrecordedResult]) -> None:
    """Remove from a file what the store has taken in: what is left in it may be for another store.

    With the last result the file goes.
    """
    try:
        if not left:
            remove_file(path)
            return
        unrecorded_files.write(path, left)
    except CheckpointStoreError as error:
        log.warning("%s still has results that were taken in: %s", path, error)


def _may_pass(error: CheckpointStoreError) -> bool:
    """Whether a file that met this error may be taken in later: the next call for its chunk would be paid for twice.

    A file that this user may not read stays unreadable; so does a link, and anything else that is no regular file.
    """
    stays = isinstance(error.__cause__, OSError) and error.__cause__.errno in _STAYS
    return isinstance(error, _FOR_NOW) or (isinstance(error, StorageUnavailableError) and not stays)


def _take_in_one(
    storage: Storage, record: Callable[[Sequence[Completion]], None], path: Path, result: UnrecordedResult
) -> bool:
    """Record one result; return whether its file is no longer needed."""
    if unrecorded_files.is_of_another(storage.path, path, result):
        return False
    job_id = result.completion.job_id
    try:
        job = storage.jobs.find(job_id)
        if result.plan not in (None, plan_digest(job)) or not 0 <= result.completion.chunk_index < job.total_chunks:
            log.warning("%s has a result for another plan of job %s: not taken in", path, job_id)
            return False
        return record_one(storage, record, result)
    except JobNotFound as missing:
        if missing.deleted_at is None:
            level = WARNING if names_store(storage.path, path, result) else DEBUG
            log.log(level, "a result in %s was not taken in, and stays there: %s", path, missing)
            return False
        _tell_of_deleted(result)
    return True


def names_store(store: Path, path: Path, result: UnrecordedResult) -> bool:
    """Whether this store left a result: the file of the result lies beside the store, or names the store."""
    return path.parent == store.parent or result.store == str(store)


def settled(
    reading: Reading,
    record: Callable[[Sequence[Completion]], None],
    passed_over: Collection[Path],
    job: JobRecord,
    request: OpenRequest,
) -> JobRecord:
    """Take in the results that a store which is gone could not record; return the job as it is then. Durable.

    A result is recorded for a chunk of the job if it was made from this very chunk for a job that no store here has.
    The other job had the same plan, and the file of its results names this store or lies beside it. A sequential job
    takes in none: nobody knows the results before them, from which they were made.
    """
    fingerprints, paths = request.fingerprints_by(job.fingerprint_rule), sorted(passed_over)
    if not paths or job.sequential or fingerprints is None or not job.remaining_count:
        return job
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
        if _record(record, job.job_id, result):
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
