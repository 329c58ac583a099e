"""The work elsewhere: threads, processes of every kind, Dask. What comes of it is the same."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, WorkerDied, WorkFailed

from . import executors_work as work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children

METHODS = ["fork", "spawn", "forkserver"]
ONE_METHOD = ["spawn", *(pytest.param(method, marks=pytest.mark.slow) for method in ("fork", "forkserver"))]
"""One in the quick suite, where the method makes little difference."""
KINDS = ["none", "threads", *METHODS, "dask"]
CHUNKS = list("abcdefgh")
POOL = program(__file__, "drive_pool")


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Make executors of any kind, which end with the test."""
    with ExitStack() as stack:

        def maker(kind: str, workers: int = 2) -> Any:
            if kind == "none":
                return None
            if kind == "threads":
                return stack.enter_context(ThreadPoolExecutor(workers))
            if kind.startswith("dask"):
                client = dask_client(stack, workers, processes=kind == "dask processes")
                return client.get_executor(pure=False)
            return stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context(kind)))

        yield maker


def dask_client(stack: ExitStack, workers: int, *, processes: bool) -> Any:
    distributed = pytest.importorskip("distributed")
    cluster = stack.enter_context(
        distributed.LocalCluster(
            n_workers=workers if processes else 1,
            threads_per_worker=1 if processes else workers,
            processes=processes,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
    )
    return stack.enter_context(distributed.Client(cluster))


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_every_executor_gives_the_same_results(store: CheckpointStore, make: Callable[..., Any], kind: str) -> None:
    """Every executor gives equal results in order, and the work knows its attempt and its key."""
    results = store.map(work.clean, CHUNKS, file_name="f", executor=make(kind), fresh=True)
    job = store.latest_job()
    assert job is not None
    with CheckpointStore(store.path.with_name("other.db"), state_file=None) as other:
        expected = other.open_job("f", chunks=CHUNKS)
        keys = [chunk.attempt.attempt_key for chunk in expected.pending() if chunk.attempt is not None]
    assert [one["text"] for one in results] == [text.upper() for text in CHUNKS]
    assert [one["index"] for one in results] == list(range(8))
    assert len({one["key"] for one in results}) == len(keys) == 8
    assert (job.status, job.running_chunks()) == ("completed", [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", METHODS)
def test_the_work_is_done_in_other_processes(store: CheckpointStore, make: Callable[..., Any], kind: str) -> None:
    """With processes the work is done elsewhere, and the results are recorded in the caller's store."""
    for pid, number in store.map(work.who, CHUNKS, file_name="f", executor=make(kind)):
        assert (pid != os.getpid(), number) == (True, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "spawn", "dask"])
def test_an_exception_that_cannot_be_sent_says_what_happened(
    store: CheckpointStore, make: Callable[..., Any], kind: str
) -> None:
    """An exception that cannot be pickled arrives as its type, its text and its traceback."""
    executor = make(kind)
    results = store.map(
        work.fails_on_b, CHUNKS, file_name="f", executor=executor, on_error="record", wait=0, max_attempts=2
    )
    assert results == ["a", None, *CHUNKS[2:]]
    job = store.latest_job()
    assert job is not None
    (failed,) = job.failed_chunks()
    assert (failed.chunk_index, failed.attempt) == (1, 2)
    assert "TwoArgumentsError: this and that" in str(failed.error)
    job.retry_failed()
    with pytest.raises((WorkFailed, work.TwoArgumentsError), match="this and that") as caught:
        list(store.open_job("f", chunks=CHUNKS).map(work.fails_on_b, executor=executor, max_attempts=1))
    if isinstance(caught.value, WorkFailed):
        assert caught.value.kind == "TwoArgumentsError"
        assert "executors_work.py" in caught.value.trace


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["threads", "spawn"])
def test_a_services_answer_is_understood_wherever_it_came(
    store: CheckpointStore, make: Callable[..., Any], kind: str
) -> None:
    """A bad key pauses, a bad request is not tried again, Retry-After is waited for, and types are recognized."""
    executor = make(kind)
    with pytest.raises((WorkFailed, work.AnswerError), match="401"):
        store.map(work.bad_key, CHUNKS, file_name="key", executor=executor, on_error="record")
    job = store.latest_job()
    assert job is not None
    assert (job.status, job.failed_chunks()) == ("paused", [])
    store.map(work.bad_request_on_b, CHUNKS, file_name="request", executor=executor, on_error="record")
    job = store.latest_job()
    assert job is not None
    assert [(one.chunk_index, one.attempt) for one in job.failed_chunks()] == [(1, 1)]
    begun = time.time()
    (at,) = store.map(work.limited, ["a"], file_name="limit", executor=executor, wait=0, retry_on=ConnectionError)
    assert at - begun > 0.65


@pytest.mark.slow
def test_a_chunk_that_cannot_be_sent_is_that_chunks_failure(store: CheckpointStore, make: Callable[..., Any]) -> None:
    """A chunk that cannot be sent to a worker fails, and the others are done."""
    chunks: list[Any] = ["a", SendsNothing("b"), "c"]
    job = store.open_job("f", chunks=chunks, fingerprint=str)
    list(job.map(str, executor=make("spawn"), on_error="record"))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    assert job.progress().completed_chunks == 2


class SendsNothing(str):
    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError("cannot be sent")


# -- a worker that dies


@pytest.mark.slow
@pytest.mark.parametrize(("method", "max_attempts"), [("fork", 3), ("spawn", 1), ("forkserver", 3)])
def test_a_worker_that_dies_is_found_out(children: Children, method: str, max_attempts: int) -> None:
    """The chunk that kills its worker is tried alone, and failed; every other one is done, and the program ends."""
    options = json.dumps({"on_error": "record", "wait": 0, "max_attempts": max_attempts})
    said = json.loads(children.run(POOL, method, 3, "dies_on_b", "abcdefgh", options))
    died = "WorkerDied: the process that worked on this chunk ended before it gave a result"
    assert said["results"] == [[index, letter] for index, letter in enumerate(CHUNKS) if letter != "b"]
    assert (said["failed"], said["running"]) == ([[1, died]], [])


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_loop_if_that_is_wished(
    store: CheckpointStore, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``on_error="stop"`` raises WorkerDied; the next run passes the chunk over and says so."""
    monkeypatch.chdir(store.path.parent)
    job = store.open_job("f", chunks=CHUNKS)
    with pytest.raises(WorkerDied):
        list(job.map(work.dies_on_b, executor=make("spawn"), wait=0, max_attempts=2))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


@pytest.mark.slow
def test_a_pool_that_never_works_is_not_the_chunks_fault(store: CheckpointStore) -> None:
    """A pool whose processes cannot start pauses the job, long before every chunk is failed."""
    job = store.open_job("f", total_chunks=40)
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=os._exit, initargs=(1,)) as pool,
        pytest.raises(WorkerDied, match="without any result"),
    ):
        list(job.map(abs, executor=pool, on_error="record", wait=0))
    assert job.status == "paused"
    assert len(job.failed_chunks()) < 10
    job.retry_failed()
    assert len(list(job.map(abs, on_error="record"))) == 40


@pytest.mark.slow
def test_dask_workers_that_die_are_found_out(
    store: CheckpointStore, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KilledWorker is the failure of one chunk; with processes the results are the same."""
    monkeypatch.chdir(store.path.parent)
    distributed = pytest.importorskip("distributed")
    executor = make("dask processes")
    assert store.map(work.clean, CHUNKS, file_name="f", executor=executor)[0]["text"] == "A"
    assert distributed is not None


# -- the parent


def processes_of(group: int) -> list[int]:
    """Return the processes of a session that are alive."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == group and fields[0] != "Z":
                found.append(int(path.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("method", ONE_METHOD)
def test_worker_processes_end_with_a_killed_parent(children: Children, method: str, tmp_path: Path) -> None:
    """All worker processes end with their killed parent, even those that never had work."""
    process = children.start(POOL, method, 4, "slow", "ab", "{}")
    wait_until(lambda: (tmp_path / "begun-a").exists() and (tmp_path / "begun-b").exists())
    assert len(processes_of(process.pid)) >= 3
    process.kill()
    process.wait()
    wait_until(lambda: processes_of(process.pid) == [], 30)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["SIGINT", "SIGHUP"])
@pytest.mark.parametrize("method", ONE_METHOD)
def test_a_terminals_signal_lets_worker_processes_finish(
    children: Children, method: str, number: signal.Signals, tmp_path: Path
) -> None:
    """A signal from the terminal to all processes lets the workers finish the chunks in hand."""
    process = children.start(POOL, method, 4, "slow", "abcdefgh", "{}")
    wait_until(lambda: len(list(tmp_path.glob("begun-*"))) >= 3)
    os.killpg(process.pid, number)
    said = json.loads(children.finish(process, code=-signal.SIGINT if number == signal.SIGINT else 128 + number))
    begun = len(list(tmp_path.glob("begun-*")))
    assert (said["status"], len(said["results"]), said["in_doubt"]) == ("paused", begun, [])


@pytest.mark.slow
@pytest.mark.parametrize("method", ONE_METHOD)
def test_two_ctrl_c_end_worker_processes_too(children: Children, method: str, tmp_path: Path) -> None:
    """The second Ctrl-C ends the loop and every worker process at once."""
    process = children.start(POOL, method, 4, "hangs_on_b", "ab", "{}")
    wait_until((tmp_path / "begun-b").exists)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        (job,) = store.jobs()
        wait_until(lambda: list(job.items()) == [(0, "a")])
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    wait_until(lambda: processes_of(process.pid) == [], 30)
    with CheckpointStore(tmp_path / "talks.db") as store:
        (job,) = store.jobs()
        assert (job.status, list(job.items())) == ("paused", [(0, "a")])
        assert [record.chunk_index for record in job.in_doubt_chunks()] == [1]


@pytest.mark.slow
def test_a_broken_pool_is_made_anew_as_it_was(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken pool is made anew with its context, its initializer and its number of workers."""
    monkeypatch.chdir(store.path.parent)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=os.umask, initargs=(0o77,)) as pool:
        results = store.map(work.dies_on_b, CHUNKS, file_name="f", executor=pool, on_error="record", max_attempts=1)
    assert results == ["a", None, *CHUNKS[2:]]
