"""Unrecorded results: kept in memory and in a file until the store takes them."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import (
    CheckpointStoreError,
    JobNotFound,
    StorageFullError,
    StorageUnavailableError,
    StoreBusy,
    StoreDamaged,
)
from checkpoint_store.execution.unrecorded.taking_in import record_one
from checkpoint_store.model.error_text import notes_of, set_field
from checkpoint_store.storage.files import unrecorded as unrecorded_files
from checkpoint_store.storage.files.unrecorded import UnrecordedResult, plan_digest
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Reading, Storage

_UNTAKEN: Final = (StoreBusy, StorageFullError, StorageUnavailableError, StoreDamaged)
"""The errors of a store that can take no result now, whatever it is."""
_NOT_YET: Final = " are not recorded yet, and "


class UnrecordedResults(ForkAware):
    """The results of one store object that could not be recorded when they came. Safe to share between threads."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._store: Final = reading.path
        self.passed_over: Final[set[Path]] = set()
        """The files of other processes that belong to another store or plan, or cannot be read: one look is enough."""
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """After a fork, in the child: forget the results, which the parent records."""
        self._results: dict[object, UnrecordedResult] = {}
        """The results in the order in which they came, each by what tells it from the others; see :func:`_key`."""
        self._files: list[Path] = []
        """The files that hold the results."""
        self._is_written = True
        """Whether a file has each of the results."""
        self._lock = threading.RLock()
        """Held while the list changes, or a file replaces the earlier file: another thread may keep more results."""
        self._recording = threading.RLock()
        """Held by the thread that records the results; taken before the other lock."""

    @property
    def has_any(self) -> bool:
        """Whether any result is kept in memory."""
        return bool(self._results)

    def keep(self, completions: Sequence[Completion], *, are_failures: bool = False) -> str:
        """Keep results in memory, and in a file beside the store if it can be written; return a sentence about them.

        A recording of kept results replaces no result: the first one of a chunk stands. A result that the caller wants
        to replace another one is therefore put before the results of its chunk that are kept already.
        ``are_failures``: see :attr:`UnrecordedResult.is_failure`.
        """
        plans = {job_id: self._plan_of(job_id) for job_id in {completion.job_id for completion in completions}}
        store = str(self._store)
        with self._lock:
            first: dict[tuple[str, int], dict[object, UnrecordedResult]] = {}
            last: dict[object, UnrecordedResult] = {}
            for completion in completions:
                written = completion._replace(replace=False)
                result = UnrecordedResult(written, plans[completion.job_id], store, is_failure=are_failures)
                (first.setdefault(_chunk_of(result), {}) if completion.replace else last)[_key(result)] = result
            self._add(first, last)
            if self._reading.closed or not self._folder_answers():  # a kill must not take what only memory holds
                self._write_somewhere()
            else:
                self._write(self._store.parent)
            return self._what_is_left(is_last=self._reading.closed)

    def _add(
        self, first: dict[tuple[str, int], dict[object, UnrecordedResult]], last: dict[object, UnrecordedResult]
    ) -> None:
        """Add results: those of ``first`` before the kept results of their chunks, and those of ``last`` at the end."""
        results: dict[object, UnrecordedResult] = {}
        for key, result in self._results.items():
            results |= first.pop(_chunk_of(result), {})
            results.setdefault(key, result)
        for added in (*first.values(), last):
            for key, result in added.items():
                results.setdefault(key, result)
        if list(results) != list(self._results):
            self._results, self._is_written = results, False

    def _folder_answers(self) -> bool:
        """Whether the folder of the store is there, as far as the file system says."""
        with suppress(StorageUnavailableError):
            return is_folder(self._store.parent)
        return False

    def keep_by_hand(
        self, error: CheckpointStoreError, completions: Sequence[Completion], *, are_failures: bool = False
    ) -> None:
        """Keep results, or failures, that a caller could not record; a note of the error says where they are.

        A later recording replaces no result. Results that the store refused for what they are, and the results of a job
        that was deleted, are not kept.
        """
        if isinstance(error, _UNTAKEN) or (isinstance(error, JobNotFound) and error.deleted_at is None):
            note_where(error, self.keep(completions, are_failures=are_failures))

    def _plan_of(self, job_id: str) -> str | None:
        with suppress(CheckpointStoreError):
            return plan_digest(self._reading.jobs.find(job_id))
        return None

    def record(self, storage: Storage | None, record: Callable[[Sequence[Completion]], None]) -> None:
        """Record the kept results, and remove their files. Durable when this returns.

        The result of a job that the store lacks, and that nobody deleted, stays in its file: another store was put in
        the place of the store that has the job. The notes of an error name the chunks, and where the results are.
        """
        with self._recording:
            strays: dict[object, UnrecordedResult] = {}
            self._record_each(storage, record, strays)
            with self._lock:
                if strays:
                    self._leave(strays)
                elif not self._results:
                    self._remove_files()

    def _record_each(
        self,
        storage: Storage | None,
        record: Callable[[Sequence[Completion]], None],
        strays: dict[object, UnrecordedResult],
    ) -> None:
        """Record the kept results, and add to ``strays`` the results of jobs that the store lacks."""
        while (kept := self._next_but(strays)) is not None:
            key, result = kept
            try:
                assert storage is not None, "a read-only store has no results"
                is_over = record_one(storage, record, result)
            except BaseException as error:
                with self._lock:
                    self._write(self._store.parent)
                    note_where(error, self._what_is_left())
                raise
            if not is_over:
                strays[key] = result
                continue
            with self._lock:
                self._results.pop(key, None)

    def _next_but(self, strays: Mapping[object, UnrecordedResult]) -> tuple[object, UnrecordedResult] | None:
        """Return a kept result that is none of ``strays``, with its key; None if none is left.

        The result stays kept until it is recorded.
        """
        with self._lock:
            return next((kept for kept in self._results.items() if kept[0] not in strays), None)

    def _leave(self, strays: Mapping[object, UnrecordedResult]) -> None:
        """Leave results of jobs that the store lacks in a file for a later open; in memory if that fails."""
        kept = {key: result for key, result in self._results.items() if key not in strays}
        self._results, self._is_written = dict(strays), False
        self._write_somewhere()
        log.warning("%s has no job of unrecorded results. %s", self._store, self._what_is_left(is_last=True))
        if self._is_written:
            self._results, self._files = {}, []
        self._results |= kept
        if kept:
            self._is_written = False
            self._write(self._store.parent)

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
        with self._lock:
            rest = {key: result for key, result in self._results.items() if result.completion.job_id != job_id}
            self._results = rest
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
            unrecorded_files.write(path, list(self._results.values()))
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
        kinds = [("results", _places(self._results.values(), are_failures=False))]
        kinds += [("costs of failed tries", _places(self._results.values(), are_failures=True))]
        what = ", and the ".join(f"{kind} of {places}" for kind, places in kinds if places)
        return f"The {what}{_NOT_YET}{self._where(is_last=is_last)}."

    def _where(self, *, is_last: bool) -> str:
        if not self._is_written and is_last:
            return "no file can be written for them: they are lost when this process ends"
        if not self._is_written:
            return "kept in memory until the store is closed: then they are recorded, or written to a file"
        (path,) = self._files
        if not os.path.lexists(self._store):
            gone = f"kept in {path}; {self._store} no longer exists"
            if all(result.completion.fingerprint is None for result in self._results.values()):
                return f"{gone}, and only a store with that job takes them in"
            return f"{gone}: a store with that job takes them in, or a new one there where its chunks are opened again"
        if path.parent == self._store.parent:
            return f"kept in {path}, which the next open of the store takes in"
        return (
            f"kept in {path}, which the next open of the store takes in; "
            f"if that file may be deleted before, move it beside the store {self._store}"
        )


def _key(result: UnrecordedResult) -> object:
    """Return what tells a kept result from the others. Each failure was paid for: it is like no other.

    A caller may try again to record the result of an attempt: the time of the call tells no result from another.
    """
    return object() if result.is_failure else result.completion._replace(completed_at="", seconds=None)


def _chunk_of(result: UnrecordedResult) -> tuple[str, int]:
    return result.completion.job_id, result.completion.chunk_index


def note_where(error: BaseException, sentence: str) -> None:
    """Note where unrecorded results are, in the place of what an earlier note of the error says of them."""
    notes = [note for note in notes_of(error) if not says_where(note)]
    set_field(error, "__notes__", [*notes, sentence])


def says_where(note: str) -> bool:
    """Whether a note of an error says where unrecorded results are."""
    return note.startswith(("The results of ", "The costs of failed tries of ")) and _NOT_YET in note


def _places(results: Iterable[UnrecordedResult], *, are_failures: bool) -> str:
    """Return the chunks of results, or of failures, by job, each once: "chunks 1, 2 of job X".

    A chunk may have more than one result or failure: each of its tries was paid for.
    """
    indices: dict[str, set[int]] = {}
    for result in results:
        if result.is_failure is are_failures:
            indices.setdefault(result.completion.job_id, set()).add(result.completion.chunk_index)
    return "; ".join(
        f"chunk{'' if len(some) == 1 else 's'} {', '.join(map(str, sorted(some)))} of job {job_id}"
        for job_id, some in indices.items()
    )
