"""What can be read of a store: the verbs that a store and a read-only store have in common.

Each verb reads one consistent snapshot and changes nothing. Records come out, and errors of ``errors.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import ChunkNotCompleted, StoreDamaged
from checkpoint_store.model.records import RunnerRecord
from checkpoint_store.storage.chunk_log import ChunkLog
from checkpoint_store.storage.job_snapshot import JobSnapshot
from checkpoint_store.storage.open_requests import OpenRequest
from checkpoint_store.storage.redo_verbs import RedoReading
from checkpoint_store.storage.statements import (
    attempt_log,
    attempts,
    chunk_accounts,
    earlier_job,
    job_summaries,
    liveness,
    pruning,
    run_plan,
    runners,
)
from checkpoint_store.storage.statements import costs as cost_statements
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import totals as total_statements

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.prune_report import PruneRequest
    from checkpoint_store.model.records import ChunkAccount, ChunkRecord, JobSummary, RunPlan
    from checkpoint_store.model.state import ProcessingState
    from checkpoint_store.storage.records import Costs, JobRecord
    from checkpoint_store.storage.statements.pruning import Prunable

T = TypeVar("T")

_CHUNKS_AT_ONCE: Final = 4096
_MISCOUNTED: Final = """
SELECT 1 FROM jobs j
WHERE job_id = ? AND completed_count != (SELECT count(*) FROM completed_chunks c WHERE c.job_id = j.job_id)
"""


class Reading(ChunkLog, RedoReading):
    """The reading verbs over one open store file. Safe to share between threads."""

    # -- jobs

    def find_job(self, job_id: str) -> JobRecord:
        """Return the job with this id, or with an id that begins so.

        Raises:
            JobNotFound: there is none, or more than one.
        """
        return self._database.read(lambda connection: job_statements.find_job(connection, job_id, self.path))

    def find_job_or_file(self, wanted: str) -> JobRecord:
        """Return the job with this id, or the newest job of the file with this name, or the job whose id begins so.

        Raises:
            JobNotFound: there is none, or more than one id begins so.
        """
        return self._database.read(lambda connection: job_statements.find_job_or_file(connection, wanted, self.path))

    def jobs(
        self,
        *,
        status: str | None = None,
        file_name: str | None = None,
        current: bool = False,
        limit: int | None = None,
    ) -> list[JobRecord]:
        """Return the jobs (with this status, of this file, the current one only), the one opened last first."""
        return self._database.read(
            lambda connection: job_statements.list_jobs(
                connection,
                self.path,
                status=status,
                file_name=file_name,
                current=current,
                limit=limit,
            )
        )

    def summaries(
        self, *, job_id: str | None = None, status: str | None = None, file_name: str | None = None
    ) -> list[JobSummary]:
        """Return what a list shows of the jobs (of this one, with this status, of this file), in the order of jobs.

        Raises:
            JobNotFound: there is no job with this id.
        """

        def read(connection: sqlite3.Connection) -> list[JobSummary]:
            records = (
                job_statements.list_jobs(connection, self.path, status=status, file_name=file_name)
                if job_id is None
                else [job_statements.find_job(connection, job_id, self.path)]
            )
            return job_summaries.summaries(connection, records, self.path)

        return self._database.read(read)

    def is_active(self, job_id: str) -> bool:
        """Whether a runner of a job is alive now: the lock that it holds says so."""
        return self._database.read(lambda connection: liveness.is_anyone_at_work(connection, self.path, job_id))

    def was_deleted(self, job_id: str) -> bool:
        """Whether a job of this id was deleted, and not taken in again since."""
        return self._database.read(lambda connection: job_statements.was_deleted(connection, job_id))

    # -- chunks

    def completed_in(self, job_id: str, start: int, stop: int) -> list[int]:
        """Return the completed chunks of ``[start, stop)``, ascending."""
        return self._database.read(lambda connection: result_statements.completed_in(connection, job_id, start, stop))

    def completed_from(self, job_id: str, start: int) -> list[int]:
        """Return the next completed chunks from an index on, ascending: at most a few thousand, none at the end.

        It takes as long as there are completed chunks, however many the job is to have.
        """
        return self._database.read(
            lambda connection: result_statements.completed_from(connection, job_id, start, _CHUNKS_AT_ONCE)
        )

    def completed_pages(self, job_id: str, total_chunks: int) -> Iterator[tuple[range, list[int]]]:
        """Yield every range of a few thousand chunks, with those of them that are complete, ascending."""
        for start in range(0, total_chunks, _CHUNKS_AT_ONCE):
            page = range(start, min(start + _CHUNKS_AT_ONCE, total_chunks))
            yield page, self.completed_in(job_id, page.start, page.stop)

    def is_completed(self, job_id: str, index: int) -> bool:
        """Whether a chunk is complete, by the shortest way."""
        return self._database.read_row(*result_statements.is_completed(job_id, index)) is not None

    def last_attempts(self, job_id: str, *outcomes: str) -> list[ChunkRecord]:
        """Return the last try at each chunk that is not complete, by index, where it ended in one of these ways."""
        return self._database.read(
            lambda connection: attempt_log.latest(connection, job_id, self.path, outcomes=outcomes)
        )

    def chunk_accounts(self, job_id: str) -> dict[int, ChunkAccount]:
        """Return what each chunk took, by index, of those that were tried or carried over."""
        return self._database.read(lambda connection: chunk_accounts.accounts(connection, job_id))

    def runners(self, job_id: str) -> list[RunnerRecord]:
        """Return the runners of a job that have not ended, as far as the store knows, by number."""

        def read(connection: sqlite3.Connection) -> list[RunnerRecord]:
            return [
                RunnerRecord(
                    runner=runner.runner_id,
                    host=runner.host,
                    pid=runner.pid,
                    started_at=runner.started_at,
                    is_exclusive=bool(runner.exclusive),
                    is_alive=liveness.is_alive(self.path, runner),
                    chunks_in_hand=attempts.in_hand(connection, runner.runner_id),
                )
                for runner in runners.runners_at_work(connection, job_id)
            ]

        return self._database.read(read)

    def failure_counts(self, job_id: str) -> tuple[int, int]:
        """Return how many chunks of a job are failed, and how many are in doubt."""
        (summary,) = self.summaries(job_id=job_id)
        return summary.failed_chunks, summary.in_doubt_chunks

    def living_runners(self, job_id: str, *, but: int | None = None) -> int:
        """Return how many runners (``but`` this one) are at work on a job and alive now. Nothing is reaped."""
        return self._database.read(lambda connection: liveness.living_runners(connection, self.path, job_id, but))

    # -- results

    def result_text(self, job_id: str, index: int) -> str:
        """Return the JSON text of a completed chunk's result.

        Raises:
            ChunkNotCompleted: it is not complete, or was completed without a result.
            StoreDamaged: what is stored is not what was written, and no copy has it.
        """

        def read() -> str:
            row = self._database.read(
                lambda connection: result_statements.result_row(connection, job_id, index, self.substitutes)
            )
            if row is None or row[1] is None:
                raise ChunkNotCompleted(job_id, index, completed=row is not None)
            return result_statements.verified(self.path, job_id, index, *row)

        return self.healing(read, job_id)

    def result_pages(self, job_id: str) -> Iterator[list[tuple[int, str]]]:
        """Yield (index, JSON text) of all results by index, in pages of bounded size; each page is a snapshot.

        Raises:
            StoreDamaged: what is stored is not what was written.
        """

        def read(after: int, limit: int) -> list[tuple[int, str]]:
            rows = self._database.read(
                lambda connection: result_statements.result_page(connection, job_id, after, limit, self.substitutes)
            )
            return result_statements.verified_page(self.path, job_id, rows)

        yield from result_statements.paged(lambda after, limit: self.healing(lambda: read(after, limit), job_id))
        row = self._database.read_row(_MISCOUNTED, (job_id,))
        if row is not None:  # a damaged key ends the list early
            raise StoreDamaged(self.path, "its list of completed chunks is not what was written", job_id=job_id)

    def totals(self, job_id: str, keys: tuple[str, ...], *, skip_missing: bool = False) -> dict[str, int | float]:
        """Return the sum of each field over a job's results: numbers, and texts that are numbers."""

        def read(connection: sqlite3.Connection) -> dict[str, int | float]:
            if self.substitutes:
                return total_statements.totals_with(
                    connection, job_id, keys, self.path, self.substitutes, skip_missing=skip_missing
                )
            return total_statements.totals(connection, job_id, keys, self.path, skip_missing=skip_missing)

        return self.healing(lambda: self._database.read(read), job_id)

    def costs_after(self, job_id: str, result_id: int, cost: Cost) -> Costs:
        """Return what the results after one (0: all) cost. A function of the caller's is called between two reads."""

        def page(after: int) -> Sequence[tuple[Any, ...]]:
            return self.healing(
                lambda: self._database.read(lambda connection: cost_statements.page(connection, job_id, after, cost)),
                job_id,
            )

        return cost_statements.added_up(page, result_id, cost)

    # -- a whole job

    def state(self, job_id: str) -> ProcessingState:
        """Return a whole job as a state, results included."""

        def read(connection: sqlite3.Connection) -> ProcessingState:
            record = job_statements.find_job(connection, job_id, self.path)
            pages = result_statements.result_texts(connection, job_id, self.path, self.substitutes)
            return result_statements.state_of(connection, record, [text for page in pages for text in page])

        return self.healing(lambda: self._database.read(read), job_id)

    def with_snapshot(self, job_id: str, work: Callable[[JobSnapshot], T]) -> T:
        """Return what ``work`` makes of a job as it is now. It may take long: no other read waits for it.

        ``work`` is called again where the file of a read-only store changed meanwhile, and where a damaged result was
        put back.
        """

        def read(connection: sqlite3.Connection) -> T:
            return work(JobSnapshot(connection, job_id, self.path, self.substitutes))

        return self.healing(lambda: self._database.read_apart(read), job_id)

    # -- what a prune, or a run, would do

    def prunable(self, request: PruneRequest) -> Prunable:
        """Return which jobs and how many attempts go by a request."""
        return self._database.read(lambda connection: pruning.prunable(connection, self.path, request))

    def plan(self, request: OpenRequest) -> RunPlan:
        """Return what opening a job with this request, and working it off, would do."""
        return self._database.read(
            lambda connection: run_plan.plan_run(
                connection, request, self.path, earlier_job.earlier_job(connection, request, self.path)
            )
        )

    def plan_of_rest(self, job_id: str) -> RunPlan:
        """Return what working off the rest of a job would do."""

        def read(connection: sqlite3.Connection) -> RunPlan:
            record = job_statements.find_job(connection, job_id, self.path)
            request = OpenRequest(record.plan, None, None, "refuse", fresh=False)
            return run_plan.plan_run(connection, request, self.path, record)

        return self._database.read(read)
