"""A job to its state file: streamed, whole at every moment, and never at more than its share of the time."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, JobNotFound, StateFormatError, StoreBusy
from checkpoint_store.model.state_text import state_text
from checkpoint_store.state_file.pace import WritingPace
from checkpoint_store.state_file.reader import read_state, refuse_own, refuse_to_replace
from checkpoint_store.storage.file_names import state_backup
from checkpoint_store.system.file_lock import file_lock, take
from checkpoint_store.system.files import leftovers, replace_file, storage_error, sweep
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log
from checkpoint_store.system.turns import giving_turns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.storage.job_snapshot import JobSnapshot
    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records import Known
    from checkpoint_store.storage.storage import Storage

_PAGE_RESULTS: Final = 256


def stored_text(snapshot: JobSnapshot) -> Iterator[str]:
    """Yield the text of a job's state, from one snapshot, in constant memory; results as they are stored."""
    results = snapshot.result_texts(), snapshot.chunks_with_result()
    yield from giving_turns(state_text(snapshot.job, snapshot.completed_chunks(), *results, snapshot.redo_chunks()))


def known_text(known: Known) -> Iterator[str]:
    """Yield the same text of what is known of a job, without a look into the store."""
    state, texts = known.state, known.texts or ()
    results = (texts[at : at + _PAGE_RESULTS] for at in range(0, len(texts), _PAGE_RESULTS))
    indices = _one_page(state.result_indices)
    return state_text(state, _one_page(state.completed_chunks), results, indices, state.redo_chunks)


def _one_page(indices: Sequence[int]) -> Sequence[Sequence[int]]:
    return (indices,) if indices else ()


class StateFile(ForkAware):
    """The state file of a store: what it shows, and when it may be written again."""

    def __init__(self, storage: Storage, path: Path, lock: Path, *, lock_timeout_seconds: float) -> None:
        self.path = path
        self.backup = state_backup(path)
        self._storage = storage
        self._lock = lock
        self._lock_timeout_seconds = lock_timeout_seconds
        self.forget_in_child()
        watch(self)
        self._behind: str | None = None
        self._is_unwritten = False
        """Whether the log has a line that says that the file could not be written."""
        self._pace = WritingPace()

    def forget_in_child(self) -> None:
        """After a fork, in the child: the thread that was writing does not exist here."""
        self._busy = threading.Lock()

    def sweep(self) -> None:
        """Remove what killed runs left behind, unless someone is writing now: the next open does it then."""
        if leftovers(self.path) or leftovers(self.backup):
            with suppress(CheckpointStoreError), file_lock(self._lock, 0.0, like=self._storage.path):
                sweep(self.path)
                sweep(self.backup)

    def follow(self, job_id: str, moment: float, size_bytes: int) -> None:
        """Write the file if its pace allows: results of so many bytes were recorded for this job just now."""
        self._behind = job_id
        if not self._pace.is_due(job_id, moment, size_bytes):
            return
        taken: list[bool] = []
        try:
            take(self._busy, taken)
            if taken:
                # The store is the truth; a file that cannot be written now is written later.
                try:
                    self._write(job_id, self.path, 0.0)
                except StoreBusy:
                    log.debug("%s is written later: another process holds its lock", self.path)
                except Exception as error:  # out of descriptors, or of memory
                    self._say_unwritten(error)
        finally:
            if taken:
                self._busy.release()

    def note_change(self, job_id: str) -> None:
        """Note that the job changed: the file is exact again when :meth:`write_if_behind` returns."""
        self._behind = job_id

    def _say_unwritten(self, error: Exception) -> None:
        """Log that the file could not be written: once, until it could be."""
        if not self._is_unwritten:
            log.warning("%s could not be written, and is written later: %s", self.path, error)
        self._is_unwritten = True

    def write(self, job_id: str, known: Known | None = None) -> Path:
        """Write the file as the job is now. Exact and durable when this returns.

        ``known`` saves reading all of the job, where nothing was committed since.
        """
        with self._busy:
            self._write(job_id, self.path, self._lock_timeout_seconds, known)
        return self.path

    def write_if_behind(self) -> None:
        """Write the file unless it is exact already."""
        if self._behind is not None:
            job_id = self._behind
            try:
                self.write(job_id)
            except JobNotFound:
                log.info("job %s was deleted by another process, with its state file: not written", job_id)

    def _write(self, job_id: str, path: Path, timeout_seconds: float, known: Known | None = None) -> None:
        started = time.monotonic()
        self._behind = job_id
        try:
            with file_lock(self._lock, timeout_seconds, like=self._storage.path):
                sweep(path)
                sweep(self.backup)
                self._behind = None
                try:
                    # Whoever commits after this look waits for the lock, and writes the file again.
                    if known is not None and known.texts is not None and self._storage.still_holds(known):
                        self._replace(path, known_text(known))
                    else:
                        self._storage.with_snapshot(job_id, lambda snapshot: self._replace(path, stored_text(snapshot)))
                except BaseException:
                    self._behind = job_id
                    raise
                self._is_unwritten = False
                self._pace.wrote(job_id, path.stat().st_size)
        except OSError as error:
            raise storage_error(error, path) from error
        finally:
            self._pace.spent(started, time.monotonic())

    def _replace(self, path: Path, text: Iterator[str]) -> None:
        replace_file(path, text, backup=self.backup, like=self._storage.path)

    def forget(self, job_id: str, *, and_backup: bool = False) -> None:
        """This job was deleted: nothing of it is written again, and neither the file nor the one before shows it.

        ``and_backup``: the one before goes, whichever job it shows.
        """
        if self._behind == job_id:
            self._behind = None
        with self._busy, file_lock(self._lock, self._lock_timeout_seconds, like=self._storage.path):
            for path in (self.path, self.backup):
                sweep(path)
                if (and_backup and path == self.backup) or _shows(path, job_id):
                    try:
                        path.unlink(missing_ok=True)
                    except OSError as error:
                        raise storage_error(error, path) from error


def _shows(path: Path, job_id: str) -> bool:
    try:
        return read_state(path).job_id == job_id
    except StateFormatError:  # torn: nothing can be said of it, except by its bytes
        return job_id.encode() in path.read_bytes()
    except CheckpointStoreError:
        return False


def write_state(reading: Reading, job_id: str, path: Path, *, replace: bool) -> Path:
    """Write a job's state to any path but the store's own, whole and durable when this returns.

    Raises:
        StoreTargetError: something else than an older export of the same job is there, and ``replace`` is not set.
    """
    refuse_own(path, reading.path)

    def write(snapshot: JobSnapshot) -> None:
        if not replace:
            refuse_to_replace(path, job_id, giving_turns(snapshot.completed_chunks()))
        replace_file(path, stored_text(snapshot), like=reading.path)

    reading.with_snapshot(job_id, write)
    return path
