"""Results that were recorded by hand, without a try, are merged from another store: each counts once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """Return a store with a chunk that was recorded by hand and cost 1, and a chunk that is left."""
    with CheckpointStore(tmp_path / "one.db", state_file=None) as store:
        store.open_job("talk.srt", chunks=["a", "b"]).complete(0, {"text": "first", "cost": 1.0})
    return tmp_path / "one.db"


@pytest.fixture
def two(one: Path, tmp_path: Path) -> Path:
    """Return a copy of that store in which another result, of cost 2, replaced the result by hand."""
    shutil.copy(one, tmp_path / "two.db")
    with CheckpointStore(tmp_path / "two.db", state_file=None) as store:
        store.job("talk.srt").complete(0, {"text": "second", "cost": 2.0}, replace=True)
    return tmp_path / "two.db"


def merged_costs(one: Path, two: Path) -> list[float | None]:
    """Return the cost of the job after a merge, and after the same merge again."""
    found = []
    for _ in range(2):
        with CheckpointStore(one, state_file=None) as store:
            store.merge(two)
            found.append(store.job("talk.srt").costs().cost)
            assert store.check() == []
    return found


def test_a_result_by_hand_that_stays_out_is_kept_with_its_cost(one: Path, two: Path) -> None:
    """Another machine paid for a result without a try; the merge keeps our result, and the other one with its cost."""
    assert merged_costs(one, two) == [3.0, 3.0]
    with CheckpointStore(one, state_file=None) as store:
        job = store.job("talk.srt")
        (kept,) = [attempt.error for attempt in job.attempts() if attempt.error is not None]
        assert (job.result(0)["text"], '"second"' in kept) == ("first", True)


def test_a_job_that_knows_no_try_takes_what_was_paid_elsewhere(tmp_path: Path, one: Path) -> None:
    """Two machines recorded a result of one chunk by hand: both were paid for."""
    with CheckpointStore(tmp_path / "apart.db", state_file=None) as store:
        store.open_job("talk.srt", chunks=["a", "b"]).complete(0, {"text": "apart", "cost": 4.0})
    assert merged_costs(one, tmp_path / "apart.db") == [5.0, 5.0]


def test_the_result_that_stands_here_counts_once(one: Path, two: Path) -> None:
    """The other store replaced our result twice, and knows what it cost: the sum is that of the three results."""
    with CheckpointStore(two, state_file=None) as store:
        store.job("talk.srt").complete(0, {"text": "third", "cost": 4.0}, replace=True)
    assert merged_costs(one, two) == [7.0, 7.0]


def test_an_older_copy_adds_no_cost(one: Path, two: Path) -> None:
    """The store that replaced a result takes in the copy from before: that result is counted already."""
    assert merged_costs(two, one) == [3.0, 3.0]


@pytest.mark.slow
def test_an_older_state_file_adds_no_cost(one: Path, tmp_path: Path) -> None:
    """A state file from before a result was replaced tells nothing new: that result is counted already."""
    state_file = tmp_path / "before.json"
    with CheckpointStore(one, state_file=None) as store:
        store.job("talk.srt").export(state_file)
        store.job("talk.srt").complete(0, {"text": "second", "cost": 2.0}, replace=True)
    assert merged_costs(one, state_file) == [3.0, 3.0]


def test_a_carried_result_that_stays_out_adds_no_cost(one: Path, tmp_path: Path) -> None:
    """Another job of the other store paid for a result, and its own merge brings the cost: it counts once."""
    apart = tmp_path / "apart.db"
    with CheckpointStore(apart, state_file=None) as store:
        store.open_job("early.srt", chunks=["a"]).complete(0, {"text": "early", "cost": 4.0})
        store.open_job("talk.srt", chunks=["a", "b"], on_change="reuse")
    assert merged_costs(one, apart) == [1.0, 1.0]
    with CheckpointStore(one, state_file=None) as store:
        assert store.job("early.srt").costs().cost == 4.0
