"""One job as the store has recorded it, for callers that do not work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import ChunkOutOfRange, JobIncomplete
from checkpoint_store.model.spans import spans_of
from checkpoint_store.model.whole_numbers import as_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.records import ChunkRecord, JobSummary, Progress
    from checkpoint_store.model.run_record import RunRecord
    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records import Costs, JobRecord


class RecordedJob:
    """One job as the store has it now. Nothing is written. Safe to share between threads."""

    def __init__(self, context: StoreContext, job_id: str, total_chunks: int) -> None:
        self._context: Final = context
        self.job_id: Final = job_id
        self.total_chunks = total_chunks
        """How many chunks the job has, as far as this object knows: it may have grown since."""

    def known_total(self) -> int:
        """Return how many chunks the job has now: another process may have let it grow."""
        self.total_chunks = max(self.total_chunks, self._context.reading.jobs.total_chunks(self.job_id))
        return self.total_chunks

    def checked_index(self, index: object) -> int:
        """Return ``index`` as an int, or raise :class:`ChunkOutOfRange` if it is no chunk of this job."""
        number = index if type(index) is int else as_int(index)
        if type(number) is not int or number < 0 or (number >= self.total_chunks and number >= self.known_total()):
            raise ChunkOutOfRange(self.job_id, index, self.total_chunks)
        return number

    def record(self) -> JobRecord:
        """Return the job as the store has it now."""
        return self._context.reading.jobs.find(self.job_id)

    def is_active(self) -> bool:
        """Whether a runner of the job is alive now."""
        return self._context.reading.runners.is_any_alive(self.job_id)

    def progress(self) -> Progress:
        """Return the progress of the job. One row is read, however many chunks it has."""
        return self.record().progress

    def summary(self) -> JobSummary:
        """Return what a list of jobs shows of this job."""
        (summary,) = self._context.reading.jobs.summaries(job_id=self.job_id)
        return summary

    @property
    def last_run(self) -> RunRecord | None:
        """The record of the last loop of this store object on the job; None if no loop has ended."""
        return self._context.last_runs.get(self.job_id)

    def require_completed(self) -> None:
        """Refuse to go on with a job that has chunks without a result. A chunk that is to be done again has a result.

        Raises:
            JobIncomplete: chunks without a result are left.
        """
        record = self.record()
        if record.completed_count < record.total_chunks:
            raise JobIncomplete(self.job_id, record.total_chunks - record.completed_count)

    def to_redo(self) -> list[int]:
        """Return the complete chunks that are to be done again, ascending."""
        return sorted(mark.chunk_index for mark in self._context.reading.marks.all_of(self.job_id))

    def last_attempts(self, *outcomes: str) -> list[ChunkRecord]:
        """Return the last try at each incomplete chunk, by index, if it had any of these outcomes."""
        return self._context.reading.chunks.last_attempts(self.job_id, *outcomes)

    def failed_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that used up their attempts, by index."""
        return [record for record in self.last_attempts("failed", "abandoned") if record.is_last]

    def failure_counts(self) -> tuple[int, int]:
        """Return how many chunks are failed, and how many in doubt."""
        return self._context.reading.jobs.failure_counts(self.job_id)

    def completed_ranges(self) -> list[tuple[int, int]]:
        """Return the completed chunks as half-open ranges ``(start, stop)``, ascending."""
        return list(spans_of(self._completed()))

    def _completed(self) -> Iterator[int]:
        start = 0
        while completed := self._context.reading.chunks.completed_from(self.job_id, start):
            yield from completed
            start = completed[-1] + 1

    def remaining_ranges(self, total_chunks: int | None = None) -> list[range]:
        """Return the chunks that are left (of the first chunks, or of all), as ranges, ascending."""
        total = self.known_total() if total_chunks is None else total_chunks
        gaps, position = list[range](), 0
        for start, stop in [*self.completed_ranges(), (total, total)]:
            if gap := range(position, min(start, total)):
                gaps.append(gap)
            position = stop
        return gaps


class JobResults:
    """The results of one job. Safe to share between threads."""

    def __init__(self, reading: Reading, recorded: RecordedJob) -> None:
        self._reading, self._recorded, self._job_id = reading, recorded, recorded.job_id

    def is_completed(self, index: int) -> bool:
        """Whether a chunk is complete; the quickest read of it."""
        return self._reading.chunks.is_completed(self._job_id, index)

    def text(self, index: int) -> str:
        """Return the JSON text of a completed chunk's result.

        Raises:
            ChunkOutOfRange, ChunkNotCompleted, StoreDamaged: as :meth:`Job.result` says.
        """
        return self._reading.results.text(self._job_id, self._recorded.checked_index(index))

    def costs_after(self, result_id: int, cost: Cost = "cost") -> Costs:
        """Return the costs of the results after a result id (0: all results); ``cost`` names the cost in a result."""
        return self._reading.results.costs_after(self._job_id, result_id, cost)
