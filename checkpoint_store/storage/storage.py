"""The verbs of a store file: reading verbs and writing verbs. They take and return records.

Each writing verb is one transaction: durable when it returns (as far as the store's ``durability`` says), and undone if
it raises. A read-only store is a :class:`Reading`, which has the reading verbs only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.model.reports import MergeReport
from checkpoint_store.storage.backup import RollingBackup
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.group_commit import Writer
from checkpoint_store.storage.reading import Reading
from checkpoint_store.storage.records.open_requests import Decision
from checkpoint_store.storage.statements.attempts import liveness
from checkpoint_store.storage.statements.plans import open_job
from checkpoint_store.storage.statements.plans.refusal import refusal
from checkpoint_store.storage.verbs.budgets import BudgetStorage
from checkpoint_store.storage.verbs.claims import ClaimStorage
from checkpoint_store.storage.verbs.handles import HandleStorage
from checkpoint_store.storage.verbs.job_changes import JobChanges
from checkpoint_store.storage.verbs.redos import RedoStorage
from checkpoint_store.storage.verbs.states import StateVerbs
from checkpoint_store.system.descriptors import importing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.records.open_requests import OpenedJob, OpenRequest
    from checkpoint_store.storage.records.records import Completion, NextClaim


class Storage(Reading):
    """A store file that is open for reading and writing."""

    def __init__(self, database: Database, state_files: Sequence[Path] = (), *, has_backup_hook: bool = False) -> None:
        super().__init__(database, state_files)
        self.database: Final = database
        self.group_commit: Final = Writer(database)
        self.job_changes: Final = JobChanges(database)
        self.states: Final = StateVerbs(database, self.healing)
        self.claims: Final = ClaimStorage(database)
        self.budgets: Final = BudgetStorage(database)
        self.handles: Final = HandleStorage(database, state_files)
        self.redos: Final = RedoStorage(database)
        follows_growth = has_backup_hook or not state_files  # the hook may take backups to another machine
        self.backups: Final = RollingBackup(database, StoreFiles(database.path).lock, follows_growth=follows_growth)
        """The automatic backups."""

    def open_job(self, request: OpenRequest, *, exclusive_for: Callable[[str], int | None] | None = None) -> OpenedJob:
        """Return the job that a request leads to, as the newest and the current one. Durable when this returns.

        ``exclusive_for``, given the id of the job, returns the caller's own runner of it, or None: then the job is
        refused where any other runner is at work on it.

        Raises:
            PlanChanged: the plan differs, and the request says that this is to be refused. Nothing was changed.
            JobBusy: another runner is at work on the job. Nothing was changed.
        """

        def write(connection: sqlite3.Connection) -> OpenedJob | Decision:
            opened = open_job.open_job(connection, request, self.path)
            if exclusive_for is not None and not isinstance(opened, Decision):
                own = exclusive_for(opened.job.job_id)
                liveness.refuse_if_busy(connection, self.path, opened.job.job_id, own_runner_id=own, exclusive=True)
            return opened

        opened = self.healing.run(lambda: self.database.write(write))
        if isinstance(opened, Decision):  # no writer waits while the results are counted that each choice would keep
            raise self.database.read_apart(lambda connection: refusal(connection, request, opened, self.path))
        return opened

    def complete(self, completions: Sequence[Completion], next_claim: NextClaim | None = None) -> bool:
        """Record completions of one job, all or none of them. Durable when this returns; see ``group_commit.py``.

        Returns whether ``next_claim`` was made in the same transaction.

        Raises:
            ChunkAlreadyCompleted: a chunk is complete with another result, and the completion does not replace it.
            ChunkOutOfOrder: the job is sequential, and a chunk before is not complete, or was done again meanwhile.
            JobNotFound: the job was deleted.
        """
        return self.group_commit.submit(completions, next_claim)

    def follow_completed_jobs(self) -> set[str]:
        """Return the jobs that completions of this store object complete. The caller removes a job it has acted on."""
        return self.database.writer.completed_jobs.follow()

    @property
    def is_crowded(self) -> bool:
        """Whether more than one thread was completing chunks at the time of the last completion."""
        return self.group_commit.last_batch > 1

    def merge(self, other: Path, state: ProcessingState | None = None) -> MergeReport:
        """Merge each job of another store: into the job of its plan, or as a new job. It is durable once it is merged.

        Args:
            other: the file of the other store, or that of the state.
            state: the state in a state file; None: ``other`` is a store.

        Raises:
            StoreTargetError: ``other`` is no store. Nothing was changed.
            SchemaTooNew: a newer version of this library wrote it. Nothing was changed.
            StoreDamaged: ``other`` is damaged. Nothing was changed.
        """
        with importing():
            from checkpoint_store.storage.merging import merge, other_store  # only for those who merge

        here = self.path, self.database.lock_timeout_seconds
        copying = other_store.copy_of_store(other, *here) if state is None else other_store.store_of_state(state, *here)
        with copying as copy:
            from_here = merge.OtherStore(copy, other, is_state=state is not None)
            return MergeReport(other, tuple(merge.merge_all(self.database, from_here)))
