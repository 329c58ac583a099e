"""Unrecorded results are recorded: those that this process keeps, and those that other processes left in files."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
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
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.unrecorded import plan_digest
from checkpoint_store.system.files import remove_file
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.storage.files.unrecorded import UnrecordedResult
    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Storage

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

    Args:
        storage: the store.
        record: records completions in it.
        passed_over: the files that need no second look; this call adds to them.
        is_opening: whether the store is being opened: then no result that cannot be recorded raises.

    Raises:
        StoreBusy, StorageFullError: the store cannot take a result now. The files stay where they are.
        StorageUnavailableError: a file, or the store, meets an error that may pass, such as too many open files.
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
