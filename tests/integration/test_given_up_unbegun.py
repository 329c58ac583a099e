"""A second Ctrl-C gives up what is in flight: in doubt is what had begun, and not what still waited for a worker."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conftest import wait_until

from checkpoint_store.execution.claims import chunk_queue
from checkpoint_store.loop.executors.local import OwnExecutor, Threads
from checkpoint_store.loop.schedule import RetryQueue
from checkpoint_store.storage.runner_lock import begun_by, runner_lock_paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from checkpoint_store import CheckpointStore
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk

WORKERS = 4


@pytest.fixture(params=["ours", "theirs"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Executor] | None:
    """Threads of ours, of which the system starts one, or an executor of the caller's with one thread."""
    if request.param == "theirs":
        return lambda: ThreadPoolExecutor(1)
    monkeypatch.setattr(Threads, "_start_thread", start_only_one)
    return None


def start_only_one(self: Threads) -> None:
    self._missing = 0
    self._started = 1
    threading.Thread(target=self._work, daemon=True).start()


def test_what_waited_for_a_worker_is_not_in_doubt(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, executor: Callable[[], Executor] | None
) -> None:
    """Chunks that waited for a worker when their loop was given up are pending again, and not in doubt."""
    began, may_end, called = threading.Event(), threading.Event(), list[int]()

    def work(index: int) -> int:
        called.append(index)
        began.set()
        assert may_end.wait(60)
        return index

    def interrupted(*_: object) -> bool:
        assert began.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(chunk_queue, "_CLAIMED_AHEAD_SECONDS", 0.0)
    for kind in (OwnExecutor, Threads):
        monkeypatch.setattr(kind, "wait", interrupted)
    job = store.open_job("talk.srt", total_chunks=10)
    with pytest.raises(KeyboardInterrupt):
        list(job.map(work, workers=WORKERS, executor=executor))
    assert [record.chunk_index for record in job.in_doubt_chunks()] == [0]
    assert [(one.chunk_index, one.outcome) for one in job.attempts()] == [(0, "abandoned")]
    monkeypatch.undo()
    may_end.set()
    wait_until(lambda: job.progress().completed_chunks == 1)
    assert (job.in_doubt_chunks(), job.result(0)) == ([], 0)
    assert sorted(item.index for item in job.map(str)) == list(range(1, 10))
    assert called == [0]


def test_what_waited_for_a_worker_until_its_deadline_is_not_begun(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock file, which tells after a kill what is in doubt, has it no more when it waits for its next start."""
    is_free, put, listed = threading.Event(), RetryQueue.put, list[bool]()

    def put_and_look(self: RetryQueue, chunk: ClaimedChunk, *due_at: float) -> None:
        (lock,) = runner_lock_paths(store.path)
        listed.append(chunk.claim in (begun_by(lock).begun or ()))
        put(self, chunk, *due_at)
        is_free.set()

    monkeypatch.setattr(RetryQueue, "put", put_and_look)
    job = store.open_job("talk.srt", total_chunks=1)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(is_free.wait, 60)  # the caller's own work takes the only place
        assert [item.result for item in job.map(str, executor=pool, timeout_seconds=0.1)] == ["0"]
    assert not any(listed)
    assert listed
