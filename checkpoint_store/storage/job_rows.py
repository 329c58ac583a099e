"""What single rows of ``jobs`` say, read by the shortest way, and whether a list of them still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.storage.moment import moment_of
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.whole_store import WholeStore

if TYPE_CHECKING:
    import sqlite3

    from checkpoint_store.storage.moment import Moment
    from checkpoint_store.storage.records import JobRecord


class JobRows(WholeStore):
    """The reading verbs about rows of ``jobs``. Safe to share between threads."""

    def current_job_row(self) -> tuple[str, int, str] | None:
        """Return id, number of chunks and status of the current job by the shortest way; None where there is none."""
        row = self._database.read_row("SELECT job_id, total_chunks, status FROM jobs WHERE is_current = 1", ())
        return None if row is None else (str(row[0]), int(row[1]), str(row[2]))

    def completed_count(self, job_id: str) -> tuple[int, str] | None:
        """Return how many chunks of a job are complete, and its ``updated_at``; None where there is no such job."""
        row = self._database.read_row("SELECT completed_count, updated_at FROM jobs WHERE job_id = ?", (job_id,))
        return None if row is None else (int(row[0]), str(row[1]))

    def digest(self, job_id: str, index: int) -> str | None:
        """Return the digest of a chunk's result by the shortest way; None where the chunk has no result."""
        of_chunk = "SELECT digest FROM completed_chunks WHERE job_id = ? AND chunk_index = ?"
        row = self._database.read_row(of_chunk, (job_id, index))
        return None if row is None else row[0]

    def total_chunks(self, job_id: str) -> int:
        """Return how many chunks a job has, by the shortest way; 0 where there is no such job."""
        row = self._database.read_row("SELECT total_chunks FROM jobs WHERE job_id = ?", (job_id,))
        return 0 if row is None else int(row[0])

    def incomplete_jobs(self) -> tuple[list[JobRecord], Moment]:
        """Return the jobs that have chunks left and are not superseded, the one opened last first, and as of when."""

        def read(connection: sqlite3.Connection) -> tuple[list[JobRecord], Moment]:
            moment = moment_of(connection)
            return job_statements.list_jobs(connection, self.path, incomplete=True), moment

        return self._database.read(read)

    def still_holds_of(self, moment: Moment) -> bool:
        """Whether nothing was committed since, by whomever; no table is read. Of a read-only store nobody knows."""
        return not self._database.read_only and self._database.read(moment_of) == moment
