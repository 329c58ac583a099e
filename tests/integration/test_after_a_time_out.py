"""A try that took too long, and ends after its loop: its result was paid for, and is recorded."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import CheckpointStore, Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Slow:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.answered = threading.Event()
        self.error: Exception | None = None

    def __call__(self, index: int) -> dict[str, Any]:
        assert self.may_answer.wait(60)
        if self.error is not None:
            raise self.error
        return {"index": index, "cost": 0.5}


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.may_answer.set()


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    return store.open_job("talk.srt", total_chunks=1)


def timed_out(job: Job, slow: Slow, **options: Any) -> None:
    """Run a loop that ends by the time-out of its only try, which is still under way then."""
    with pytest.raises(TimeoutError):
        list(job.map(slow, timeout_seconds=0.05, retry_on=(), **options))


@pytest.mark.parametrize("is_own", [True, False], ids=["threads of the loop", "a pool of the caller"])
def test_the_result_is_recorded_when_it_comes(job: Job, slow: Slow, *, is_own: bool) -> None:
    """Nobody waits for it any more, and the next run does not pay for its chunk again."""
    with ThreadPoolExecutor(2) as pool:
        timed_out(job, slow, **({} if is_own else {"executor": pool}))
        slow.may_answer.set()
        wait_until(lambda: job.progress().completed_chunks == 1)
    assert (job.result(0)["cost"], job.costs().cost, job.status) == (0.5, 0.5, "completed")


def test_what_it_cost_counts_where_it_failed(job: Job, slow: Slow) -> None:
    """A late failure was billed, too."""
    timed_out(job, slow)
    slow.error = ValueError("no")
    slow.error.cost = 0.25  # type: ignore[attr-defined]
    slow.may_answer.set()
    wait_until(lambda: job.costs().cost is not None)
    assert job.costs().failed_cost == 0.25


def test_the_result_is_kept_where_the_store_is_closed(
    slow: Slow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next open takes it in."""
    with CheckpointStore(tmp_path / "late.db") as store:
        timed_out(store.open_job("talk.srt", total_chunks=1), slow)
    with caplog.at_level(logging.WARNING, "checkpoint_store"):
        slow.may_answer.set()
        wait_until(lambda: "came after its loop had ended" in caplog.text)
    with CheckpointStore(tmp_path / "late.db") as store:
        assert store.job("talk.srt").result(0)["cost"] == 0.5
