"""The reading verbs, which a store and a read-only store have in common.

Each verb reads one consistent snapshot and changes nothing. It returns records, and raises errors of ``errors.py``.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.storage import destination
from checkpoint_store.storage.backup import back_up
from checkpoint_store.storage.checks import integrity
from checkpoint_store.storage.connection.pragmas import journal_mode_for
from checkpoint_store.storage.records.open_requests import OpenRequest
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.jobs import pruning
from checkpoint_store.storage.statements.plans import earlier_job, run_plan
from checkpoint_store.storage.verbs.base import ReadingVerbs, SelfHealing
from checkpoint_store.storage.verbs.chunks import ChunkVerbs, KeyVerbs
from checkpoint_store.storage.verbs.job_content import JobContent
from checkpoint_store.storage.verbs.jobs import ImportFacts, JobVerbs
from checkpoint_store.storage.verbs.redos import MarkVerbs
from checkpoint_store.storage.verbs.results import ResultVerbs
from checkpoint_store.storage.verbs.runners import LivingRunners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.model.records import Problem, RunPlan
    from checkpoint_store.model.reports import Prunable, PruneRequest
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.connection.read_only import AnyDatabase

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
        return self._database.read(lambda connection: pruning.prunable(connection, self.path, request))

    def plan(self, request: OpenRequest, cost: str) -> RunPlan:
        """Return the prediction of a run that opens a job with this request."""

        def read(connection: sqlite3.Connection) -> RunPlan:
            earlier, substitutes = earlier_job.earlier_job(connection, request, self.path), self.healing.substitutes
            return run_plan.plan_run(connection, request, self.path, earlier, cost=cost, substitutes=substitutes)

        return self.healing.run(lambda: self._database.read(read))

    def plan_of_rest(self, job_id: str, cost: str) -> RunPlan:
        """Return the prediction of a run on the rest of a job."""

        def read(connection: sqlite3.Connection) -> RunPlan:
            record, substitutes = job_statements.find_job(connection, job_id, self.path), self.healing.substitutes
            request = OpenRequest(record.plan, None, None, "refuse", fresh=False)
            return run_plan.plan_run(connection, request, self.path, record, cost=cost, substitutes=substitutes)

        return self.healing.run(lambda: self._database.read(read), job_id)

    # -- the whole store

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` has ended."""
        return self._database.closed

    def close(self) -> None:
        """Close the file; every acknowledged result is durable already. Closing twice is fine."""
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
