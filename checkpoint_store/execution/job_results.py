"""The results of one job, and their costs, as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.execution.recorded_job import RecordedJob
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records import Costs


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

    def pages(self) -> Iterator[list[tuple[int, str]]]:
        """Yield (index, JSON text) of all results by index, in pages of bounded size; no read is open between pages."""
        return self._reading.results.pages(self._job_id)

    def costs_after(self, result_id: int, cost: Cost = "cost") -> Costs:
        """Return the costs of the results after a result id (0: all results); ``cost`` names the cost in a result."""
        return self._reading.results.costs_after(self._job_id, result_id, cost)
