"""Handles: work that a service holds is asked for by the next try, and not paid again."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import sqlite3
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    ChunkOutOfRange,
    InvalidArgumentError,
    JobNotFound,
    StorageUnavailableError,
    StoreBusy,
    current_attempt,
)

from .claims_tools import CLAIM, rows

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore

CHUNKS = ["one", "two", "three", "four"]

SUBMITS = program(__file__, "record_handles")


def submit(text: str) -> str:
    """Work that leaves a handle and fails, in whichever process it is done."""
    current_attempt().record_handle(f"batch of {text}")
    raise RuntimeError("the poll was interrupted")


def ask(text: str) -> str | None:
    """Work that asks for what an earlier try submitted."""
    return current_attempt().handle


# -- recorded, and found by the next try


def test_the_next_try_of_a_killed_chunk_finds_its_handle(store: CheckpointStore, children: Children) -> None:
    """A process that submitted and was killed at once leaves the id of what it submitted: durable when it returned."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    children.run(SUBMITS, job.job_id, code=-9)
    found = {chunk.index: chunk.handle for chunk in job.pending()}
    assert found == {0: "batch-0", 1: "batch-1", 2: None, 3: None}


def test_a_chunk_knows_the_handle_that_it_recorded(store: CheckpointStore) -> None:
    """The latest counts, and None clears it: also for the next try."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    chunk = next(job.pending())
    for handle in ("batch-1", "batch-2", None, "batch-3"):
        chunk.record_handle(handle)
        assert chunk.handle == handle
    del chunk
    chunk = next(job.pending())
    assert (chunk.handle, chunk.attempt and chunk.attempt.handle) == ("batch-3", "batch-3")
    chunk.record_handle(None)
    del chunk
    assert next(job.pending()).handle is None


def test_one_batch_carries_many_chunks(store: CheckpointStore) -> None:
    """A single call of ``record_handle`` records, or clears, the handle of all chunks of a batch."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    job.record_handle([0, 2, 3], "batch-7")
    job.record_handle((index for index in (3,)), None)
    job.record_handle(1, "alone")
    assert [chunk.handle for chunk in job.pending()] == ["batch-7", "alone", "batch-7", None]


def test_another_process_sees_it(store: CheckpointStore, open_store: Opener) -> None:
    """A handle that was recorded through another store object is found by the next try here."""
    job = store.open_job("talk.txt", total_chunks=2)
    open_store().job(job.job_id).record_handle([1], "batch-1")
    assert [chunk.handle for chunk in job.pending()] == [None, "batch-1"]


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["here", "threads", "spawned", "forked"])
def test_the_work_of_map_records_it_wherever_it_is_done(store: CheckpointStore, kind: str) -> None:
    """The work of ``map`` records a handle in any thread or process, and the next try finds it."""
    made: dict[str, Any] = {
        "here": lambda: None,
        "threads": lambda: ThreadPoolExecutor(2),
        "spawned": lambda: ProcessPoolExecutor(1, multiprocessing.get_context("spawn")),
        "forked": lambda: ProcessPoolExecutor(1, multiprocessing.get_context("fork")),
    }
    job = store.open_job("talk.txt", chunks=CHUNKS[:2])
    executor = made[kind]()
    try:
        list(job.map(submit, executor=executor, max_attempts=1, on_error="record"))
        assert [record.handle for record in job.failed_chunks()] == ["batch of one", "batch of two"]
        job.retry_failed()
        assert [item.result for item in job.map(ask, executor=executor, ordered=True)] == [
            "batch of one",
            "batch of two",
        ]
    finally:
        if executor is not None:
            executor.shutdown()
    assert store.check() == []


def test_a_retry_in_the_same_loop_finds_it(store: CheckpointStore) -> None:
    """The second try of one loop asks for what the first one submitted."""
    tried: list[str | None] = []

    def work(text: str) -> str:
        tried.append(current_attempt().handle)
        if len(tried) == 1:
            current_attempt().record_handle("batch-1")
            raise ConnectionError
        return text

    store.map(work, ["one"], file_name="talk.txt", wait=0.01)
    assert tried == [None, "batch-1"]


def test_with_asyncio_too(store: CheckpointStore) -> None:
    """A coroutine records a handle, in a thread where the event loop is not to wait for the disk."""
    job = store.open_job("talk.txt", chunks=CHUNKS[:2])

    async def work(text: str) -> str:
        await asyncio.to_thread(current_attempt().record_handle, text)
        return text

    async def main() -> None:
        async for _ in job.amap(work):
            pass

    asyncio.run(main())
    assert [handle for (handle,) in rows(store.path, "SELECT handle FROM chunk_handles")] == CHUNKS[:2]


def test_a_complete_chunk_offers_none(store: CheckpointStore) -> None:
    """The row stays for who looks at the table; nobody is told to ask for it."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    job.record_handle([0, 1], "batch-1")
    job.complete(0, "x")
    assert (job.plan().with_handle, job.plan().kept) == ((1,), 1)
    assert rows(store.path, "SELECT chunk_index FROM chunk_handles") == [(0,), (1,)]


def test_threads_record_at_the_same_time(store: CheckpointStore) -> None:
    """Thirty threads record handles and results through one job; all of them are there."""
    job = store.open_job("talk.txt", total_chunks=60)

    def record(index: int) -> None:
        job.record_handle([index], f"batch-{index}")
        job.complete(index + 30, index)

    threads = [threading.Thread(target=record, args=(index,)) for index in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [chunk.handle for chunk in job.pending()] == [f"batch-{index}" for index in range(30)]


@pytest.mark.slow
@pytest.mark.parametrize("holds", [True, False])
def test_a_death_while_the_service_works_uses_up_no_try(
    store: CheckpointStore, children: Children, holds: bool
) -> None:
    """A program that waits for hours may be killed any number of times; without a handle three deaths are enough."""
    job = store.open_job("talk.txt", chunks=CHUNKS[:1])
    for _ in range(3):
        children.run(CLAIM, job.job_id, 1, "is killed with a handle" if holds else "is killed", code=-9)
    left = list(job.map(ask, on_error="record")) if holds else list(job.pending(max_attempts=3))
    assert [item.result for item in left] == (["batch-0"] if holds else [])  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_locked_store_is_waited_for(open_store: Opener, tmp_path: Path) -> None:
    """What a service took is paid for: a lock that outlasts the time-out does not lose its handle."""
    job = open_store(lock_timeout_seconds=0.2).open_job("talk.txt", chunks=CHUNKS)
    log = logging.getLogger("checkpoint_store")
    with closing(sqlite3.connect(tmp_path / "talks.db", isolation_level=None)) as other:

        class Release(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if "retrying until the store is free" in record.getMessage():
                    other.execute("ROLLBACK")

        release = Release()
        log.addHandler(release)
        try:
            other.execute("BEGIN IMMEDIATE")
            job.record_handle([0], "batch-1")
        finally:
            log.removeHandler(release)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy) as busy:
            job.record_handle([1], "batch-2")
        other.execute("ROLLBACK")
    assert busy.value.__notes__ == [f"The handle 'batch-2' of chunk 1 of job {job.job_id} was not recorded."]
    assert next(job.pending()).handle == "batch-1"


# -- what people are shown


@pytest.mark.slow
def test_in_doubt_with_a_handle_is_told_apart(store: CheckpointStore, children: Children, open_store: Opener) -> None:
    """Records, list, plan and view say which chunks in doubt have a handle."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    job.complete(3, "x")
    children.run(CLAIM, job.job_id, 2, "is killed with a handle", code=-9)
    seen = open_store(read_only=True).job(job.job_id)
    for look in (seen, job):
        assert [(one.chunk_index, one.handle) for one in look.in_doubt_chunks()] == [(0, "batch-0"), (1, None)]
        assert (look.summary().in_doubt_chunks, look.summary().in_doubt_with_handle) == (2, 1)
        assert (look.plan().in_doubt, look.plan().with_handle) == ((0, 1), (0,))
    open_store("talks.db").close()  # which records the end of the killed process
    assert (seen.summary().in_doubt_chunks, seen.summary().in_doubt_with_handle) == (2, 1)
    assert rows(store.path, "SELECT chunk_index, handle FROM in_doubt_chunks") == [(0, "batch-0"), (1, None)]


# -- bad handles


@each_case(
    ("handle", "reason"),
    [
        ("", "no text"),
        ("  \n", "no text"),
        (7, "no text"),
        (b"batch", "no text"),
        ("x" * 4097, "4,097 characters"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_no_handle_is_refused(store: CheckpointStore, handle: Any, reason: str) -> None:
    """The error names the chunks and the value, and nothing is recorded."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    with pytest.raises(InvalidArgumentError, match=rf"chunks 0, 1 of job {job.job_id}.*{reason}"):
        job.record_handle([0, 1], handle)
    chunk = next(job.pending())
    with pytest.raises(InvalidArgumentError, match=f"chunk 0 of job {job.job_id}"):
        chunk.record_handle(handle)
    assert (chunk.handle, rows(store.path, "SELECT * FROM chunk_handles")) == (None, [])


def test_the_longest_handle_and_any_letters_fit(store: CheckpointStore) -> None:
    """4,096 characters, line ends and emoji come back as they are."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    handle = "\U0001f600\n'\"" + "x" * 4092
    job.record_handle([0], handle)
    assert next(job.pending()).handle == handle


def test_chunks_that_are_not_there_are_refused(store: CheckpointStore) -> None:
    """``record_handle`` for a missing chunk records nothing for the other chunks either."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    for bad in ([0, 4], [-1], ["0"], [True]):
        with pytest.raises(ChunkOutOfRange):
            job.record_handle(bad, "batch-1")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="indices"):
        job.record_handle(None, "batch-1")  # type: ignore[arg-type]
    assert rows(store.path, "SELECT * FROM chunk_handles") == []


def test_a_deleted_job_takes_no_handle(store: CheckpointStore, open_store: Opener) -> None:
    """A deleted job takes no handle, and its earlier handles are gone with it."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    job.record_handle([0], "batch-1")
    open_store().delete_job(job.job_id)
    with pytest.raises(JobNotFound):
        job.record_handle([1], "batch-1")
    assert rows(store.path, "SELECT * FROM chunk_handles") == []


def test_a_read_only_store_takes_none(store: CheckpointStore, open_store: Opener) -> None:
    """A read-only store refuses a handle."""
    job = store.open_job("talk.txt", chunks=CHUNKS)
    chunk = next(open_store(read_only=True).job(job.job_id).pending())
    with pytest.raises(StorageUnavailableError, match="read_only"):
        chunk.record_handle("batch-1")


def test_an_attempt_of_no_loop_says_so(store: CheckpointStore, tmp_path: Path) -> None:
    """A worker on another machine, which has no store file, is told what to do; no file is made there."""
    import pickle

    with closing(store):
        job = store.open_job("talk.txt", chunks=CHUNKS)
        sent = pickle.dumps(next(job.pending()).attempt)
    store.path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(StorageUnavailableError, match="record it where the loop runs"):
        pickle.loads(sent).record_handle("batch-1")
    assert not store.path.exists()
