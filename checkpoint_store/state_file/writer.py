"""Write a job's state file: in constant memory, whole for readers at every moment, in a share of the elapsed time."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import (
    CheckpointStoreError,
    JobNotFound,
    StorageFullError,
    StorageUnavailableError,
    StoreBusy,
)
from checkpoint_store.model.state.state_text import state_text
from checkpoint_store.state_file.growing import GrowingFile, Outcome, stored_text
from checkpoint_store.state_file.pace import SMALL_BYTES, WritingPace
from checkpoint_store.state_file.reader import holds_something_else, is_no_file, shows
from checkpoint_store.storage.files.identity import identity_of
from checkpoint_store.storage.files.names import moved_aside, state_backup
from checkpoint_store.system.file_exchange import CAN_TELL_READERS
from checkpoint_store.system.file_lock import file_lock, refuse_inner_call, take
from checkpoint_store.system.file_replacement import replace_file
from checkpoint_store.system.files import leftovers, remove_file, storage_errors, sweep
from checkpoint_store.system.forks import ForkAware, is_held_here, watch
from checkpoint_store.system.log import log
from checkpoint_store.system.paths import is_there, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from checkpoint_store.storage.records.records import Completion, Known
    from checkpoint_store.storage.storage import Storage

_PAGE_RESULTS: Final = 256


def known_text(known: Known) -> Iterator[str]:
    """Yield the text of a job's state from its known content, without reading the store. The text is the same."""
    state, texts = known.state, known.texts or ()
    results = (texts[at : at + _PAGE_RESULTS] for at in range(0, len(texts), _PAGE_RESULTS))
    indices = _one_page(state.result_indices)
    return state_text(state, _one_page(state.completed_chunks), results, indices, state.redo_chunks)


def _one_page(indices: Sequence[int]) -> Sequence[Sequence[int]]:
    return (indices,) if indices else ()


class StateFile(ForkAware):
    """The state file of a store. It follows the current job at its pace, and becomes exact on demand."""

    def __init__(self, storage: Storage, path: Path, lock: Path, *, lock_timeout_seconds: float) -> None:
        self.path = path
        self.backup = state_backup(path)
        self._storage = storage
        self._store_identity = identity_of(storage.path)
        self._lock = lock
        self._lock_timeout_seconds = lock_timeout_seconds
        self._growing = GrowingFile(path, self.backup, storage.path)
        self._completed_jobs = storage.follow_completed_jobs()
        """The jobs that this process has completed, and whose file it has not written since."""
        self.forget_in_child()
        watch(self)
        self._unwritten_job_id: str | None = None
        """The job that has changed since the last writing; None if the file is not behind."""
        self.left_behind: str | None = None
        """The job whose file a killed program left behind; None once the file is written."""
        self._is_failure_logged = False
        """Whether the log has the failure of a writing, and no writing has succeeded since."""
        self._pace = WritingPace()
        self.keeps_previous = False
        """Whether ``.bak`` stays when a job ends."""

    def forget_in_child(self) -> None:
        """Start with a free lock in a forked child: the thread that was writing exists in the parent only."""
        self._busy = threading.RLock()
        self._growing.forget()

    def sweep(self) -> None:
        """Remove the temporary files of killed runs. If another process is writing now, leave that to the next open."""
        if leftovers(self.path) or leftovers(self.backup):
            with suppress(CheckpointStoreError), file_lock(self._lock, 0.0, like=self._storage.path):
                sweep(self.path)
                sweep(self.backup)

    def follow(self, completions: Sequence[Completion], moment: float) -> None:
        """Write the file if its pace allows. These completions of one job were recorded at ``moment``.

        If a completion of this process completed the job, the file is exact when this returns, whatever the pace.
        """
        self._unwritten_job_id = job_id = completions[0].job_id
        if job_id in self._completed_jobs:
            self._follow_to_end(job_id)
            return
        size_bytes = 0
        for completion in completions:  # no comprehension, nor a sum: each completion comes here
            size_bytes += len(completion.text or "")
        if not self._pace.is_due(job_id, moment, size_bytes):
            return
        taken: list[bool] = []
        if is_held_here(self._busy):  # a signal handler recorded a result while the file is written
            return
        try:
            take(self._busy, taken)
            if taken:
                # The store is the truth; a file that cannot be written now is written later.
                try:
                    self._write_as_paced(job_id, moment)
                except StoreBusy as error:
                    log.debug("%s is written later: %s holds its lock", self.path, error.holder)
                except Exception as error:  # out of descriptors, or of memory
                    self._log_failure(error)
        finally:
            if taken:
                self._busy.release()

    def _follow_to_end(self, job_id: str) -> None:
        """Write the file of a job that a completion has completed: one thread does, and the others wait for it."""
        taken: list[bool] = []
        try:
            take(self._busy, taken, self._lock_timeout_seconds)
            if taken and job_id in self._completed_jobs:
                self._write(job_id, self._lock_timeout_seconds)
        except Exception as error:  # the chunk is recorded
            self._log_failure(error)
        finally:
            if taken:
                self._completed_jobs.discard(job_id)
                self._busy.release()

    def note_change(self, job_id: str) -> None:
        """Note that the job changed. :meth:`write_if_behind` writes the file."""
        self._unwritten_job_id = job_id

    def _write_as_paced(self, job_id: str, moment: float) -> None:
        is_left_to_others = self._pace.is_large and not self._pace.has_doubled
        if is_left_to_others and self._growing.is_followed_by_another(moment):
            self._pace.put_off(moment)
        else:
            self._write(job_id, 0.0, overhead_bytes_max=self._pace.overhead_bytes_max(job_id, moment))

    def _log_failure(self, error: Exception) -> None:
        """Log that the file could not be written. The next line follows only after a writing has succeeded."""
        if not self._is_failure_logged:
            log.warning("%s could not be written, and is written later: %s", self.path, error)
        self._is_failure_logged = True

    def write(self, job_id: str, known: Known | None = None) -> Path:
        """Write the file as the job is now. Exact and durable when this returns.

        ``known``: the job as it was read before. It is written without a new read if nothing was committed since.
        """
        refuse_inner_call(self._busy, self.path)
        with self._busy:
            self._write(job_id, self._lock_timeout_seconds, known)
        return self.path

    def write_or_later(self, job_id: str) -> None:
        """:meth:`write`; log the error if only the state file, its ``.bak`` or its lock is in trouble.

        The change of the job is in the store by then: it is no failure of the call that made it. The next writing, or
        the close of the store, tries again.
        """
        try:
            self.write(job_id)
        except (StorageFullError, StorageUnavailableError, StoreBusy) as error:
            if error.path not in map(str, (self.path, self.backup, self._lock)):
                raise
            self._log_failure(error)

    def write_if_behind(self) -> None:
        """Write the file if the job has changed since the last writing, or if the file was removed meanwhile.

        Exact and durable when this returns.
        """
        job_id = self._unwritten_job_id or self._job_of_removed_file()
        if job_id is not None:
            try:
                self.write(job_id)
            except JobNotFound:
                log.info("job %s was deleted by another process, with its state file: not written", job_id)

    def _job_of_removed_file(self) -> str | None:
        """Return the current job if somebody has removed the file that this process wrote, and not the store."""
        is_removed = self._pace.shown_job_id and not is_there(self.path)
        is_ours = is_removed and identity_of(self._storage.path) == self._store_identity
        row = self._storage.states.current_row() if is_ours else None
        return row and row[0]

    def _write(
        self, job_id: str, timeout_seconds: float, known: Known | None = None, *, overhead_bytes_max: int | None = None
    ) -> None:
        """Write the file as the job is now; ``overhead_bytes_max`` as in :meth:`GrowingFile.update`.

        Durable when this returns, unless that limit put the writing off: :meth:`write_if_behind` makes up for it.
        """
        started = time.monotonic()
        self._unwritten_job_id = job_id
        try:
            with storage_errors(self.path), self._locked(timeout_seconds):
                sweep(self.path)
                sweep(self.backup)
                self._move_foreign_files_aside()
                self._unwritten_job_id = self.left_behind = None
                try:
                    # Whoever commits after this look waits for the lock, and writes the file again.
                    outcome = self._update(job_id, known, overhead_bytes_max)
                except BaseException:
                    self._unwritten_job_id = job_id
                    raise
                self._is_failure_logged = False
                if outcome.is_written:
                    self._pace.wrote(job_id, self.path.stat().st_size, outcome.overhead_bytes)
                else:
                    self._unwritten_job_id = job_id
                    self._pace.put_off(started)
        finally:
            self._pace.spent(started, time.monotonic())

    def _locked(self, timeout_seconds: float) -> file_lock:
        outcome = f"Only {self.path} is behind, and what was recorded is in the store"
        return file_lock(self._lock, timeout_seconds, like=self._storage.path, outcome=outcome)

    def move_aside(self) -> Path:
        """Rename the state file, which is torn, and return its new name. Nothing but ``prune`` removes it then."""
        aside = moved_aside(self.path, "corrupt")
        with file_lock(self._lock, self._lock_timeout_seconds, like=self._storage.path), storage_errors(self.path):
            self.path.rename(aside)
        return aside

    def _move_foreign_files_aside(self) -> None:
        """Move aside what is no state file. As ``.bak`` it would make the next opening fail."""
        if holds_something_else(self.path):
            _move_aside(self.path)
        if is_no_file(self.backup):
            _move_aside(self.backup)

    def _update(self, job_id: str, known: Known | None, overhead_bytes_max: int | None) -> Outcome:
        if CAN_TELL_READERS and (self._pace.is_large or _is_large(self.path)):
            update = self._growing.update
            return self._storage.with_snapshot(job_id, lambda snapshot: update(snapshot, overhead_bytes_max))
        if known is not None and known.texts is not None and self._storage.states.still_holds(known):
            self._replace(known_text(known))
        else:
            self._storage.with_snapshot(job_id, lambda snapshot: self._replace(stored_text(snapshot)))
        self._growing.wrote()
        return Outcome(is_written=True, overhead_bytes=0 if CAN_TELL_READERS else self._pace.size_bytes)

    def _replace(self, text: Iterator[str]) -> None:
        replace_file(self.path, text, backup=self.backup, like=self._storage.path)

    def drop_previous(self) -> None:
        """Remove ``.bak`` if the state file has all its results; see :meth:`GrowingFile.drop_previous`. Logs errors."""
        if self.keeps_previous:
            return
        try:
            refuse_inner_call(self._busy, self.path)
            with self._busy, file_lock(self._lock, 0.0, like=self._storage.path):
                self._growing.drop_previous()
        except StoreBusy as error:
            log.debug("%s is kept for now: %s holds its lock", self.backup, error.holder)
        except (CheckpointStoreError, OSError) as error:
            log.info("%s is kept: %s", self.backup, error)

    def forget(self, deleted: Callable[[], Sequence[str]], *, and_backup: bool = False) -> None:
        """Remove the state file and ``.bak`` if they show deleted jobs, and write these jobs no more.

        ``and_backup``: remove ``.bak``, whichever job it shows. ``deleted`` deletes the jobs and returns their ids; it
        is called with the lock held: where another program keeps the lock, nothing is deleted.
        """
        refuse_inner_call(self._busy, self.path)
        with self._busy, file_lock(self._lock, self._lock_timeout_seconds, like=self._storage.path):
            for job_id in deleted():
                if self._unwritten_job_id == job_id:
                    self._unwritten_job_id = None
                if self._pace.shown_job_id == job_id:
                    self._pace.shown_job_id = ""
                for path in (self.path, self.backup):
                    sweep(path)
                    if (and_backup and path == self.backup) or shows(path, job_id):
                        remove_file(path)


def _move_aside(path: Path) -> None:
    aside = moved_aside(path, "replaced")
    with storage_errors(path):
        path.rename(aside)
    log.warning("%s was no state file: moved to %s", path, aside.name)


def _is_large(path: Path) -> bool:
    status = status_of(path)
    return status is not None and status.st_size > SMALL_BYTES
