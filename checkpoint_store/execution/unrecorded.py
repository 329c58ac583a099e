"""Unrecorded results: kept in memory and in a file until the store takes them."""

from __future__ import annotations

import tempfile
import threading
from contextlib import suppress
from logging import DEBUG, WARNING
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, JobNotFound, counted
from checkpoint_store.storage import unrecorded_files
from checkpoint_store.storage.unrecorded_files import UnrecordedResult, plan_digest
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records import Completion
    from checkpoint_store.storage.storage import Storage

_NOT_YET: Final = " are not recorded yet, and "


class UnrecordedResults(ForkAware):
    """The results of one store object that could not be recorded when they came. Safe to share between threads."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._store: Final = reading.path
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: forget the results, which the parent records."""
        self._results: list[UnrecordedResult] = []
        self._files: list[Path] = []
        """The files that hold the results."""
        self._is_written = True
        """Whether a file has each of the results."""
        self._lock = threading.RLock()
        """Held while a file replaces the earlier file: another thread may write a file with more results."""

    def keep(self, completions: Sequence[Completion], *, are_failures: bool = False) -> str:
        """Keep results in memory, and in a file beside the store if it can be written; return a sentence about them.

        ``are_failures``: see :attr:`UnrecordedResult.is_failure`.
        """
        plans = {job_id: self._plan_of(job_id) for job_id in {completion.job_id for completion in completions}}
        store = str(self._store)
        new = [
            UnrecordedResult(completion, plans[completion.job_id], store, is_failure=are_failures)
            for completion in completions
        ]
        with self._lock:
            self._results += new
            self._is_written = False
            if self._reading.closed:  # nobody closes it any more, and writes what is left
                self._write_somewhere()
            else:
                self._write(self._store.parent)
            return self._what_is_left(is_last=self._reading.closed)

    def _plan_of(self, job_id: str) -> str | None:
        with suppress(CheckpointStoreError):
            return plan_digest(self._reading.jobs.find(job_id))
        return None

    def record(self, storage: Storage | None, record: Callable[[Sequence[Completion]], None]) -> None:
        """Record the kept results, and remove their files. Durable when this returns.

        The result of a job that the store lacks, and that nobody deleted, stays in its file: another store was put in
        the place of the store that has the job.

        Raises:
            CheckpointStoreError: a result cannot be recorded yet; the notes name the chunks, and where the results are.
        """
        strays: list[UnrecordedResult] = []
        while self._results:
            result = self._results.pop()
            try:
                assert storage is not None, "a read-only store has no results"
                if not _record(storage, record, result):
                    strays.append(result)
            except BaseException as error:
                with self._lock:
                    self._results += [result, *strays]
                    self._write(self._store.parent)
                    note_where(error, self._what_is_left())
                raise
        with self._lock:
            if strays:
                self._leave(strays)
            elif not self._results:
                self._remove_files()

    def _leave(self, strays: Sequence[UnrecordedResult]) -> None:
        """Leave results of jobs that the store lacks in a file for a later open; in memory if that fails."""
        self._results += strays
        self._is_written = False
        self._write_somewhere()
        log.warning("%s has no job of unrecorded results. %s", self._store, self._what_is_left(is_last=True))
        if self._is_written:
            self._results, self._files = [], []

    def write_rest(self) -> str | None:
        """Write the kept results to a file, because this process will not record them; return a sentence, or None.

        If no file can be written beside the store, one is written to the folder for temporary files.
        """
        with self._lock:
            if not self._results:
                return None
            self._write_somewhere()
            return self._what_is_left(is_last=True)

    def forget(self, job_id: str) -> None:
        """Forget the results of a deleted job, and remove them from their files; a warning names a file that stays."""
        self._results = [result for result in self._results if result.completion.job_id != job_id]
        for path in unrecorded_files.files_of(self._store):
            try:
                unrecorded_files.remove_job(self._store, path, job_id)
            except CheckpointStoreError as error:
                what = "may still hold results of this deleted job; if you need no other result in it, remove it"
                log.warning("job %s: %s %s: %s", job_id, path, what, error)

    def _write_somewhere(self) -> None:
        """Write all kept results to a file beside the store; if that fails, in the folder for temporary files."""
        self._write(self._store.parent)
        if not self._is_written:
            self._write(unrecorded_files.private_folder(Path(tempfile.gettempdir())))

    def _write(self, folder: Path) -> None:
        """Write all kept results to a new file in a folder, unless a file there has them; log a failure."""
        if self._is_written:
            return
        path = folder / unrecorded_files.new_name(self._store)
        try:
            unrecorded_files.write(path, self._results)
        except CheckpointStoreError as error:
            log.warning("unrecorded results cannot be kept in %s: %s", folder, error)
        else:
            self._remove_files()  # the new file has all results
            self._files.append(path)
            self._is_written = True

    def _remove_files(self) -> None:
        while self._files:
            with suppress(OSError):
                self._files.pop().unlink()

    def _what_is_left(self, *, is_last: bool = False) -> str:
        kinds = [("results", _places(self._results, are_failures=False))]
        kinds += [("costs of failed tries", _places(self._results, are_failures=True))]
        what = ", and the ".join(f"{kind} of {places}" for kind, places in kinds if places)
        return f"The {what}{_NOT_YET}{self._where(is_last=is_last)}."

    def _where(self, *, is_last: bool) -> str:
        if not self._is_written and is_last:
            return "no file can be written for them: they are lost when this process ends"
        if not self._is_written:
            return "kept in memory until the store is closed: then they are recorded, or written to a file"
        (path,) = self._files
        if path.parent == self._store.parent:
            return f"kept in {path}, which the next open of the store takes in"
        return (
            f"kept in {path}, which the next open of the store takes in; "
            f"if that file may go before, move it beside the store {self._store}"
        )


def note_where(error: BaseException, sentence: str) -> None:
    """Note where unrecorded results are, in the place of what an earlier note of the error says of them."""
    notes = [note for note in getattr(error, "__notes__", ()) if not says_where(note)]
    error.__notes__ = [*notes, sentence]


def says_where(note: str) -> bool:
    """Whether a note of an error says where unrecorded results are."""
    return note.startswith(("The results of ", "The costs of failed tries of ")) and _NOT_YET in note


def _places(results: Sequence[UnrecordedResult], *, are_failures: bool) -> str:
    """Return the chunks of results, or of failures, by job: "chunks 1, 2 of job X"."""
    indices: dict[str, list[int]] = {}
    for result in results:
        if result.is_failure is are_failures:
            indices.setdefault(result.completion.job_id, []).append(result.completion.chunk_index)
    return "; ".join(
        f"chunk{'' if len(some) == 1 else 's'} {', '.join(map(str, sorted(some)))} of job {job_id}"
        for job_id, some in indices.items()
    )


def _record(storage: Storage, record: Callable[[Sequence[Completion]], None], result: UnrecordedResult) -> bool:
    """Record one result. Where another result of its chunk stands, keep its text and its cost with an attempt.

    Returns whether it needs no keeping any more: it does if the store lacks its job, and nobody deleted the job there.
    """
    completion = result.completion
    try:
        try:
            if result.is_failure:
                storage.budgets.keep_failure(completion)
            else:
                record([completion])
        except ChunkAlreadyCompleted as error:
            storage.budgets.keep_result(completion)
            kept = "its text and its cost are kept with an attempt at the chunk: see job.attempts()"
            log.warning("an unrecorded result came too late: %s; %s", error, kept)
    except JobNotFound:
        if not storage.jobs.was_deleted(completion.job_id):
            return False
        _tell_of_deleted(result)
    return True


def _tell_of_deleted(result: UnrecordedResult) -> None:
    job_id, index = result.completion.job_id, result.completion.chunk_index
    log.warning("job %s, chunk %d: an unrecorded result is gone with its job, which was deleted", job_id, index)


def take_in(storage: Storage, record: Callable[[Sequence[Completion]], None]) -> None:
    """Record the results that an earlier process could not record, and remove its files. Repeatable after a kill."""
    for path in unrecorded_files.files_of(storage.path):
        try:
            results = unrecorded_files.read(storage.path, path)
            left = [result for result in results if not _take_in_one(storage, record, path, result)]
        except CheckpointStoreError as error:
            log.warning("unrecorded results were not taken in, and stay where they are: %s", error)
            continue
        if not left:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            log.warning("taken in from %s: %s that had not been recorded", path, counted(len(results), "result"))


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
        return _record(storage, record, result)
    except JobNotFound as error:
        if not storage.jobs.was_deleted(job_id):
            level = WARNING if _names(storage.path, path, result) else DEBUG
            log.log(level, "a result in %s was not taken in, and stays there: %s", path, error)
            return False
        _tell_of_deleted(result)
    return True


def _names(store: Path, path: Path, result: UnrecordedResult) -> bool:
    """Whether this store left a result: the file of the result lies beside the store, or names the store."""
    return path.parent == store.parent or result.store == str(store)
