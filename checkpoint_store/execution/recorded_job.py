"""One job as the store has recorded it: its progress, and the runners at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import ChunkOutOfRange
from checkpoint_store.model.chunks import as_int, spans_of
from checkpoint_store.system.processes import host_name, pause_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.execution.claims.runner import OwnRunner
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.money import Cost
    from checkpoint_store.model.records import ChunkRecord, Progress
    from checkpoint_store.storage.records.records import Costs, JobRecord


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

    def progress(self) -> Progress:
        """Return the progress of the job. One row is read, however many chunks it has."""
        return self.record().progress

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

    def is_completed(self, index: int) -> bool:
        """Whether a chunk is complete; the quickest read of it."""
        return self._context.reading.chunks.is_completed(self.job_id, index)

    def result_text(self, index: int) -> str:
        """Return the JSON text of a completed chunk's result; raises as :meth:`Job.result` says."""
        return self._context.reading.results.text(self.job_id, self.checked_index(index))

    def costs_after(self, result_id: int, cost: Cost = "cost") -> Costs:
        """Return the costs of the results after a result id (0: all results); ``cost`` names the cost in a result."""
        return self._context.reading.results.costs_after(self.job_id, result_id, cost)


class RunnersAtWork:
    """The runners of one job that are alive now, this process's own included. Safe to share between threads."""

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context, self._job_id = context, job_id

    def loop_count(self) -> int:
        """Return how many loops share the limits of the job: own loops, and one for each other runner alive now."""
        own = self._own()
        others = self._context.reading.runners.count(self._job_id, but=own.runner_id)
        return others + max(1, len(own.loop_threads))

    def has_others(self) -> bool:
        """Return whether another runner is at work on the job now. Dead runners are reaped."""
        runners = self._context.storage.claims.runners
        return runners.others_at_work(self._job_id, own_runner_id=self._own().runner_id)

    def stopped(self) -> dict[int, str]:
        """Return why the process of each stopped runner stands still, and what helps, by the number of the runner.

        A process of another host, user or container may be stopped without being known here. Reads only.
        """
        here = host_name()
        records = self._context.reading.runners.of_job(self._job_id)
        pauses = {
            record.runner: (record.pid, pause_of(record.pid))
            for record in records
            if record.is_alive and record.host == here
        }
        return {
            runner_id: f"process {pid}, which {pause.cause}. {pause.remedy}"
            for runner_id, (pid, pause) in pauses.items()
            if pause is not None
        }

    def _own(self) -> OwnRunner:
        return self._context.claims_of(self._job_id).runner
