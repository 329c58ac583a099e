"""What a job has cost, and whether one more chunk fits."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import BudgetReached, CheckpointStoreError, CostUnknown
from checkpoint_store.model.amounts import fields_of, name_of
from checkpoint_store.model.codec import json_text

if TYPE_CHECKING:
    from checkpoint_store.errors import JobPaused
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.storage.records import Unreadable


class Spending:
    """What a job's results say that they cost, those of other runners included."""

    def __init__(self, execution: JobExecution, cost: Cost) -> None:
        self._execution = execution
        self._cost = cost
        self._after = 0
        self._priced = 0
        self._unreadable: Unreadable | None = None
        self.total = 0.0
        self.look()

    def look(self) -> None:
        """Take in the results that have come since."""
        found = self._execution.costs_after(self._after, self._cost)
        self._after = found.last_result
        self._priced += found.priced
        self.total += found.total
        self._unreadable = self._unreadable or found.unreadable

    @property
    def known_total(self) -> float | None:
        """None where no result has a cost."""
        return self.total if self._priced else None

    @property
    def mean(self) -> float:
        """Of the results that have a cost."""
        return self.total / self._priced if self._priced else 0.0

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of what a chunk costs."""
        return not self._priced

    def allows(self, under_way: int, most: float) -> bool:
        """Whether one more fits, beside those under way. None does where the cost of a result cannot be read."""
        return self._unreadable is None and self.total + self.mean * (under_way + 1) <= most * (1 + 1e-9)

    def refusal(self, remaining_chunks: int, most: float) -> JobPaused:
        """Return the error that says why no more fits."""
        job_id, unreadable = self._execution.job_id, self._unreadable
        if unreadable is None:
            return BudgetReached(job_id, remaining_chunks, self.total, self.mean, most)
        fields: tuple[str, ...] = ()
        with suppress(CheckpointStoreError):  # the result was replaced or deleted meanwhile, or is damaged
            fields = fields_of(json_text.decode(self._execution.result_text(unreadable.chunk_index)))
        index, field = unreadable.chunk_index, name_of(self._cost)
        return CostUnknown(job_id, remaining_chunks, index, field=field, value=unreadable.value, fields=fields)
