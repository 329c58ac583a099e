"""The views of the newest schema: their figures are right for a person, and they stay quick in a large store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store with a job of 3,000 chunks without one, whose first chunk was paid for twice, and failed once."""
    with CheckpointStore(tmp_path / "talks.db", state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=3_000)
        for chunk in job.pending():
            chunk.fail("not now", cost=0.5)
            break
        job.complete(0, {"cost": 1.0})
        job.complete_many((index, "text") for index in range(1, 2_999))
        job.complete(0, {"cost": 2.0}, replace=True)
    return tmp_path / "talks.db"


def seen(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return what a person sees at the sqlite3 prompt."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(statement).fetchall()


def test_a_job_with_a_chunk_left_never_shows_100_percent(path: Path) -> None:
    """A job with a chunk left, or to be done again, never shows 100 percent."""
    percent = 'SELECT percent, "left" FROM job_progress'
    assert seen(path, percent) == [(99.9, 1)]
    with CheckpointStore(path, state_file=None) as store:
        job = store.job("talk.srt")
        job.complete(2_999, "text")
        assert seen(path, percent) == [(100.0, 0)]
        job.redo(7)
        assert seen(path, percent) == [(99.9, 1)]


@pytest.mark.slow
def test_what_failed_and_what_was_replaced_are_told_apart(path: Path) -> None:
    """``job_costs`` has the cost of failed tries and the cost of replaced results in a column each."""
    assert seen(path, "SELECT cost, failed_cost, replaced_cost FROM job_costs") == [(3.5, 0.5, 1.0)]


@pytest.mark.slow_variants
@pytest.mark.parametrize("view", ["job_progress", "job_costs", "failed_chunks", "in_doubt_chunks", "running_now"])
def test_a_view_never_reads_all_attempts(path: Path, view: str) -> None:
    """A store has one for each chunk, and a few of them failed, were replaced or are in work: those have an index."""
    plan = [step for *_, step in seen(path, f"EXPLAIN QUERY PLAN SELECT * FROM {view}")]
    assert plan
    assert [step for step in plan if step.startswith("SCAN attempts") and "INDEX" not in step] == []
