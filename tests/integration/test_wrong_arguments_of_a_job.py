"""What the methods of a job refuse by the name of the argument, and that nothing is recorded then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from each_case import each_case

from checkpoint_store import InvalidArgumentError, doctor

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


@each_case("pairs", [None, 3, "ab", [(0, "A"), 1], [(0, "A"), (1, "B", "C")], {0: "A"}])
def test_what_is_no_pair_is_recorded_by_nobody(store: CheckpointStore, pairs: Any) -> None:
    """``complete_many`` of what is no list of pairs names ``pairs``, and records no pair before the wrong one."""
    job = store.open_job("f", total_chunks=2)
    with pytest.raises(InvalidArgumentError, match="pairs="):
        job.complete_many(pairs)
    assert list(job.items()) == []


def test_an_error_of_the_callers_pairs_is_the_callers(store: CheckpointStore) -> None:
    """What a generator of pairs raises comes out as it is, and nothing is recorded."""
    job = store.open_job("f", total_chunks=2)
    with pytest.raises(TypeError, match="of my own"):
        job.complete_many((index, 1) if index == 0 else _own_error() for index in range(2))
    assert list(job.items()) == []


def _own_error() -> Any:
    raise TypeError("of my own")


@each_case("runner", [None, "1", 1.0, True, [], {}])
def test_what_is_no_number_of_a_runner_is_refused(store: CheckpointStore, runner: Any) -> None:
    """``release_runner`` takes a whole number, and names ``runner`` otherwise."""
    with pytest.raises(InvalidArgumentError, match=r"runner=.* is no whole number"):
        store.open_job("f", total_chunks=2).release_runner(runner)


def test_what_cannot_be_told_of_progress_is_refused(store: CheckpointStore) -> None:
    """``store.check`` and ``doctor`` name an ``on_progress`` that is no function."""
    wrong: Any = 3
    with pytest.raises(InvalidArgumentError, match="on_progress=3 is no function"):
        store.check(on_progress=wrong)
    with pytest.raises(InvalidArgumentError, match="on_progress=3 is no function"):
        doctor(store.path, on_progress=wrong)


@each_case(
    "name", ["job_id", "file_name", "video_title", "model", "provider", "config", "sequential", "status", "metadata"]
)
def test_what_identifies_a_job_cannot_be_set(store: CheckpointStore, name: str) -> None:
    """An attribute of a job refuses another value: the calls of this object would go to two jobs."""
    job = store.open_job("f", total_chunks=2)
    before = getattr(job, name)
    with pytest.raises(AttributeError, match=name):
        setattr(job, name, "x")
    assert getattr(job, name) == before
