"""The money that a job has spent and reserved, over all its runners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.amounts import COST_DEFAULT
from checkpoint_store.storage.records import ReservationRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.budget import Spending
    from checkpoint_store.storage.records import Completion, Costs
    from checkpoint_store.storage.verbs.budgets import Reserved


class JobBudget:
    """The money of one job, as all its runners see it. Safe to share between threads."""

    def __init__(self, context: StoreContext, job_id: str) -> None:
        self._context, self._job_id = context, job_id

    def note_place(self, cost: Cost) -> None:
        """Note where the cost stands in the results of the job, for results that are completed by hand."""
        if cost != COST_DEFAULT:
            self._context.cost_places[self._job_id] = cost

    def spending(self, results: Costs) -> Spending:
        """Return the money that the job has spent and reserved; ``results`` are the costs of its results."""
        return self._context.storage.budgets.spending(self._job_id, results)

    def reserve(self, chunk: ClaimedChunk, max_cost: float, cost: Cost, known: Costs) -> Reserved:
        """Reserve the highest known cost for the attempt at a claimed chunk, if it fits. Durable when this returns."""
        request = ReservationRequest(self._job_id, chunk.runner_id, chunk.claim, max_cost, cost, known)
        return self._context.storage.budgets.reserve(request)

    def free(self, chunks: Sequence[ClaimedChunk]) -> None:
        """Free the reservations of these claimed chunks, which wait for their start. Durable when this returns."""
        self._context.storage.budgets.free(self._job_id, [(chunk.runner_id, chunk.claim) for chunk in chunks])

    def keep_result(self, completion: Completion) -> None:
        """Keep the text and the cost of a result whose chunk has another result. Durable when this returns."""
        self._context.storage.budgets.keep_result(completion)
