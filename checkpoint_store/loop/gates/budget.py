"""The costs of a job, and the gate that starts a chunk only if the chunk fits into ``max_cost``."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import BudgetReached, CheckpointStoreError, CostUnknown
from checkpoint_store.loop.gates.gates import OPEN, UNTIL_ONE_ENDS, Gate
from checkpoint_store.loop.loop_state import POLL_INTERVAL_SECONDS
from checkpoint_store.loop.options import chunks_left_to_try
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.loop_records import LIMITS
from checkpoint_store.model.money import fields_of, name_of
from checkpoint_store.storage.records.records import NO_COSTS, ReservationRequest
from checkpoint_store.storage.verbs.budgets import Reserved

if TYPE_CHECKING:
    from checkpoint_store.errors import JobPaused
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.loop_state import LoopState
    from checkpoint_store.loop.outage import Outage
    from checkpoint_store.loop.schedule import Schedule
    from checkpoint_store.model.money import Cost, Spending

_STALE_MAX: Final = 50
"""How often a reservation is tried again at once because other runners recorded results meanwhile."""


class CostReader:
    """The costs of a job's results, the results of other runners included."""

    def __init__(self, execution: JobExecution, cost: Cost) -> None:
        self._execution, self._cost = execution, cost
        self.results = NO_COSTS
        """The costs of the results that were recorded until the last update."""
        self.update()

    def update(self) -> None:
        """Add the costs of the results that were recorded since the last update."""
        self.results = self.results.followed_by(
            self._execution.recorded.costs_after(self.results.last_result, self._cost)
        )

    def spending(self) -> Spending:
        """Return what the job has spent and reserved, by the results that were recorded until the last update."""
        return self._execution.storage.budgets.spending(self._execution.job_id, self.results)

    def paid(self) -> float | None:
        """Return what the job has paid, failed tries included; None where no cost is known."""
        spending = self.spending()
        return spending.spent if spending.priced else None


class BudgetGate(Gate):
    """Open while one more chunk fits into ``max_cost``; pauses the job where none fits and nothing is in work.

    Before an attempt starts, it reserves the highest cost so far in the store, in turn with all other runners. What is
    spent exceeds ``max_cost`` by no more than what the attempts then in work cost above what they reserved.
    """

    waits_for = LIMITS

    def __init__(
        self, state: LoopState, schedule: Schedule, reader: CostReader, outage: Outage, max_cost: float
    ) -> None:
        self._state, self._schedule, self._reader, self._outage = state, schedule, reader, outage
        self._max_cost, self._execution = max_cost, state.execution

    def opens_at(self, in_flight: int) -> float:
        """See :meth:`Gate.opens_at`."""
        self._reader.update()
        spending = self._reader.spending()
        if self._allows_another(spending):
            return OPEN
        if in_flight:
            return UNTIL_ONE_ENDS
        others_go_on = self._free_what_is_not_in_work()
        self._reader.update()
        spending = self._reader.spending()
        if self._allows_another(spending):
            return OPEN
        if spending.in_work and others_go_on and self._reader.results.unreadable is None:
            return time.monotonic() + POLL_INTERVAL_SECONDS  # an attempt of another loop may free its reservation
        remaining_chunks = chunks_left_to_try(self._execution, self._state.options.shard)
        if not remaining_chunks:  # the loop sees that, and ends: a chunk may wait for its retry
            return OPEN
        self._state.pause_by(self._refusal(remaining_chunks, spending), "the budget allows no further chunk")
        return UNTIL_ONE_ENDS

    def admits(self, chunk: ClaimedChunk) -> bool:
        """Reserve the highest cost so far for a chunk; return whether it fits."""
        cost, budgets = self._state.options.cost, self._execution.storage.budgets
        about = self._execution.job_id, chunk.runner_id, chunk.claim, self._max_cost, cost
        for _ in range(_STALE_MAX):
            request = ReservationRequest(*about, self._reader.results)
            outcome = self._state.retry_while_busy(budgets.reserve, request)
            if outcome is not Reserved.STALE:
                return outcome is Reserved.YES
            self._reader.update()
        return False

    def _free_what_is_not_in_work(self) -> bool:
        """Free the reservations of chunks that wait here, and reap dead runners; return whether other loops go on.

        A loop that this thread has left in the middle does not count: this thread would wait for itself.
        """
        waiting = [(chunk.runner_id, chunk.claim) for chunk in self._schedule.unstarted()]
        self._state.retry_while_busy(self._execution.storage.budgets.free, self._execution.job_id, waiting)
        others = self._state.retry_while_busy(self._execution.runners.has_others)
        return others or self._state.claims.runner.has_running_loop(but_this_thread=True)

    def _allows_another(self, spending: Spending) -> bool:
        return self._reader.results.unreadable is None and spending.allows_another(self._max_cost)

    def _refusal(self, remaining_chunks: int, spending: Spending) -> JobPaused:
        """Return the error that says why no further chunk fits."""
        job_id, unreadable, cost = self._execution.job_id, self._reader.results.unreadable, self._state.options.cost
        if unreadable is None:
            return BudgetReached(
                job_id,
                remaining_chunks,
                spent=spending.spent,
                reserved=spending.reserved,
                dearest_cost=spending.dearest,
                max_cost=self._max_cost,
                last_error=None if self._outage.last_failure is None else describe(self._outage.last_failure),
            )
        fields: tuple[str, ...] = ()
        with suppress(CheckpointStoreError):  # the result was replaced or deleted meanwhile, or is damaged
            fields = fields_of(json_text.decode(self._execution.recorded.result_text(unreadable.chunk_index)))
        index, field = unreadable.chunk_index, name_of(cost)
        return CostUnknown(job_id, remaining_chunks, index, field=field, value=unreadable.value, fields=fields)
