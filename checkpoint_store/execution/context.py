"""The context that a store shares with its jobs: storage, state file, loops, and claims."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkAlreadyCompleted,
    ChunkOutOfOrder,
    InvalidArgumentError,
    StorageUnavailableError,
)
from checkpoint_store.execution.claims.claims import Claims
from checkpoint_store.execution.claims.claims_by_job import ClaimsByJob
from checkpoint_store.execution.claims.requests import QueuedPauses
from checkpoint_store.execution.unrecorded.taking_in import take_in
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.store_file import READ_ONLY
from checkpoint_store.storage.backup import version_of
from checkpoint_store.storage.records.records import NextClaim
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from weakref import ReferenceType

    from checkpoint_store.execution.chunk_contents import Given
    from checkpoint_store.execution.loops.open_loops import Loops
    from checkpoint_store.execution.unrecorded.kept_results import UnrecordedResults
    from checkpoint_store.model.loop_records import RunRecord
    from checkpoint_store.model.money import Cost
    from checkpoint_store.state_file.writer import StateFile
    from checkpoint_store.storage.backup import BackupVersion
    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Reading, Storage


class BackupListener:
    """Calls a function with the path of each automatic backup: once, and again after a call that failed."""

    def __init__(self, on_backup: Callable[[Path], object] | None) -> None:
        if on_backup is not None and not callable(on_backup):
            raise InvalidArgumentError("on_backup", on_backup, "is no function of the path of a backup")
        self._on_backup: Final = on_backup
        self._calls: dict[tuple[Path, BackupVersion | None], object] = {}
        """The backups for which the function was called, or is called just now."""

    def tell(self, backup: Path | None) -> None:
        """Call the function with the newest backup; None: no backup was made.

        An earlier process may have been killed before it carried its backup away: that backup counts, too, if it holds
        all that the store has now. An error of the function is logged, and ends nothing.
        """
        if backup is None or self._on_backup is None:
            return
        version, call, is_carried = (backup, version_of(backup)), object(), False
        if self._calls.setdefault(version, call) is not call:  # the loop of another thread may have ended just now
            return
        try:
            self._on_backup(backup)
            is_carried = True
        except Exception as error:  # whatever the caller's function raises
            log.warning("on_backup failed for %s, and will be called for it again: %s", backup, describe(error))
        finally:
            if not is_carried:
                del self._calls[version]


_made: Final[WeakValueDictionary[int, StoreContext]] = WeakValueDictionary()
"""The contexts of this process, by their ids: a late result of a closed store is recorded through an open store."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class StoreContext:
    """The context that a store shares with its jobs."""

    reading: Reading
    """The verbs that read the store."""
    writing: Storage | None
    """The verbs that read and write; None for a read-only store. See :attr:`storage`."""
    state_file: StateFile | None
    loops: Loops
    """The loops that are under way."""
    unrecorded: UnrecordedResults
    """The results that could not be recorded when they came."""
    backups: BackupListener
    """Calls ``on_backup`` with each automatic backup."""
    claims: ClaimsByJob = field(default_factory=ClaimsByJob)
    """The claims of this store object, by job id, as long as anyone refers to them."""
    runners: set[Claims] = field(default_factory=set)
    """The claims whose runner is registered now."""
    growing: set[ReferenceType[Any]] = field(default_factory=set)
    """The job executions of this store object that anyone refers to; each is told when its job grows."""
    grown: dict[str, int] = field(default_factory=dict)
    """The number of chunks of each job that grew through this store object, by job id."""
    cost_places: dict[str, Cost] = field(default_factory=dict)
    """Where the cost stands in the results of a job, as its last loop said that named no usual place, by job id."""
    pauses: QueuedPauses = field(default_factory=QueuedPauses)
    """The pauses that signal handlers asked for, and that are not recorded yet."""
    last_runs: dict[str, RunRecord] = field(default_factory=dict)
    """The record of the last loop of this store object, by job id."""

    def __post_init__(self) -> None:
        _made[id(self)] = self

    def open_now(self) -> StoreContext:
        """Return this context; if its store is closed, another context of this process with the same file open."""
        if self.reading.closed:
            for other in list(_made.values()):
                if other.writing is not None and other.reading.path == self.reading.path and not other.reading.closed:
                    return other
        return self

    @property
    def storage(self) -> Storage:
        """The verbs that write; :class:`StorageUnavailableError` in a read-only store."""
        if self.writing is None:
            remedy = "Nothing was written. To write, open it without read_only=True."
            raise StorageUnavailableError(self.reading.path, READ_ONLY, remedy)
        return self.writing

    def claims_of(self, job_id: str) -> Claims:
        """Return the claims of this store object for a job, made anew if it has none."""
        storage, claims = self.storage, self.claims.at_hand(job_id)
        if claims is None:
            for others in list(self.runners):  # runners that could not end when their last loop ended
                others.end_if_idle(wait=True)
            claims = self.claims.of(job_id, lambda: Claims(storage.claims, job_id, self.runners, self.note_change))
        return claims

    def record(self, completions: Sequence[Completion], claims: Claims | None = None) -> None:
        """Record completions of one job, all or none, and let the state file follow. Durable when this returns."""
        storage, job_id = self.writing or self.storage, completions[0].job_id
        claims = claims or self.claims.at_hand(job_id)  # the caller has them while a loop is at work
        self._keep_reported_costs(claims, completions)
        along, has_claimed = None, False
        try:
            if claims is not None and len(completions) == 1:
                along = claims.along.next_after(completions[0].chunk_index)
            next_claim = None if along is None else NextClaim(along.index, along.runner_id)
            has_claimed = storage.complete(completions, next_claim)
        except (ChunkAlreadyCompleted, ChunkOutOfOrder) as error:
            for refused in [completion for completion in completions if completion.chunk_index == error.chunk_index]:
                self._note_refused(refused)
            raise
        finally:
            if claims is not None and along is not None:
                claims.confirm_along(along, has_claimed=has_claimed)
        if sys.is_finalizing():
            return  # a finalizer at shutdown: writing files needs imports, and nothing can be imported any more
        # The next steps may run out of descriptors, memory or disk. The results are recorded, so that is no error.
        try:
            if claims is not None:
                claims.completed(completions)
        except Exception as error:  # the results are recorded
            log_suppressed(error, f"after a completion of job {job_id}, its claims could not be brought up to date")
        if claims is None:
            self._let_copies_follow(completions)
        else:
            claims.settling_late.afterwards(partial(self._let_copies_follow, completions))

    def _keep_reported_costs(self, claims: Claims | None, completions: Sequence[Completion]) -> None:
        """Keep the costs that were reported by the attempts which these completions end. Durable when this returns.

        The store is asked only for attempts that have reported a cost, or that are not in hand: their results come
        late, and another process may have made them. A cost that cannot be kept is logged, and no error: the result is
        recorded next, and is worth more.
        """
        for completion in completions:
            job_id, index, number = completion.job_id, completion.chunk_index, completion.attempt
            chunk = None if claims is None else claims.in_hand.get(index)
            if number is None or (chunk is not None and chunk.number == number and not chunk.reported):
                continue
            try:
                self.storage.budgets.keep_reported(job_id, index, number)
            except Exception as error:  # whatever the disk lacks: the result is tried all the same
                log_suppressed(error, f"job {job_id}, chunk {index}: what its failed tries cost is not recorded")

    def _let_copies_follow(self, completions: Sequence[Completion]) -> None:
        """Let the state file and the backups follow completions of a job."""
        backups, moment = (self.writing or self.storage).backups, time.monotonic()
        try:
            if self.state_file is not None:
                self.state_file.follow(completions, moment)
            if moment >= backups.due_at:
                self.backups.tell(backups.make_if_due(moment))
        except Exception as error:  # the results are recorded
            job_id = completions[0].job_id
            log_suppressed(error, f"after a completion of job {job_id}, its copies could not be brought up to date")

    def _note_refused(self, completion: Completion) -> None:
        """Free the chunk of a refused result, and keep the text and the cost of the result with its attempt."""
        claims = self.claims.at_hand(completion.job_id)
        if claims is not None:
            claims.abandon(completion.chunk_index, completion.attempt)
        if completion.attempt is None:  # it was recorded by hand: nobody knows whether it was paid for
            return
        try:
            self.storage.budgets.keep_result(completion)
        except CheckpointStoreError as error:  # the caller learns of the refusal, and has the result
            where = f"chunk {completion.chunk_index} of job {completion.job_id}"
            log_suppressed(error, f"the cost of a refused result of {where} was not recorded")

    def record_unrecorded(self) -> None:
        """Record the unrecorded results of all jobs. Durable when this returns."""
        self.unrecorded.record(self.writing, self.record)

    def take_in_unrecorded(self) -> None:
        """Record the unrecorded results, also those that other processes left in files. Durable when this returns."""
        self.record_unrecorded()
        take_in(self.storage, self.record, self.unrecorded.passed_over)

    def pause_recorded(self, job_id: str) -> None:
        """Let the loops of this process, of any store object, see a pause before they start their next chunk."""
        for context in list(_made.values()):
            claims = context.claims.at_hand(job_id)
            if claims is not None:
                claims.runner.look_for_pause()

    def job_grew(self, job_id: str, total_chunks: int, given: Given | None) -> None:
        """Let the loops of this store object that are at work on a job see the chunks that the job has now."""
        self.grown[job_id] = max(total_chunks, self.grown.get(job_id, 0))
        for job in [refers() for refers in list(self.growing)]:
            if job is not None and job.job_id == job_id:
                job.grow(total_chunks, given)

    def job_changed(self, job_id: str) -> None:
        """Make the state file exact. If only the file cannot be written, that is logged, and it is written later."""
        if self.state_file is not None:
            self.state_file.write_or_later(job_id)

    def note_change(self, job_id: str) -> None:
        """Let the next ending make the state file exact: the job changed in something else than a result."""
        if self.state_file is not None:
            self.state_file.note_change(job_id)

    def job_ended(self, job_id: str) -> None:
        """Make the state file exact as :meth:`job_changed` does, and make an automatic backup."""
        self.job_changed(job_id)
        if self.back_up() and self.state_file is not None:
            self.state_file.drop_previous()

    def back_up(self) -> bool:
        """Make an automatic backup, if it costs no more than its share, and call ``on_backup`` without a lock held.

        Returns whether a backup has all that is in the store.
        """
        backup = self.storage.backups.make()
        self.backups.tell(backup)
        return backup is not None
