"""What a job cost where some of its results are damaged, and a copy has what was written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, StoreDamaged, StoreRecovered

from .test_healing_totals import _spoilt, made

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store import JobCosts, RunPlan

__all__ = ["made"]


def _told(path: Path) -> tuple[JobCosts, RunPlan]:
    """Return what a job cost, and its plan, which reads what the costs have found to be damaged."""
    with CheckpointStore(path, read_only=True) as store:
        job = store.job("talk.srt")
        return job.costs(), job.plan()


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["no JSON", "no UTF-8", "missing"])
def test_costs_of_a_damaged_store_are_those_of_the_sound_one(made: Path, tmp_path: Path, how: str) -> None:
    """A read-only store reads the result from a copy; the costs, and what a run would cost, stay the same."""
    path = _spoilt(made, tmp_path / "spoilt", how)
    with pytest.warns(StoreRecovered, match="not put back"):
        found = _told(path)
    assert found == _told(made / "talks.db")


def test_a_function_reads_what_a_copy_has(made: Path, tmp_path: Path) -> None:
    """A cost function reads each result once, the damaged results from a copy."""
    path = _spoilt(made, tmp_path / "spoilt", "no UTF-8")
    with CheckpointStore(path, read_only=True) as store, pytest.warns(StoreRecovered):
        found = store.job("talk.srt").costs(lambda result: result["words"]).cost
    assert found == 27


def test_costs_without_a_result_that_no_copy_has_are_an_error(made: Path, tmp_path: Path) -> None:
    """Costs of a damaged result that no copy has are an error: a sum that is too small would look right."""
    path = _spoilt(made, tmp_path / "spoilt", "missing")
    for copy in path.parent.glob("talks.*"):
        if copy != path:
            copy.unlink()
    with CheckpointStore(path, read_only=True) as store, pytest.raises(StoreDamaged, match="lacks 1 result"):
        store.job("talk.srt").costs()


def test_a_plan_of_a_damaged_store_puts_the_result_back(made: Path, tmp_path: Path) -> None:
    """Planning a run puts a damaged result back, if the store may be written."""
    path = _spoilt(made, tmp_path / "spoilt", "no JSON")
    with CheckpointStore(path) as store, pytest.warns(StoreRecovered, match="put back"):
        assert store.job("talk.srt").plan().spent == _told(made / "talks.db")[1].spent
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT json_valid(result) FROM chunk_results WHERE chunk_index = 1").fetchone() == (1,)
