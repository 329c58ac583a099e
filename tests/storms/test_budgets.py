"""By how much budgets are exceeded, in how many runs, when a few costs are very high."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from conftest import Children, program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fork_server import ForkServer

SPEND = program(__file__, "spend")
TOTAL = 600
MAX_COST = 6.0
ROUNDING = 1e-6


@dataclass(frozen=True)
class Spent:
    """What one run spent."""

    spent: float
    calls: int
    allowed_over: float
    """What the chunks that may have been in work at the last start cost above the dearest result known then."""

    @property
    def over(self) -> float:
        """The amount by which the budget was exceeded."""
        return max(0.0, self.spent - MAX_COST)


def run(
    folder: Path, fork_server: Callable[[], ForkServer], *, rule: str, seed: int, workers: int, processes: int
) -> Spent:
    """Let processes that start at the same moment spend one budget, and return what they spent."""
    folder.mkdir()
    with CheckpointStore(folder / "talks.db", state_file=None) as store:
        store.open_job("f", total_chunks=TOTAL)
    children = Children(folder, fork_server)
    try:
        ends = children.together(processes, SPEND, rule, seed, workers, TOTAL, MAX_COST)
    finally:
        children.end_all()
    assert set(ends) == {"reached\n"}
    calls = [line.split() for line in (folder / "calls").read_text("ascii").splitlines()]
    assert len({index for index, _ in calls}) == len(calls)
    with closing(sqlite3.connect(folder / "talks.db")) as raw:
        costs = raw.execute("SELECT result_id, json_extract(result, '$.cost') FROM chunk_results").fetchall()
    assert len(costs) == len(calls)
    known = max(map(int, (folder / "starts").read_text("ascii").split()))
    dearest = max((cost for result_id, cost in costs if result_id <= known), default=0.0)
    allowed_over = sum(max(0.0, cost - dearest) for result_id, cost in costs if result_id > known)
    return Spent(sum(float(cost) for _, cost in calls), len(calls), allowed_over)


def storm(
    folder: Path, fork_server: Callable[[], ForkServer], *, rule: str, rounds: int, workers: int, processes: int
) -> list[Spent]:
    """Run several times, each with other costs; print the figures."""
    runs = [
        run(folder / f"{rule}-{seed}", fork_server, rule=rule, seed=seed, workers=workers, processes=processes)
        for seed in range(rounds)
    ]
    worst = max(runs, key=lambda one: one.over)
    print(
        f"FIGURES budgets, {rule}, {processes} processes of {workers} workers: runs={rounds} "
        f"calls={sum(one.calls for one in runs)} over_the_budget={sum(one.over > ROUNDING for one in runs)} "
        f"over_the_bound={sum(one.over > one.allowed_over + ROUNDING for one in runs)} "
        f"most_over={worst.over:.2f} of {MAX_COST:g} (allowed {worst.allowed_over:.2f}) "
        f"mean_spent={sum(one.spent for one in runs) / rounds:.2f}"
    )
    return runs


SIZES = [(workers, processes) for processes in (1, 4) for workers in (1, 8, 32)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("workers", "processes"), SIZES)
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.storm)])
def test_what_is_spent_over_is_what_nobody_could_know(
    tmp_path: Path, fork_server: Callable[[], ForkServer], rounds: int, workers: int, processes: int
) -> None:
    """The budget is exceeded by what the chunks then in work cost above the dearest result, and by nothing else."""
    for one in storm(tmp_path, fork_server, rule="reserve", rounds=rounds, workers=workers, processes=processes):
        assert one.over <= one.allowed_over + ROUNDING


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.storm)])
def test_the_control_spends_more(tmp_path: Path, fork_server: Callable[[], ForkServer], rounds: int) -> None:
    """A budget that each process reckons for itself, by the mean cost of a chunk, is exceeded beyond the bound."""
    runs = storm(tmp_path, fork_server, rule="control", rounds=rounds, workers=8, processes=4)
    assert any(one.over > one.allowed_over + ROUNDING for one in runs)
