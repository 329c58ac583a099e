"""Open a store file, and return its verbs: the reading verbs, which a read-only store has too, and the writing verbs.

They take and return records. Each reading verb reads one consistent snapshot and changes nothing. Each writing verb is
one transaction: durable when it returns (as far as the store's ``durability`` says), and undone if it raises.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from checkpoint_store.model.reports import MergeReport
from checkpoint_store.storage import destination
from checkpoint_store.storage.backup import RollingBackup, back_up
from checkpoint_store.storage.checks import integrity
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.files.names import StoreFiles
from checkpoint_store.storage.group_commit import Writer
from checkpoint_store.storage.opening import Opener
from checkpoint_store.storage.records.open_requests import Decision, OpenRequest
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.attempts import liveness
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import pruning
from checkpoint_store.storage.statements.plans import earlier_job, open_job, run_plan
from checkpoint_store.storage.statements.plans.comparison import PlanSearch
from checkpoint_store.storage.verbs.base import ReadingVerbs, SelfHealing
from checkpoint_store.storage.verbs.budgets import BudgetStorage
from checkpoint_store.storage.verbs.chunks import ChunkVerbs, KeyVerbs
from checkpoint_store.storage.verbs.claims import ClaimStorage
from checkpoint_store.storage.verbs.handles import HandleStorage
from checkpoint_store.storage.verbs.job_changes import JobChanges
from checkpoint_store.storage.verbs.job_content import JobContent
from checkpoint_store.storage.verbs.jobs import ImportFacts, JobVerbs
from checkpoint_store.storage.verbs.redos import MarkVerbs, RedoStorage
from checkpoint_store.storage.verbs.results import ResultVerbs
from checkpoint_store.storage.verbs.runners import LivingRunners
from checkpoint_store.storage.verbs.states import StateVerbs
from checkpoint_store.system.descriptors import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.records import Problem, RunPlan
    from checkpoint_store.model.reports import Prunable, PruneRequest
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.model.store_file import Durability
    from checkpoint_store.storage.connection.database import Database
    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.records.open_requests import OpenedJob
    from checkpoint_store.storage.records.records import Completion, NextClaim
    from checkpoint_store.storage.recovery.recover import RecoveryReport

T = TypeVar("T")


class Reading(ReadingVerbs):
    """The reading verbs over one open store file, by what they are about. Safe to share between threads."""

    def __init__(self, database: AnyDatabase, state_files: Sequence[Path] = ()) -> None:
        super().__init__(database)
        self.healing: Final = SelfHealing(database, state_files)
        self.jobs: Final = JobVerbs(database)
        self.chunks: Final = ChunkVerbs(database)
        self.results: Final = ResultVerbs(database, self.healing)
        self.keys: Final = KeyVerbs(database)
        self.marks: Final = MarkVerbs(database)
        """The marks on chunks that are to be done again."""
        self.runners: Final = LivingRunners(database)
        self.import_facts: Final = ImportFacts(database)

    # -- a whole job

    def state(self, job_id: str) -> ProcessingState:
        """Return a whole job as a state, results included."""

        def read(connection: sqlite3.Connection) -> ProcessingState:
            record = job_statements.find_job(connection, job_id, self.path)
            pages = result_statements.result_texts(connection, job_id, self.path, self.healing.substitutes)
            return result_statements.state_of(connection, record, [text for page in pages for text in page])

        return self.healing.run(lambda: self._database.read(read), job_id)

    def with_snapshot(self, job_id: str, work: Callable[[JobContent], T]) -> T:
        """Return the value of ``work`` on a snapshot of a job. ``work`` may take long: no other read waits for it.

        ``work`` is called again if the file of a read-only store changed meanwhile, and if a damaged result was put
        back.
        """

        def read(connection: sqlite3.Connection) -> T:
            return work(JobContent(connection, job_id, self.path, self.healing.substitutes))

        return self.healing.run(lambda: self._database.read_apart(read), job_id)

    # -- predictions of a prune and of a run

    def prunable(self, request: PruneRequest) -> Prunable:
        """Return the jobs, and the number of attempts, that a request deletes."""
        return self._database.read(pruning.prunable, self.path, request)

    def plan(self, request: OpenRequest, cost: str) -> RunPlan:
        """Return the prediction of a run that opens a job with this request."""

        def read(connection: sqlite3.Connection) -> RunPlan:
            earlier, substitutes = earlier_job.earlier_job(connection, request, self.path), self.healing.substitutes
            search = PlanSearch(connection, request, self.path)
            return run_plan.plan_run(search, earlier, cost=cost, substitutes=substitutes)

        return self.healing.run(lambda: self._database.read(read))

    def plan_of_rest(self, job_id: str, cost: str) -> RunPlan:
        """Return the prediction of a run on the rest of a job."""

        def read(connection: sqlite3.Connection) -> RunPlan:
            record, substitutes = job_statements.find_job(connection, job_id, self.path), self.healing.substitutes
            search = PlanSearch(connection, OpenRequest(record.plan, None, None, "refuse", fresh=False), self.path)
            return run_plan.plan_run(search, record, cost=cost, substitutes=substitutes)

        return self.healing.run(lambda: self._database.read(read), job_id)

    # -- the whole store

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has ended."""
        return self._database.closed

    def close(self) -> None:
        """Close the file; every acknowledged result is durable already. Closing twice is fine.

        Raises:
            StorageUnavailableError: another program overwrote the file or its WAL. The file is closed.
        """
        self._database.close()

    def facts(self) -> dict[str, Any]:
        """Return versions, journal mode, sizes in bytes, and counts of jobs and completed chunks."""
        return {
            "sqlite_version": sqlite3.sqlite_version,
            "read_only": self._database.read_only,
            **self._database.read(job_statements.facts),
            "journal_mode": journal_mode_for(self.path),
        }

    def check(self, on_progress: integrity.OnProgress | None = None) -> list[Problem]:
        """Return the problems of the store: in structure, references, counts, and the digest of every result."""
        return integrity.check(self._database, on_progress)

    def backup(self, target: Path, state_files: Sequence[Path], *, replace: bool) -> None:
        """Copy the store as it is now to ``target``: verified, durable, 0600 when this returns.

        Raises:
            StoreTargetError: ``target`` is one of the store's files, or something else that is there. Nothing was
                written.
        """
        destination.refuse_own(target, self.path, state_files)
        destination.refuse_to_replace(self._database, target, replace=replace)
        back_up(self._database, target)


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

    def open_job(
        self, request: OpenRequest, *, exclusive_for: Callable[[str], int | None] | None = None
    ) -> OpenedJob | Decision:
        """Return the job that a request leads to, as the newest and the current one. Durable when this returns.

        If the plan differs, and the request says that this is to be refused, return the decision, from which
        :meth:`JobVerbs.refusal` makes the error. Nothing was changed, then.

        ``exclusive_for``, given the id of the job, returns the caller's own runner of it, or None: then the job is
        refused where any other runner is at work on it.

        The claims that wait to be freed are freed first.

        Raises:
            JobBusy: another runner is at work on the job. Nothing was changed.
        """

        def write(connection: sqlite3.Connection) -> OpenedJob | Decision:
            self.claims.releases.write(connection)  # a chunk that is not in hand may get the result of another job
            opened = open_job.open_job(connection, request, self.path)
            if exclusive_for is not None and not isinstance(opened, Decision):
                own = exclusive_for(opened.job.job_id)
                liveness.refuse_if_busy(connection, self.path, opened.job.job_id, own_runner_id=own, exclusive=True)
            return opened

        return self.healing.run(lambda: self.database.write(write))

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
        return self.group_commit.follow_completed_jobs()

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


class OpenedFile(NamedTuple):
    """A store file that was opened for reading and writing."""

    storage: Storage
    recovery: RecoveryReport | None
    """The report of the recovery that the opening made; None without a recovery."""


def open_for_reading(path: Path, state_files: Sequence[Path], *, lock_timeout_seconds: float) -> Reading:
    """Open a store file without creating, changing or locking anything.

    Raises:
        StoreTargetError: there is no store, or another program's file.
        SchemaTooOld: a migration is needed first.
        SchemaTooNew: a newer version of this library wrote the file.
        StoreDamaged: the file is damaged.
    """
    opener = Opener(path, state_files, durability="power-loss", lock_timeout_seconds=lock_timeout_seconds)
    return Reading(opener.open_read_only(), state_files)


def open_for_writing(
    path: Path,
    state_files: Sequence[Path],
    *,
    durability: Durability,
    lock_timeout_seconds: float,
    migrate: bool,
    is_owner_checked: bool = False,
    has_backup_hook: bool = False,
) -> OpenedFile:
    """Open a store file for reading and writing. Create, upgrade or recover it first if necessary.

    ``migrate``: upgrade a store of an older schema; False: refuse it. ``has_backup_hook``: something is called with
    each automatic backup. For the other arguments see :class:`.Opener`.

    Raises:
        SchemaTooOld: ``migrate`` is False, and the store has an older schema. Nothing was changed.
        SchemaTooNew: a newer version of this library wrote the file. Nothing was changed.
        StoreDamaged: the store is damaged, and its copies do not have all that is lost. Nothing was changed.
    """
    opener = Opener(path, state_files, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
    database = opener.open(migrate=migrate, is_owner_checked=is_owner_checked)
    return OpenedFile(Storage(database, opener.state_files, has_backup_hook=has_backup_hook), opener.report)
