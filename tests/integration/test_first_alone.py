"""``first_alone``: a mistake that every chunk would meet costs one call, with any number of workers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore


def test_the_others_begin_once_the_first_result_is_recorded(store: CheckpointStore) -> None:
    """Until then one chunk is in work; after that as many as there are workers."""
    job = store.open_job("talk.srt", total_chunks=4)
    together, recorded_before = threading.Barrier(3), list[int]()

    def work(index: int) -> int:
        recorded_before.append(job.progress().completed_chunks)
        if index:
            together.wait(60)
        return index

    assert sorted(item.index for item in job.map(work, workers=3, first_alone=True)) == [0, 1, 2, 3]
    assert (recorded_before[0], min(recorded_before[1:])) == (0, 1)


@pytest.mark.parametrize("executor", [False, True])
def test_a_mistake_costs_one_call(store: CheckpointStore, *, executor: bool) -> None:
    """In threads of the loop, and in an executor that takes more than it is given."""
    job = store.open_job("talk.srt", total_chunks=8)
    calls: list[int] = []

    def work(index: int) -> int:
        calls.append(index)
        raise KeyError(index)

    with ThreadPoolExecutor(8) as pool, pytest.raises(KeyError):
        list(job.map(work, workers=8, first_alone=True, executor=pool if executor else None))
    assert calls == [0]
