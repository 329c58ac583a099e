"""What a job has cost, and whether one more chunk fits into ``max_cost``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import BudgetReached, CheckpointStoreError, CostUnknown
from checkpoint_store.model.amounts import fields_of, name_of
from checkpoint_store.model.codec import json_text

if TYPE_CHECKING:
    from checkpoint_store.errors import JobPaused
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.storage.records import Unreadable

_ROUNDING: Final = 1e-9
"""A sum of costs that exceeds ``max_cost`` by this share only is rounding."""


class Budget:
    """The costs of a job's results, the results of other runners included.

    Args:
        execution: of the job.
        cost: where the cost stands in a result.
        max_cost: what the job may cost; None where it may cost anything, and its costs are only shown.
    """

    def __init__(self, execution: JobExecution, cost: Cost, max_cost: float | None) -> None:
        self._execution = execution
        self._cost = cost
        self._max_cost = max_cost
        self._last_result = 0
        self._priced = 0
        self._unreadable: Unreadable | None = None
        self._total = 0.0
        self.update()

    def update(self) -> None:
        """Add the costs of the results that were recorded since the last update."""
        costs = self._execution.costs_after(self._last_result, self._cost)
        self._last_result = costs.last_result
        self._priced += costs.priced
        self._total += costs.total
        self._unreadable = self._unreadable or costs.unreadable

    @property
    def known_total(self) -> float | None:
        """The sum of the known costs; None where no result has a cost."""
        return self._total if self._priced else None

    @property
    def _mean(self) -> float:
        """The mean of the known costs."""
        return self._total / self._priced if self._priced else 0.0

    @property
    def is_blind(self) -> bool:
        """Whether there is a ``max_cost``, and what a chunk costs is not known yet."""
        return self._max_cost is not None and not self._priced

    def allows_another(self, in_flight: int) -> bool:
        """Whether another chunk fits beside those in flight. No chunk fits where the cost of a result is unreadable."""
        if self._max_cost is None:
            return True
        self.update()
        expected = self._total + self._mean * (in_flight + 1)
        return self._unreadable is None and expected <= self._max_cost * (1 + _ROUNDING)

    def refusal(self, remaining_chunks: int) -> JobPaused:
        """Return the error that says why no further chunk fits."""
        assert self._max_cost is not None
        job_id, unreadable = self._execution.job_id, self._unreadable
        if unreadable is None:
            return BudgetReached(job_id, remaining_chunks, self._total, self._mean, self._max_cost)
        fields: tuple[str, ...] = ()
        with suppress(CheckpointStoreError):  # the result was replaced or deleted meanwhile, or is damaged
            fields = fields_of(json_text.decode(self._execution.result_text(unreadable.chunk_index)))
        index, field = unreadable.chunk_index, name_of(self._cost)
        return CostUnknown(job_id, remaining_chunks, index, field=field, value=unreadable.value, fields=fields)
