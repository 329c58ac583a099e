"""What a store file can do: the verbs that read, and those that write. Records go in and come out.

Each writing verb is one transaction, durable when it returns (as far as the store's ``durability`` says), or, where it
raises, undone. A read-only store is a class of its own, which has the reading verbs only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import CheckpointStoreError, JobIncomplete, JobNotFound
from checkpoint_store.model.merge_report import MergeReport
from checkpoint_store.storage.backup import RollingBackup, remove_backups
from checkpoint_store.storage.budget_verbs import BudgetStorage
from checkpoint_store.storage.claim_verbs import ClaimStorage
from checkpoint_store.storage.file_names import StoreFiles
from checkpoint_store.storage.group_commit import Writer
from checkpoint_store.storage.handle_verbs import HandleStorage
from checkpoint_store.storage.reading import Reading
from checkpoint_store.storage.redo_verbs import RedoStorage
from checkpoint_store.storage.statements import (
    attempt_log,
    complete_and_run,
    liveness,
    open_job,
    pruning,
    save_state,
    stretch,
)
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import runners as runner_statements
from checkpoint_store.storage.statements.job_endings import finish_if_done
from checkpoint_store.storage.statements.metadata import set_metadata
from checkpoint_store.system.descriptors import importing
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from checkpoint_store.model.prune_report import PruneRequest
    from checkpoint_store.model.state import ProcessingState
    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.connection.read_only import ReadOnlyDatabase
    from checkpoint_store.storage.open_requests import OpenedJob, OpenRequest
    from checkpoint_store.storage.records import Completion, JobRecord, Known, NextClaim, StatusChange
    from checkpoint_store.storage.saved_state import Looked, Saved
    from checkpoint_store.storage.statements.pruning import Prunable


_PATIENCE_SECONDS: Final = 0.5
"""How long a verb waits for other processes that only makes a number exact."""


class ReadOnlyStorage(Reading):
    """A store file that is read and never touched: it has the reading verbs, and no other."""

    def __init__(self, database: ReadOnlyDatabase, state_files: Sequence[Path] = ()) -> None:
        super().__init__(database, state_files)


class Storage(Reading):
    """A store file that is open for reading and writing."""

    def __init__(
        self, database: Database, state_files: Sequence[Path] = (), *, copies_are_carried_away: bool = False
    ) -> None:
        super().__init__(database, state_files)
        self.database: Final = database
        self.group_commit: Final = Writer(database)
        self.claims: Final = ClaimStorage(database)
        self.budgets: Final = BudgetStorage(database)
        self.handles: Final = HandleStorage(database, state_files)
        self.redos: Final = RedoStorage(database)
        follows_growth = copies_are_carried_away or not state_files
        self._rolling = RollingBackup(database, StoreFiles(database.path).lock, follows_growth=follows_growth)

    # -- jobs

    def open_job(self, request: OpenRequest, *, exclusive_for: Callable[[str], int | None] | None = None) -> OpenedJob:
        """Return the job that a request leads to, as the newest and the current one. Durable when this returns.

        ``exclusive_for``, given the id of the job, returns the caller's own runner of it, or None: then the job is
        refused where any other runner is at work on it.

        Raises:
            PlanChanged: the plan differs, and the request says that this is to be refused. Nothing was changed.
            JobBusy: another runner is at work on the job. Nothing was changed.
        """

        def write(connection: sqlite3.Connection) -> OpenedJob:
            found = open_job.open_job(connection, request, self.path)
            if exclusive_for is not None:
                own = exclusive_for(found.job.job_id)
                liveness.refuse_if_busy(connection, self.path, found.job.job_id, own_runner_id=own, exclusive=True)
            return found

        return self.healing(lambda: self.database.write(write))

    def set_status(
        self, job_id: str, change: StatusChange, *, unless_others_work: bool = False, own_runner_id: int | None = None
    ) -> None:
        """Change a job's status, and ask for a pause or withdraw one, as the record says. Durable when this returns.

        With ``unless_others_work`` nothing is changed where another runner than one's own is at work on the job.

        Raises:
            JobNotFound: the job was deleted.
            JobIncomplete: it is to be completed, and chunks are left.
        """

        def write(connection: sqlite3.Connection) -> None:
            if unless_others_work and liveness.others_at_work(
                connection, self.path, job_id, own_runner_id=own_runner_id
            ):
                return
            if change.withdraws_pauses:
                runner_statements.clear_pauses(connection, job_id)
            if change.is_completed_instead and finish_if_done(connection, job_id):
                return
            if change.needs_all_chunks:
                record = job_statements.find_job(connection, job_id, self.path)
                raise JobIncomplete(job_id, record.remaining_count)
            times = stretch.changes_now(connection, job_id, self.path)
            values = {"status": change.status.value, "error_message": change.message, **times}
            job_statements.update_job(connection, job_id, self.path, **values)
            if change.asks_for_pause:
                runner_statements.ask_to_pause(connection, job_id)

        self.database.write(write)

    def leave_out(self, job_id: str, seconds: float) -> None:
        """Take so many seconds before now out of a job's worked time, if no completion came in them. Durable.

        Raises:
            StoreBusy: the store is being written to. Nothing was changed.
        """

        def write(connection: sqlite3.Connection) -> None:
            stretch.leave_out(connection, job_id, self.path, seconds)

        self.database.write_if_free(write, patience_seconds=_PATIENCE_SECONDS)

    def set_metadata(self, job_id: str, metadata: Mapping[str, Any]) -> None:
        """Replace what is said about a job beside its plan. Durable when this returns.

        Raises:
            JobNotFound: the job was deleted.
        """
        self.database.write(lambda connection: set_metadata(connection, job_id, self.path, metadata))

    def delete_job(self, job_id: str) -> str:
        """Delete the job with this id or unique prefix of it, and return its id. Durable when this returns.

        From then on it is deleted; :meth:`erase_deleted` removes what backups and the WAL still hold of it.

        Raises:
            JobNotFound: there is none, or more than one, or the prefix has fewer than eight characters.
        """

        def write(connection: sqlite3.Connection) -> str:
            found = job_statements.find_job(connection, job_id, self.path).job_id
            JobNotFound.refuse_short(job_id, found, self.path)
            job_statements.delete_job(connection, found)
            return found

        return self.database.write(write)

    def prune(self, request: PruneRequest) -> Prunable:
        """Delete jobs and attempts by a request, and return what went. Durable when this returns.

        :meth:`erase_deleted` removes what backups and the WAL still hold of the jobs.
        """
        return self.database.write(lambda connection: pruning.prune(connection, self.path, request))

    def erase_deleted(self, job_id: str) -> None:
        """Leave no byte of a job that was deleted in the automatic backups, nor in the WAL; give its room back.

        Where the room cannot be given back now (a full disk, somebody at work), it is used again by later results.

        Raises:
            ErasureUnfinished: a reader was in the way all the time. The job is deleted all the same.
        """
        remove_backups(self.path)
        try:
            self.database.writer.give_room_back()
        except CheckpointStoreError as error:
            log_suppressed(error, f"{self.path}: the room of job {job_id} could not be given back")
        self.database.writer.scrub_wal(job_statements.touch, f"job {job_id}")

    # -- chunks

    def complete(self, completions: Sequence[Completion], next_claim: NextClaim | None = None) -> bool:
        """Record completions of one job, all or none of them. Durable when this returns; see ``group_commit.py``.

        Returns whether ``next_claim`` was made in the same transaction.

        Raises:
            ChunkAlreadyCompleted: a chunk is complete with another result, and the completion does not replace it.
            JobNotFound: the job was deleted.
        """
        return self.group_commit.submit(completions, next_claim)

    @property
    def is_crowded(self) -> bool:
        """Whether several threads completed chunks at the same time, last time."""
        return self.group_commit.last_batch > 1

    def complete_and_run(self, completion: Completion) -> None:
        """Record a completion, and set its job ``running`` unless it is paused or complete. Durable on return."""
        self.database.write(lambda connection: complete_and_run.complete_and_run(connection, completion))

    def retry_failed(self, job_id: str, indices: Sequence[int] | None) -> int:
        """Give failed chunks (these; None: all) their attempts back. Durable on return. Returns how many those are."""
        return self.database.write(lambda connection: attempt_log.retry_failed(connection, job_id, indices))

    # -- states

    def import_state(self, state: ProcessingState) -> JobRecord:
        """Take in what the store lacks of a state, as the newest and the current job. Durable when this returns.

        Raises:
            ChunkAlreadyCompleted: the store has another result for a chunk. Nothing was written.
        """
        return self.healing(
            lambda: self.database.write(lambda connection: save_state.save(connection, state, self.path, replace=False))
        )

    def merge(self, other: Path) -> MergeReport:
        """Take in what another store did of the same plans, and its other jobs. Each job is durable once it is merged.

        Raises:
            StoreTargetError: ``other`` is no store. Nothing was changed.
            SchemaTooNew: a newer version of this library wrote it. Nothing was changed.
            StoreDamaged: ``other`` is damaged. Nothing was changed.
        """
        with importing():
            from checkpoint_store.storage.merging import merge, other_store  # only for those who merge

        with other_store.copy_of_store(other, self.path, self.database.lock_timeout_seconds) as copy:
            return MergeReport(other, tuple(merge.merge_all(self.database, merge.OtherStore(copy, other))))

    def merge_state(self, state: ProcessingState, other: Path) -> MergeReport:
        """:meth:`merge` for the job of a state, which was read from the file ``other``."""
        with importing():
            from checkpoint_store.storage.merging import merge, other_store  # see merge()

        with other_store.store_of_state(state, self.path, self.database.lock_timeout_seconds) as copy:
            return MergeReport(other, tuple(merge.merge_all(self.database, merge.OtherStore(copy, other))))

    def save_state(self, state: ProcessingState, known: Known | None, looked: Looked) -> Saved:
        """Make a state the current job, and write only what differs from the store. Durable when this returns.

        ``known`` is what this verb, or :meth:`current_state`, returned last. Where another job took the place of the
        caller's own one since it looked, the state is recorded, and does not become current.

        Raises:
            StateFormatError: nothing tells which chunk a result belongs to. Nothing was written.
            CurrentJobChanged: the store does not have the job, and another one became current. Nothing was written.
        """

        def write(connection: sqlite3.Connection) -> Saved:
            return save_state.save_changes(connection, state, self.path, known, looked)

        return self.healing(lambda: self.database.write(write))

    def current_state(self, known: Known | None) -> Known | None:
        """Return the current job, results included; ``known`` itself where the store holds that still."""
        moment = self.database.moment()
        if known is not None and known.moment == moment is not None:
            return known

        def read(connection: sqlite3.Connection) -> Known | None:
            current = job_statements.list_jobs(connection, self.path, current=True)
            return next((save_state.load(connection, record, self.path, moment) for record in current), None)

        return self.healing(lambda: self.database.read(read))

    def still_holds(self, known: Known) -> bool:
        """Whether nothing was committed, by whomever, since the store held this."""
        return self.database.moment() == known.moment is not None

    # -- copies

    def back_up_if_due(self, moment: float) -> Path | None:
        """Make an automatic backup where one is due at ``moment`` (``time.monotonic()``); see :meth:`back_up_now`."""
        return self._rolling.make_if_due(moment)

    def back_up_now(self) -> Path | None:
        """Make an automatic backup unless that costs more than its share. A failure is no failure of the store.

        Returns the backup that holds what there is, verified, also where it was there before; None where none does.
        """
        return self._rolling.make()
