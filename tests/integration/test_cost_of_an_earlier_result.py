"""What an earlier result cost cannot always be read. The new result of its chunk was paid for, and is recorded."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore
from checkpoint_store.storage.files import unrecorded as unrecorded_files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_chunk_whose_earlier_result_is_damaged_is_done_anew_once(tmp_path: Path) -> None:
    """Each run paid for it, and threw the result away, where ``cost`` named another field than the usual one."""
    path, calls = tmp_path / "s.db", list[int]()

    def paid(index: int) -> dict[str, Any]:
        calls.append(index)
        return {"call": len(calls), "price": 2.0}

    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        list(job.map(paid, cost="price"))
        job.redo([0])
    for backup in tmp_path.glob("s.db.backup*"):
        backup.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE chunk_results SET result = '{\"call'")
    with CheckpointStore(path, state_file=None) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        assert [item.result["call"] for item in job.map(paid, cost="price")] == [2]
        assert (len(calls), job.result(0)["call"]) == (2, 2)


def test_a_result_that_comes_after_the_store_was_closed_is_kept(tmp_path: Path) -> None:
    """The next open takes it in, whatever field its cost stands in."""
    path, may_answer = tmp_path / "s.db", threading.Event()

    def slow(index: int) -> dict[str, Any]:
        assert may_answer.wait(60)
        return {"index": index, "price": 2.0}

    with CheckpointStore(path) as store:
        job = store.open_job("talk.srt", total_chunks=1)
        with pytest.raises(TimeoutError):
            list(job.map(slow, timeout_seconds=0.05, retry_on=(), cost="price"))
    may_answer.set()
    wait_until(lambda: bool(unrecorded_files.files_of(path)))
    with CheckpointStore(path) as store:
        assert store.job("talk.srt").result(0)["price"] == 2.0


def price_of(result: Any) -> Any:
    return result["price"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("cost", ["price", price_of])
def test_a_result_that_is_replaced_by_hand_cost_what_the_loop_read_in_it(store: CheckpointStore, cost: Any) -> None:
    """The budget of the next loop counts it, whatever the field: by ``complete``, and by a redo with ``pending``."""
    job = store.open_job("talk.srt", total_chunks=3)
    list(job.map(lambda _: {"price": 5.0}, cost=cost, max_cost=100))
    job.complete(0, {"price": 1.0}, replace=True)
    job.redo([1])
    for chunk in job.pending():
        chunk.complete({"price": 2.0})
    costs = job.costs(cost)
    assert (costs.cost, costs.replaced_cost) == (1.0 + 2.0 + 5.0 + 10.0, 10.0)


def test_each_loop_reads_the_cost_where_its_caller_says(store: CheckpointStore) -> None:
    """A loop with the usual field counts by that field, although an earlier loop of the store object had another one."""
    job = store.open_job("talk.srt", total_chunks=2)
    list(job.map(lambda _: {"price": 100.0, "cost": 0.5, "try": 1}, cost="price", only=[0], on_pause="return"))
    list(job.map(lambda _: {"price": 100.0, "cost": 0.5, "try": 1}))
    job.redo([1])
    list(job.map(lambda _: {"price": 100.0, "cost": 0.5, "try": 2}))
    assert (job.costs().cost, job.costs().replaced_cost) == (1.5, 0.5)


def test_a_chunk_that_is_completed_by_hand_replaces_nothing(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """``replace=True`` for a chunk without a result counts no cost, and logs nothing."""
    job = store.open_job("talk.srt", total_chunks=2)
    list(job.map(lambda _: {"price": 5.0}, cost="price", only=[0], on_pause="return"))
    caplog.clear()
    job.complete(1, {"price": 1.0}, replace=True)
    job.complete(1, {"price": 1.0}, replace=True)
    assert (job.costs("price").cost, caplog.records) == (6.0, [])
