"""The answer of ``plan --max-cost``: whether the budget would let a run begin a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from checkpoint_store.cli.screen import chunk_count
from checkpoint_store.cli.screen import cost as amount

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, RunPlan


class BudgetOutlook(NamedTuple):
    """Whether a run would begin a chunk within its budget."""

    is_over: bool
    """Whether the run would pause at once."""
    text: str
    """The text for a person; empty without a budget to speak of."""


NO_BUDGET = BudgetOutlook(is_over=False, text="")


def budget_outlook(store: CheckpointStore, run_plan: RunPlan, max_cost: float | None, cost: str) -> BudgetOutlook:
    """Return what a budget allows a run to do.

    Args:
        store: the store.
        run_plan: what the run would do.
        max_cost: its budget; None where it has none.
        cost: the field of the results, or the dotted path, that holds the cost.
    """
    if max_cost is None or not run_plan.chunks_to_do:
        return NO_BUDGET
    if run_plan.job_id is None:  # a new job has spent nothing
        return BudgetOutlook(is_over=False, text=_how_many_fit(run_plan, max_cost, 0.0))
    costs = store.job(run_plan.job_id).costs(cost)
    if costs.allow_another(max_cost):
        text = _how_many_fit(run_plan, max_cost, (costs.cost or 0.0) + costs.reserved_cost)
        return BudgetOutlook(is_over=False, text=text)
    if costs.unreadable_chunk is not None:
        where = f"the cost of chunk {costs.unreadable_chunk} cannot be read as {cost!r}"
        return BudgetOutlook(is_over=True, text=f"no chunk would begin: {where}; see --cost")
    in_doubt = f", {amount(costs.reserved_cost)} more in doubt" if costs.reserved_cost else ""
    spent = f"{amount(costs.cost or 0)} spent{in_doubt}, and the dearest chunk cost {amount(costs.dearest_cost)}"
    return BudgetOutlook(is_over=True, text=f"no chunk fits into {amount(max_cost)}: {spent}")


def _how_many_fit(run_plan: RunPlan, max_cost: float, spent: float) -> str:
    to_do = run_plan.chunks_to_do
    mean = (run_plan.estimated_cost or 0.0) / to_do
    if not mean or spent + mean * to_do <= max_cost:
        return ""
    return f"about {int((max_cost - spent) / mean):,} of {chunk_count(to_do)} fit into {amount(max_cost)}"
