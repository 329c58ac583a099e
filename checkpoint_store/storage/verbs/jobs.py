"""The reading verbs about the jobs of a store, and about the job of a state file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.errors import JobsPassedOver, counted
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.frozen import thaw
from checkpoint_store.storage.records.data_version import data_version_of
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements.job_rows import was_deleted
from checkpoint_store.storage.statements.jobs import job_summaries
from checkpoint_store.storage.statements.jobs import jobs as job_statements
from checkpoint_store.storage.statements.plans.refusal import refusal
from checkpoint_store.storage.statements.plans.stored_results import has_news
from checkpoint_store.storage.verbs.base import ReadingVerbs
from checkpoint_store.storage.verbs.runners import LivingRunners
from checkpoint_store.system.log import log_and_warn

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.errors import PlanChanged, StoreDamaged
    from checkpoint_store.model.records import JobSummary
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.records.data_version import DataVersion
    from checkpoint_store.storage.records.open_requests import Decision, OpenRequest
    from checkpoint_store.storage.records.records import JobRecord


class JobVerbs(ReadingVerbs):
    """The reading verbs about jobs. Safe to share between threads."""

    def find(self, job_id: str) -> JobRecord:
        """Return the job with this id, or with an id that begins so.

        Raises:
            JobNotFound: no job has this id, or more than one.
        """
        return self._database.read(job_statements.find_job, job_id, self.path)

    def has_news(self, job_id: str) -> bool:
        """Return whether other jobs have results that they had not when results were last searched for this job."""
        return self._database.read(lambda read: has_news(read, job_statements.find_job(read, job_id, self.path)))

    def find_by_id_or_file(self, wanted: str) -> JobRecord:
        """Return the job with this id, or the newest job of the file with this name, or the job whose id begins so.

        Raises:
            JobNotFound: no job matches, or more than one id begins so.
        """
        return self._database.read(job_statements.find_job_or_file, wanted, self.path)

    def matching(
        self,
        *,
        status: str | None = None,
        file_name: str | None = None,
        current: bool = False,
        limit: int | None = None,
    ) -> list[JobRecord]:
        """Return the jobs (with this status, of this file, the current one only), the one opened last first.

        A read-only store leaves out of a list of all jobs the jobs that cannot be read, with a warning.
        """
        passed_over = None if limit is not None or current else self._passed_over()
        records = self._database.read(
            job_statements.list_jobs,
            self.path,
            status=status,
            file_name=file_name,
            current=current,
            limit=limit,
            passed_over=passed_over,
        )
        _warn_of(passed_over)
        return records

    def summaries(
        self, *, job_id: str | None = None, status: str | None = None, file_name: str | None = None
    ) -> list[JobSummary]:
        """Return the summaries of the jobs (filtered by id, status, file name), in the order of jobs.

        A read-only store leaves out the jobs that cannot be read, with a warning.

        Raises:
            JobNotFound: there is no job with this id.
        """
        passed_over = self._passed_over()

        def read(connection: sqlite3.Connection) -> list[JobSummary]:
            records = (
                job_statements.list_jobs(
                    connection, self.path, status=status, file_name=file_name, passed_over=passed_over
                )
                if job_id is None
                else [job_statements.find_job(connection, job_id, self.path)]
            )
            return job_summaries.summaries(connection, records, self.path)

        summaries = self._database.read(read)
        _warn_of(passed_over)
        return summaries

    def incomplete(self) -> tuple[list[JobRecord], DataVersion]:
        """Return the jobs with chunks left that are not superseded, the one opened last first, and the data version.

        A read-only store leaves out the jobs that cannot be read, with a warning.
        """
        passed_over = self._passed_over()

        def read(connection: sqlite3.Connection) -> tuple[list[JobRecord], DataVersion]:
            as_of = data_version_of(connection)
            return job_statements.list_jobs(connection, self.path, incomplete=True, passed_over=passed_over), as_of

        records_and_version = self._database.read(read)
        _warn_of(passed_over)
        return records_and_version

    def refusal(self, request: OpenRequest, decision: Decision) -> PlanChanged:
        """Return the error that refuses a request, with what each choice would keep. No writer waits for the counts."""
        return self._database.read_apart(refusal, request, decision, self.path)

    def _passed_over(self) -> list[StoreDamaged] | None:
        """Return a list for the errors of unreadable jobs; None: raise the error, because the store can be repaired."""
        return [] if self._database.read_only else None

    def still_hold(self, as_of: DataVersion) -> bool:
        """Whether no process committed anything since a data version; no table is read. False for a read-only store."""
        return not self._database.read_only and self._database.read(data_version_of) == as_of

    def completed_count(self, job_id: str) -> tuple[int, str] | None:
        """Return how many chunks of a job are complete, and its ``updated_at``; None if the job does not exist."""
        row = self._database.read_row("SELECT completed_count, updated_at FROM jobs WHERE job_id = ?", (job_id,))
        if row is None:
            return None
        count, updated_at = row
        return int(count), str(updated_at)

    def total_chunks(self, job_id: str) -> int:
        """Return how many chunks a job has; 0 if the job does not exist. The quickest read of it."""
        (count,) = self._database.read_row("SELECT total_chunks FROM jobs WHERE job_id = ?", (job_id,)) or (0,)
        return int(count)

    def failure_counts(self, job_id: str) -> tuple[int, int]:
        """Return how many chunks of a job are failed, and how many are in doubt."""
        (summary,) = self.summaries(job_id=job_id)
        return summary.failed_chunks, summary.in_doubt_chunks

    def was_deleted(self, job_id: str) -> bool:
        """Whether a job of this id was deleted, and not imported or merged again later."""
        return self._database.read(was_deleted, job_id)


def _warn_of(passed_over: list[StoreDamaged] | None) -> None:
    if passed_over:
        names = ", ".join(error.job_id or "one without an id" for error in passed_over)
        notice = f"{counted(len(passed_over), 'job')} left out of the list ({names}): {passed_over[0]}"
        log_and_warn(notice, JobsPassedOver)


class KnownJob(NamedTuple):
    """The facts of the store about one job."""

    completed_chunks: int | None
    """The number of completed chunks; None if the store does not have the job."""
    updated_at: str
    """The time of the last change; ``""`` if the store does not have the job."""
    status: str | None
    """The status; None if the store does not have the job."""
    was_deleted: bool
    """Whether the job was deleted from the store, and not imported again since."""


class ImportFacts(ReadingVerbs):
    """The facts that decide what an opening does with a state file. Safe to share between threads."""

    def has_jobs(self) -> bool:
        """Return whether the store has a job."""
        return self._database.read_row("SELECT 1 FROM jobs LIMIT 1", ()) is not None

    def known_job(self, job_id: str) -> KnownJob:
        """Return the facts of the store about a job."""
        facts = "SELECT completed_count, updated_at, status FROM jobs WHERE job_id = ?"
        if (row := self._database.read_row(facts, (job_id,))) is None:
            return KnownJob(None, "", None, JobVerbs(self._database).was_deleted(job_id))
        completed_count, updated_at, status = row
        return KnownJob(completed_count, updated_at, status, was_deleted=False)

    def is_at_work(self, job_id: str) -> bool:
        """Return whether a runner of the job is alive now: it writes the state file itself."""
        return LivingRunners(self._database).is_any_alive(job_id)

    def first_contradiction(self, state: ProcessingState) -> int | None:
        """Return the first chunk for which the store has another result than ``state``; None where both agree.

        The store's results are read in pages, so memory stays bounded.

        Raises:
            StoreDamaged: a stored result is not what was written.
        """
        expected, job_id = state.results(), state.job_id

        def page(after: int, limit: int) -> list[result_statements.ResultRow]:
            return self._database.read(result_statements.result_page, job_id, after, limit)

        for rows in result_statements.paged(page):
            for index, text in result_statements.verified_page(self.path, job_id, rows):
                if index in expected and thaw(expected[index]) != json_text.decode(text):
                    return index
        return None
