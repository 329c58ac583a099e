"""``job.pause()`` in a signal handler of the program: at any moment, also in the middle of another call of the library."""

from __future__ import annotations

import gc
import signal
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, JobPaused, StoreBusy, StoreClosed
from checkpoint_store.state_file.writer import StateFile
from checkpoint_store.storage.connection.file_guard import FileGuard
from checkpoint_store.storage.connection.store_file import ReaderConnection
from checkpoint_store.storage.connection.writer import WriterConnection
from checkpoint_store.storage.group_commit import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def job(store: CheckpointStore) -> Iterator[Job]:
    """A job of six chunks, and a handler of SIGTERM that pauses it."""
    job = store.open_job("talk.srt", total_chunks=6)
    before = signal.signal(signal.SIGTERM, lambda *_: job.pause())
    yield job
    signal.signal(signal.SIGTERM, before)


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("held_by", "method"),
    [
        (FileGuard, "refuse_if_moved"),
        (ReaderConnection, "ready"),
        (Writer, "_write_alone"),
    ],
    ids=["writer", "reader", "group commit"],
)
def test_a_handler_may_pause_while_the_library_holds_a_lock(
    job: Job, monkeypatch: pytest.MonkeyPatch, held_by: type, method: str
) -> None:
    """The interrupted call waits for no lock of its own; the loop ends, and the next loop does the rest."""
    original, calls = getattr(held_by, method), []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(held_by, method, original)
        signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments, **options)

    def work(index: int) -> int:
        if not calls:
            monkeypatch.setattr(held_by, method, interrupted)
        calls.append(index)
        return index

    with pytest.raises(JobPaused):
        list(job.map(work))
    assert job.status == "paused"
    assert len(calls) < 6
    list(job.map(work))
    assert (job.status, sorted(calls)) == ("completed", list(range(6)))


def test_a_handler_may_pause_while_the_state_file_is_written(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writing goes on, and the loop that begins next begins nothing."""
    original: Any = StateFile._update

    def interrupted(self: StateFile, *arguments: Any) -> Any:
        monkeypatch.setattr(StateFile, "_update", original)
        signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(StateFile, "_update", interrupted)
    job.set_metadata({"owner": "a"})
    with pytest.raises(JobPaused):
        list(job.map(str))
    assert len(list(job.map(str))) == 6


def test_a_pause_in_a_handler_ends_the_loop_that_begins_next(job: Job) -> None:
    """The signal came between the opening and the loop: the loop begins nothing. The loop after it goes on."""
    signal.raise_signal(signal.SIGTERM)
    assert job.status == "paused"
    with pytest.raises(JobPaused):
        list(job.map(str))
    assert len(list(job.map(str))) == 6


def test_a_pause_of_the_loops_own_caller_ends_no_later_loop(job: Job) -> None:
    """The caller knows of the pause, and goes on."""
    job.pause()
    assert len(list(job.map(str))) == 6


def test_the_work_on_a_chunk_may_pause_its_job(job: Job) -> None:
    """The pause is durable when the call returns."""
    statuses = []

    def work(index: int) -> int:
        job.pause()
        statuses.append(job.status)
        return index

    list(job.map(work, on_pause="return"))
    assert set(statuses) == {"paused"}


def test_a_handler_that_exits_after_its_pause_leaves_the_job_paused(children: Children, tmp_path: Path) -> None:
    """No loop runs, and nobody closes the store: the end of the process records the pause."""
    children.run(program(__file__, "pause_and_exit"), code=3)
    with sqlite3.connect(tmp_path / "talks.db") as connection:
        assert connection.execute("SELECT status FROM jobs").fetchone() == ("paused",)
        assert connection.execute("SELECT count(*) FROM completed_chunks").fetchone() == (1,)
    connection.close()


# -- other calls in a handler


def test_a_result_that_a_handler_records_in_the_middle_of_a_transaction_is_refused(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler gets an error at once, and does not wait for itself; the interrupted call goes on."""
    job, original, refused = store.open_job("talk.srt", total_chunks=2), WriterConnection._ready, []

    def interrupted(self: WriterConnection, *, prepared: bool) -> Any:
        monkeypatch.setattr(WriterConnection, "_ready", original)
        for pairs in ([(1, "late")], [(1, "late"), (0, "x")]):
            with pytest.raises(StoreBusy, match="this very thread") as caught:
                job.complete_many(pairs)
            refused.append(caught)
        kept.clear()
        gc.collect()  # a finalizer, which frees the chunk, does not wait either
        return original(self, prepared=prepared)

    kept = [next(job.pending())]
    monkeypatch.setattr(WriterConnection, "_ready", interrupted)
    job.complete(0, "x")
    assert len(refused) == 2
    job.complete(1, "y")
    assert list(job.results()) == ["x", "y"]


def test_a_read_of_a_handler_in_the_middle_of_a_read_is_refused(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler gets an error at once; the interrupted call goes on, and so does a completion."""
    job, original, refused = store.open_job("talk.srt", total_chunks=2), ReaderConnection.ready, []

    def interrupted(self: ReaderConnection) -> Any:
        monkeypatch.setattr(ReaderConnection, "ready", original)
        with pytest.raises(StoreBusy, match="this very thread") as caught:
            job.progress()
        refused.append(caught)
        job.complete(0, "x")
        return original(self)

    monkeypatch.setattr(ReaderConnection, "ready", interrupted)
    assert job.progress().completed_chunks == 1
    assert len(refused) == 1


def test_a_function_of_the_caller_that_writes_while_its_job_is_opened_is_refused(store: CheckpointStore) -> None:
    """The fingerprints of chunks are computed in the transaction of the opening, which would wait for itself."""
    store.open_job("first", chunks=["a"]).complete(0, "x")
    asked: list[str] = []

    def fingerprint(chunk: str) -> str:
        asked.append(chunk)
        if asked.count(chunk) > 1:  # the digest of the plan was computed before
            store.job("first").set_metadata({"seen": chunk})
        return chunk

    with pytest.raises(StoreBusy, match="this very thread"):
        store.open_job("second", chunks=["a", "b"], fingerprint=fingerprint, on_change="reuse")
    assert [job.file_name for job in store.jobs()] == ["first"]


@pytest.mark.parametrize("held_by", [FileGuard, StateFile])
def test_a_handler_may_close_the_store_in_the_middle_of_a_call(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, held_by: Any
) -> None:
    """The store is closed by another thread once the interrupted call is through; the result is recorded."""
    name = "refuse_if_moved" if held_by is FileGuard else "_update"
    job, original = store.open_job("talk.srt", total_chunks=1), getattr(held_by, name)
    before = signal.signal(signal.SIGTERM, lambda *_: store.close())

    def interrupted(self: Any, *arguments: Any) -> Any:
        monkeypatch.setattr(held_by, name, original)
        signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(held_by, name, interrupted)
    try:
        job.complete(0, "x")
    finally:
        signal.signal(signal.SIGTERM, before)
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store close":
            thread.join()
    with pytest.raises(StoreClosed):
        job.progress()
    with CheckpointStore(store.path) as again:
        assert list(again.job("talk.srt").results()) == ["x"]


def test_a_loop_that_is_collected_in_the_middle_of_a_transaction_is_ended_by_another_thread(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupted call waits for no lock of its own, and the job of the loop is paused."""
    left, other = store.open_job("left", total_chunks=3), store.open_job("other", total_chunks=1)
    loops, original = [left.map(str)], WriterConnection._ready
    next(loops[0])

    def interrupted(self: WriterConnection, *, prepared: bool) -> Any:
        monkeypatch.setattr(WriterConnection, "_ready", original)
        loops.clear()
        gc.collect()
        assert left.status == "running", "it is ended by this thread, which is in the middle of a transaction"
        return original(self, prepared=prepared)

    monkeypatch.setattr(WriterConnection, "_ready", interrupted)
    other.complete(0, "x")
    for thread in threading.enumerate():
        if thread.name == "checkpoint-store loop":
            thread.join()
    assert (left.status, other.status) == ("paused", "completed")
