"""Work a job off within a budget: calls take milliseconds, and their costs have a heavy tail.

Each call writes its cost to a log of all processes. With ``control`` the rule is that of a budget which each process
reckons for itself by the mean cost of a result.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING, Any

from checkpoint_store import BudgetReached, CheckpointStore
from checkpoint_store.loop.gates.budget import BudgetGate
from checkpoint_store.loop.gates.gates import OPEN, UNTIL_ONE_ENDS

if TYPE_CHECKING:
    from collections.abc import Callable

rule, seed, workers, total, max_cost = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])


def cost_of(index: int) -> float:
    """Most chunks are cheap, and some cost a hundred times as much; the first ones are cheap."""
    return round(0.01 * (1 if index < 2 else random.Random(f"{seed} {index}").paretovariate(1.1)), 6)


def work(index: int) -> dict[str, float]:
    time.sleep(random.uniform(0.001, 0.02))
    cost = cost_of(index)
    with open("calls", "ab", buffering=0) as log:
        log.write(f"{index} {cost}\n".encode())
    return {"cost": cost}


def by_the_mean(self: BudgetGate, in_flight: int) -> float:
    self._reader.update()
    results = self._reader.results
    if not results.priced:
        return UNTIL_ONE_ENDS if in_flight else OPEN
    if results.total + results.total / results.priced * (in_flight + 1) <= self._max_cost:
        return OPEN
    if not in_flight:
        self._state.error = self._refusal(1, self._reader.spending())
        self._state.pause("the control's budget is reached")
    return UNTIL_ONE_ENDS


def noted(admits: Callable[..., bool]) -> Callable[..., bool]:
    """Write down which result was the last that was known when a chunk was let through."""

    def noting(gate: BudgetGate, chunk: Any) -> bool:
        is_admitted = admits(gate, chunk)
        known = gate._reader.results.last_result
        if is_admitted:
            with open("starts", "ab", buffering=0) as log:
                log.write(f"{known}\n".encode())
        return is_admitted

    return noting


if rule == "control":
    BudgetGate.opens_at = by_the_mean  # type: ignore[method-assign]
    BudgetGate.admits = lambda *_: True  # type: ignore[method-assign]
BudgetGate.admits = noted(BudgetGate.admits)  # type: ignore[method-assign]

with CheckpointStore("talks.db", state_file=None, lock_timeout_seconds=60) as store:
    job = store.open_job("f", total_chunks=total)
    try:
        for _ in job.map(work, workers=workers, max_cost=max_cost):
            pass
    except BudgetReached:
        print("reached")
    else:
        print("completed")
