"""What a store shares with its jobs: its storage, its state file, its loops, and what it has claimed."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, StorageUnavailableError
from checkpoint_store.execution.backup_listener import BackupListener
from checkpoint_store.execution.claims.claims import Claims
from checkpoint_store.execution.loops import Loops
from checkpoint_store.execution.unrecorded import UnrecordedResults, take_in
from checkpoint_store.state_file import importer
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.connection.read_only import READ_ONLY
from checkpoint_store.storage.file_names import StoreFiles, state_copies
from checkpoint_store.storage.opening import Opener
from checkpoint_store.storage.reading import Reading
from checkpoint_store.storage.sibling_check import refuse_foreign
from checkpoint_store.storage.storage import Storage
from checkpoint_store.system.files import storage_error
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from weakref import ReferenceType

    from checkpoint_store.execution.chunk_contents import Given, Growing
    from checkpoint_store.model.run_record import RunRecord
    from checkpoint_store.model.state import ProcessingState
    from checkpoint_store.storage.connection.pragmas import Durability
    from checkpoint_store.storage.records import Completion, Known
    from checkpoint_store.storage.recovery.recover import RecoveryReport


class ClaimsByJob(WeakValueDictionary[str, Claims]):
    """Claims by their job, as long as anyone refers to them."""

    data: dict[str, ReferenceType[Claims]]
    """What the base class keeps them in."""

    def at_hand(self, job_id: str) -> Claims | None:
        """Return the claims of a job, or None: as ``get`` does, without a KeyError on the way of each completion."""
        refers = self.data.get(job_id)
        return None if refers is None else refers()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class StoreContext:
    """What a store shares with its jobs."""

    reading: Reading
    """What may be asked of the store."""
    writing: Storage | None
    """The same with the verbs that write; None in a read-only store. See :attr:`storage`."""
    state_file: StateFile | None
    loops: Loops
    """The loops that are under way."""
    unrecorded: UnrecordedResults
    """What could not be recorded when it came."""
    backups: BackupListener
    """Who is told of automatic backups."""
    claims: ClaimsByJob = field(default_factory=ClaimsByJob)
    """What this store object has claimed, by job, as long as anyone refers to it."""
    runners: set[Claims] = field(default_factory=set)
    """Those of them that are runners now."""
    growing: set[ReferenceType[Growing]] = field(default_factory=set)
    """The jobs of this store object that anyone refers to: each learns when its job grows."""
    last_runs: dict[str, RunRecord] = field(default_factory=dict)
    """What the last loop of this store object did, by job."""

    @property
    def storage(self) -> Storage:
        """The verbs that write.

        Raises:
            StorageUnavailableError: the store is read-only.
        """
        if self.writing is None:
            raise StorageUnavailableError(self.reading.path, READ_ONLY)
        return self.writing

    def claims_of(self, job_id: str) -> Claims:
        """Return what this store object has claimed of a job, to claim more of it."""
        storage = self.storage
        found = self.claims.at_hand(job_id)
        if found is None:
            for others in list(self.runners):  # those that could not end when their last loop did
                others.end_if_idle(wait=True)
            found = self.claims.setdefault(job_id, Claims(storage.claims, job_id, self.runners, self.note_change))
        return found

    def record(self, completions: Sequence[Completion]) -> None:
        """Record completions of one job, all or none, and let the state file follow. Durable when this returns."""
        storage, job_id = self.writing or self.storage, completions[0].job_id
        claims = self.claims.at_hand(job_id)
        along, has_claimed = None, False
        try:
            if claims is not None and len(completions) == 1:
                along = claims.along.next_after(completions[0].chunk_index)
            has_claimed = storage.complete(completions, None if along is None else along.next_claim)
        except ChunkAlreadyCompleted as error:
            if claims is not None:
                claims.abandon(error.chunk_index)
            raise
        finally:
            if claims is not None and along is not None:
                claims.settle_along(along, has_claimed=has_claimed)
        if sys.is_finalizing():
            return  # a finalizer at shutdown: what makes files imports, and nothing can be imported any more
        # What follows may run out of descriptors, memory or disk. It never makes an error of what is recorded.
        try:
            if claims is not None:
                claims.completed(completions)
        except Exception as error:  # see above
            log_suppressed(error, f"after a completion of job {job_id}, its claims could not be brought up to date")
        try:
            moment = time.monotonic()
            if self.state_file is not None:
                self.state_file.follow(job_id, moment, sum([len(one.text or "") for one in completions]))
            self.backups.tell(storage.backups.make_if_due(moment))
        except Exception as error:  # see above
            log_suppressed(error, f"after a completion of job {job_id}, its copies could not be brought up to date")

    def record_unrecorded(self) -> None:
        """Record what could not be recorded when it came, of any job. Durable when this returns."""
        self.unrecorded.record(self.record)

    def job_grew(self, job_id: str, total_chunks: int, given: Given | None) -> None:
        """Let the loops of this store object that are at work on a job see the chunks that it has now."""
        for one in [refers() for refers in list(self.growing)]:
            if one is not None and one.job_id == job_id:
                one.grow(total_chunks, given)

    def chunk_completed(self, job_id: str) -> None:
        """Make the state file exact after a completion; where that is impossible, it is written later."""
        try:
            self.job_changed(job_id)
        except Exception as error:  # it never makes an error of what is recorded
            log_suppressed(error, f"after a completion of job {job_id}, its state file is written later")

    def job_changed(self, job_id: str, known: Known | None = None) -> None:
        """Make the state file exact; ``known`` is what the store holds of the job, where that is at hand."""
        if self.state_file is not None:
            self.state_file.write(job_id, known)

    def note_change(self, job_id: str) -> None:
        """Let the state file be exact at the next ending: the job changed by something else than a result."""
        if self.state_file is not None:
            self.state_file.note_change(job_id)

    def job_ended(self, job_id: str) -> None:
        """Make the state file exact, and keep a copy of the store."""
        self.job_changed(job_id)
        if self.back_up() and self.state_file is not None:
            self.state_file.drop_previous()

    def back_up(self) -> bool:
        """Make an automatic backup, if that costs no more than its share, and tell of it. No lock is held then.

        Returns whether a backup has all that there is.
        """
        backup = self.storage.backups.make()
        self.backups.tell(backup)
        return backup is not None


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """What opening a store came to."""

    context: StoreContext
    recovery: RecoveryReport | None
    """What opening had to recover."""
    notices: tuple[str, ...]
    """What the caller is to be warned of."""


def open_store(path: Path, state_file: Path | None, *, lock_timeout_seconds: float, **more: Any) -> OpenedStore:
    """Open a store, and create, upgrade or recover it first where that is needed; see :class:`CheckpointStore`.

    Raises:
        StorageUnavailableError: descriptors or memory run out, also while a module is read that only opening needs.
    """
    try:
        return _open_store(path, state_file, lock_timeout_seconds=lock_timeout_seconds, **more)
    except CheckpointStoreError:
        raise
    except OSError as error:
        raise storage_error(error, path) from error
    except MemoryError as error:
        raise StorageUnavailableError(path, "no memory is left") from error


def _open_store(
    path: Path,
    state_file: Path | None,
    *,
    durability: Durability,
    lock_timeout_seconds: float,
    migrate: bool,
    read_only: bool,
    on_backup: Callable[[Path], object] | None,
) -> OpenedStore:
    backups = BackupListener(on_backup)
    copies = () if state_file is None else state_copies(state_file)
    if not read_only:
        refuse_foreign(path)
    for_new_store = None if read_only else importer.state_for_new_store(path, state_file)
    opener = Opener(path, copies, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
    if read_only:
        reading = Reading(opener.open_read_only(), copies)
        return OpenedStore(
            StoreContext(reading, None, None, Loops(path), UnrecordedResults(reading), backups), opener.report, ()
        )
    database = opener.open(migrate=migrate, is_looked_at=True)
    storage = Storage(database, copies, copies_are_carried_away=on_backup is not None)
    notice = None
    try:
        follower = None
        if state_file is not None:
            follower = StateFile(storage, state_file, StoreFiles(path).lock, lock_timeout_seconds=lock_timeout_seconds)
            follower.sweep()
        storage.claims.runners.reap_dead()
        context = StoreContext(storage, storage, follower, Loops(path), UnrecordedResults(storage), backups)
        if follower is not None:

            def save(state: ProcessingState) -> None:
                context.job_changed(storage.states.take_in(state).job_id)

            notice = storage.healing.run(lambda: importer.import_at_opening(database, follower, for_new_store, save))
        take_in(storage, context.record)
    except BaseException:
        storage.close()
        raise
    notices = (notice, None if opener.report is None else str(opener.report))
    return OpenedStore(context, opener.report, tuple(filter(None, notices)))
