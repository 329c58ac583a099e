"""StateManager: the face of one current job, for a processor that already calls it."""

from __future__ import annotations

import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, CurrentJobChanged, JobNotFound
from checkpoint_store.execution.claims.requests import handler_interrupts_library
from checkpoint_store.execution.lifecycle import status_change
from checkpoint_store.execution.store.closing import close_unattended
from checkpoint_store.execution.store.current_job import CurrentJob, ManagerCalls, checked_state
from checkpoint_store.model.chunks import as_int
from checkpoint_store.model.records import JobStatus
from checkpoint_store.state_file.exporting import checked_state_path, keeps_path, refuse_shared_store
from checkpoint_store.storage.files.names import STORE_SUFFIX, StoreFiles, state_copies
from checkpoint_store.storage.files.siblings import Siblings
from checkpoint_store.storage.records.saved_state import Looked
from checkpoint_store.storage.target import store_beside
from checkpoint_store.store import CheckpointStore
from checkpoint_store.system.files import make_folder
from checkpoint_store.system.forks import OfOneProcess
from checkpoint_store.system.log import WarningsLast
from checkpoint_store.system.paths import is_there

if TYPE_CHECKING:
    import os

    from checkpoint_store.job import Job
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.records.records import Known

_TAKEN_UP: Final = frozenset({JobStatus.PENDING, JobStatus.FAILED, JobStatus.COMPLETED})
"""A job with one of these statuses is running from its next chunk on. A paused job stays as somebody wanted it."""


class StateManager(OfOneProcess):
    """Keeps the state of one current job. Safe to share between threads, and between processes by path.

    The truth is the store file beside ``state_path`` (suffix ``.db``); the state file is written for people to read,
    the state file before it has the suffix ``.bak``, the lock ``.lock``. A state file from before the store existed is
    imported once. Nothing is created before the first :meth:`save`, which also makes the folder.

    The job that a manager loaded or saved last is its own. If another program makes another job current meanwhile,
    :meth:`save`, :meth:`update_chunk_complete` and :meth:`set_status` record what they are given in its own job, and
    raise :class:`CurrentJobChanged`; a new job is refused. :meth:`load` takes up whatever job is current.

    Args:
        state_path: the state file; :attr:`DEFAULT_PATH` where it is None.
        lock_timeout_seconds: how long to wait before :class:`StoreBusy`; :attr:`LOCK_TIMEOUT` where it is None.
        durability: see :class:`CheckpointStore`.
    """

    DEFAULT_PATH: ClassVar[str | os.PathLike[str]] = Path(".processing_state.json")
    """The state file if no ``state_path`` is given. A subclass may have another default, or a ``state_path``."""
    LOCK_TIMEOUT: ClassVar[float] = 10
    """The lock timeout in seconds. A subclass may have another default."""

    def __init__(
        self,
        state_path: str | os.PathLike[str] | None = None,
        *,
        lock_timeout_seconds: float | None = None,
        durability: Durability = "power-loss",
    ) -> None:
        given = getattr(self, "state_path", self.DEFAULT_PATH) if state_path is None else state_path
        self.state_path: Final = checked_state_path(given)
        """The state file, as it was given."""
        self.store_path: Final = store_beside(self.state_path)
        """The store file, as an absolute path: the program may change its working folder."""
        self.lock_path: Final = StoreFiles(self.state_path.with_suffix(STORE_SUFFIX)).lock
        self._options: dict[str, Any] = {
            "state_file": self.store_path.with_suffix(self.state_path.suffix),
            "lock_timeout_seconds": self.LOCK_TIMEOUT if lock_timeout_seconds is None else lock_timeout_seconds,
            "durability": durability,
        }
        self._calls = ManagerCalls(self.store_path)
        self._opened = _Opened()
        weakref.finalize(self, close_unattended, self._opened.close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.state_path)!r}>"

    def __setattr__(self, name: str, value: object) -> None:
        if not keeps_path(name, vars(self).get(name), value):
            super().__setattr__(name, value)

    def load(self) -> ProcessingState | None:
        """Return the current job's state, results included, or None if there is no current job.

        Where nobody has recorded anything since the last ``load`` or ``save``, the state is not read again.
        """
        with self._calls.states:
            store = self._store_if_any()
            before, known = self._opened.known, None if store is None else _current_of(store).state(self._opened.known)
            if known is None or known is not before:
                self._opened.known, self._calls.looked = known, self._calls.looked.at(known)
            return None if known is None else known.state

    def save(self, state: ProcessingState) -> None:
        """Make ``state`` the current job; durable, and in the state file, when this returns. ``updated_at`` is now.

        Only what differs from what the store has is written to the store; the state file is written whole. Chunks and
        results that the store has of this job and ``state`` lacks are kept: only :meth:`clear` removes them. A result
        that this manager loaded or saved before, and that was replaced since, is not put back
        (:meth:`update_chunk_complete` does that). :meth:`Job.redo` says which complete chunks are done again.
        A new job without results pays again for results that the store has in a job of the same file, settings and
        number of chunks, or in an unfinished job of that file and settings: a ``UserWarning`` names the job.

        Raises:
            CurrentJobChanged: another program made another job current. Only the manager's own job was recorded.
            StateFormatError: nothing tells which chunk a new result belongs to. (Chunks may be new without a result.)
                Or ``state`` has a field of a subclass of :class:`ProcessingState`.
            SecretInConfig: the config of ``state`` holds what looks like a secret. Nothing was saved.
            JobBusy: ``state`` changes the plan of a job that a loop works on, or a runner has alone. Nothing was saved.
            StoreBusy: another program held the lock file: the message says whether only the state file is behind.
                If the store took nothing, the results of new chunks are kept: a note of the error says where.
        """
        state = checked_state(state)
        with WarningsLast(), self._calls.states:
            make_folder(self.store_path.parent)
            current = _current_of(self._open())
            known, self._opened.known, looked = self._opened.known, None, self._calls.looked
            if looked.own_job_id != state.job_id:  # after an interrupt nobody knows which job is current
                self._calls.looked = looked._replace(own_job_id=None)
            try:
                saved = current.save(state, known, looked)
            except CheckpointStoreError:
                self._calls.looked = looked
                raise
            self._calls.looked = looked.after(state.job_id, saved)
            if (other := saved.replaced_by) is not None:
                raise CurrentJobChanged(self.store_path, state.job_id, other.job_id, other.file_name, is_recorded=True)
            self._opened.known = saved.known
            current.show(state.job_id, saved)

    def update_chunk_complete(self, chunk_index: int, result: object) -> None:
        """Record the result of a chunk (0-based) of the current job; durable when this returns.

        It costs the same for chunk 1 and chunk 100,000. An equal result changes nothing; another result takes its
        place. A pending or failed job is running from then on; a job that somebody paused stays paused.

        Raises:
            JobNotFound: there is no current job; :meth:`save` a state first.
            ChunkOutOfRange, InvalidResultError: see :meth:`Job.complete`.
            CurrentJobChanged: another job is current now. The result is recorded in the job that it was made for.
        """
        with WarningsLast():  # of the opening, too, which this call may have to do first
            job, status, digest = self._required(chunk_index := as_int(chunk_index))
            self._opened.known = None  # a whole state is much to keep for nothing
            current, own = _current_of(self._open()), self._calls.looked.replaced_own(job.job_id)
            is_anothers = self._calls.looked.is_of_another(job.job_id, chunk_index, digest)
            try:
                if own is not None:
                    current.complete(own, None, chunk_index, result)
                    raise CurrentJobChanged(self.store_path, own, job.job_id, job.file_name, is_recorded=True)
                if status in _TAKEN_UP:
                    current.complete(job.job_id, job.total_chunks, chunk_index, result)
                else:
                    try:
                        job.complete(chunk_index, result)
                    except ChunkAlreadyCompleted:
                        is_anothers = current.is_of_another(job.job_id, chunk_index, self._calls.looked)
                        job.complete(chunk_index, result, replace=True)
            finally:  # after an interrupt nobody knows whether it was recorded
                self._calls.looked.note(job.job_id, chunk_index)
            current.warn_of_replaced(job.job_id, self._calls.own_looked.job_of_program())
            if is_anothers:
                current.warn_of_another(job.job_id, chunk_index)

    def set_status(self, status: JobStatus | str, error: BaseException | str | None = None) -> None:
        """Set the current job's status and error message; the state file is exact then, or the log says why it is not.

        In a signal handler that interrupted a call of this library, the status is durable once that call is through.

        Raises:
            InvalidArgumentError: ``status`` is none of the five statuses; or ``error`` is no exception and no text.
            JobNotFound: there is no current job; :meth:`save` a state first.
            CurrentJobChanged: another job is current now. The status is set in the job that it was meant for.
        """
        wanted, store = status_change(status, error), self._opened.store
        own_job_id = self._calls.looked.own_job_id or getattr(self._opened.job, "job_id", None)
        if store is not None and own_job_id is not None and handler_interrupts_library():
            _current_of(store).set_status_soon(own_job_id, wanted)
            return
        with WarningsLast():
            job = self._required()[0]
            if (own := self._calls.looked.replaced_own(job.job_id)) is not None:
                _current_of(self._open()).set_status_beside(own, wanted)
                raise CurrentJobChanged(self.store_path, own, job.job_id, job.file_name, is_recorded=True)
            job.set_status(status, error)

    def has_incomplete_job(self) -> bool:
        """Whether the current job is running or paused and has chunks left. Reads no result."""
        with self._calls.states:
            current = self._current()
            self._calls.looked = self._calls.looked.seen(None if current is None else current[0].job_id)
        may_go_on = current is not None and current[1] in (JobStatus.RUNNING, JobStatus.PAUSED)
        return current is not None and may_go_on and current[0].progress().remaining_chunks > 0

    def clear(self) -> None:
        """Remove the current job, its results, the state file and its ``.bak`` for good.

        No byte of a result stays in any file. Other jobs in the store file stay, and none of them becomes current.
        Where another program made another job the current one, the manager's own job is removed.

        Raises:
            ErasureUnfinished, StorageUnavailableError: the job is deleted; the named WAL or backup still has its bytes.
            StoreBusy: another program held the lock file. Nothing was removed, and the job is still the manager's own.
        """
        with self._calls.states:
            current, looked = self._current(), self._calls.looked
            self._calls.looked = Looked(has_looked=True, store=self.store_path)
            if current is None:
                return
            own = looked.replaced_own(current[0].job_id)  # never remove the job of another program
            try:
                with suppress(JobNotFound):
                    _current_of(self._open()).clear(own or current[0].job_id, and_backup=own is None)
            except CheckpointStoreError:  # the job may still be there
                self._calls.looked = looked
                raise

    def close(self) -> None:
        """Close the store. If this manager changed the job, the state file is exact then. The next call opens it."""
        with self._calls.guard:
            self._opened.close()

    def _open(self) -> CheckpointStore:
        with self._calls.guard:
            if self._opened.store is None:
                refuse_shared_store(self._options["state_file"], self.store_path)
                self._opened.store = CheckpointStore(self.store_path, **self._options)
                _current_of(self._opened.store).keep_previous_states()
                self._calls.own_looked.check_job_of_program(_current_of(self._opened.store).has)
            return self._opened.store

    def _store_if_any(self) -> CheckpointStore | None:
        """Return the store; None, and nothing is created, where there is neither a store nor anything to import."""
        paths = (self.store_path, *state_copies(self._options["state_file"]))
        with self._calls.guard:
            is_any = self._opened.store is not None or any(map(is_there, paths))
            if is_any or Siblings(self.store_path).backups():
                return self._open()
            self._calls.own_looked.check_job_of_program(lambda _: False)
            return None

    def _current(self, chunk_index: int | None = None) -> tuple[Job, JobStatus, str | None] | None:
        with self._calls.guard:
            store = self._store_if_any()
            row = None if store is None else _current_of(store).row(chunk_index)
            if store is None or row is None:
                self._opened.job = None
                return None
            job_id, total_chunks, status, digest = row
            job = self._opened.job
            if job is None or (job.job_id, job.total_chunks) != (job_id, total_chunks):
                job = self._opened.job = store.job(job_id)
            return job, JobStatus(status), digest

    def _required(self, chunk_index: int | None = None) -> tuple[Job, JobStatus, str | None]:
        if (current := self._current(chunk_index)) is None:
            raise JobNotFound.no_current(self.store_path)
        return current

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Opened:
    """The store that a manager has open. Callers need not close a manager: the store closes with it, or at exit."""

    def __init__(self) -> None:
        self.store: CheckpointStore | None = None
        self.job: Job | None = None
        self.known: Known | None = None
        """The state that was loaded or saved last."""

    def close(self) -> None:
        store, self.store, self.job, self.known = self.store, None, None, None
        if store is not None:
            store.close()


def _current_of(store: CheckpointStore) -> CurrentJob:
    return store._current  # noqa: SLF001 - what this face needs of a store and a user does not
