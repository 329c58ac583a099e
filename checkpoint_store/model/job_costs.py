"""The costs of a job, as a budget, the commands and the view ``job_costs`` show them."""

from __future__ import annotations

from dataclasses import dataclass

from checkpoint_store.model.budget import fits


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCosts:
    """The costs that one job paid, and those that other jobs paid for it. See :meth:`Job.costs`.

    Amounts are in the unit of the results' costs, added up over all runs and runners of the job.
    """

    cost: float | None
    """The costs that this job paid: results, failed tries, replaced results. A budget counts these. None: unknown."""
    carried: float | None
    """The costs that other jobs paid for the results that this job carries, each once. None: no result has a cost."""
    failed_cost: float
    """The part of ``cost`` that tries without a result took."""
    replaced_cost: float
    """The part of ``cost`` that results took which were replaced since."""
    reserved_cost: float
    """The reserved costs, beside ``cost``, of tries in work, and of tries in doubt whose chunks are not complete."""
    dearest_cost: float
    """The highest known cost of one try: what a budget reserves for the next. 0 where none is known."""
    unreadable_chunk: int | None
    """The first chunk (0-based) whose result this job paid for, and whose cost cannot be read; None where all can."""

    def allow_another(self, max_cost: float) -> bool:
        """Return whether a loop with this ``max_cost`` would start a chunk: it fits, and each cost can be read."""
        total = (self.cost or 0.0) + self.reserved_cost + self.dearest_cost
        return self.unreadable_chunk is None and fits(total, max_cost)
