"""Options and functions that a loop cannot use: refused before the job is touched, or the job says why it ended."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import pytest
from conftest import snapshot
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ChunkOutOfRange,
    InvalidArgumentError,
    JobNotFound,
    ProcessingState,
    StateManager,
    StorageUnavailableError,
    migrate,
    recover_store,
    restore_store,
)
from checkpoint_store.execution.lifecycle import JobLifecycle

from . import executors_work as work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNKS = ["one", "two"]


def manage(path: Path, seconds: Any) -> None:
    class Patient(StateManager):
        LOCK_TIMEOUT = seconds

    Patient(path.with_suffix(".json")).load()


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "use",
    [
        lambda path, seconds: CheckpointStore(path, lock_timeout_seconds=seconds),
        manage,
        lambda path, seconds: recover_store(path, accept_loss=True, lock_timeout_seconds=seconds),
        lambda path, seconds: restore_store(path.with_name("copy.db"), path, lock_timeout_seconds=seconds),
        lambda path, seconds: migrate(path, to="1.4", lock_timeout_seconds=seconds),
    ],
    ids=["open", "manager", "recover", "restore", "migrate"],
)
def test_a_lock_timeout_that_is_no_time_is_refused(tmp_path: Path, use: Callable[..., object]) -> None:
    """Each call that waits for a lock names the argument, and changes nothing."""
    path = tmp_path / "talk.db"
    with CheckpointStore(path) as store:
        store.open_job("talk.srt", total_chunks=2).complete(0, "paid for")
        store.backup(tmp_path / "copy.db")
    before = snapshot(tmp_path)
    for seconds in (None, "10", -1, float("nan"), float("inf"), True):
        with pytest.raises(InvalidArgumentError, match=r"^lock_timeout_seconds="):
            use(path, seconds)
        assert snapshot(tmp_path) == before


def test_a_function_that_no_process_can_get_is_refused_before_there_is_a_job(store: CheckpointStore) -> None:
    """A job that was opened for it would be recorded as running, and nobody would work on it."""
    with ProcessPoolExecutor(1) as pool:
        with pytest.raises(InvalidArgumentError, match=r"^fn=.*cannot be sent to another process"):
            store.map(lambda text: text, CHUNKS, file_name="f", executor=pool)
        assert store.jobs() == []
        job = store.open_job("f", chunks=CHUNKS)
        job.pause()
        with pytest.raises(InvalidArgumentError, match=r"^fn="):
            job.map(lambda text: text, executor=pool)
    assert (job.status, job.error_message) == ("paused", None)


def refused() -> Any:
    raise ValueError("no cluster is up")


@pytest.mark.parametrize("make", [refused, dict], ids=["raises", "makes no executor"])
def test_an_executor_that_cannot_be_made_ends_the_job(store: CheckpointStore, make: Callable[[], Any]) -> None:
    """The job is failed with the reason, and not running without a runner; a run with another executor goes on."""
    with pytest.raises((ValueError, InvalidArgumentError)) as caught:
        store.map(str.upper, CHUNKS, file_name="f", executor=make)
    job = store.job("f")
    assert (job.status, job.is_active) == ("failed", False)
    assert str(caught.value) in str(job.state().error_message)
    assert store.map(str.upper, CHUNKS, file_name="f") == ["ONE", "TWO"]
    assert job.status == "completed"


def test_a_pool_for_a_function_that_no_process_can_get_is_shut_down(store: CheckpointStore) -> None:
    """The function that makes the pool is known only once it is called."""
    pools: list[ProcessPoolExecutor] = []

    def make() -> ProcessPoolExecutor:
        pools.append(ProcessPoolExecutor(1))
        return pools[0]

    with pytest.raises(InvalidArgumentError, match=r"^fn="):
        store.map(lambda text: text, CHUNKS, file_name="f", executor=make)
    with pytest.raises(RuntimeError, match="shutdown"):
        pools[0].submit(work.clean, "a")
    assert store.job("f").status == "failed"


def test_a_loop_that_cannot_begin_leaves_its_job_with_the_reason(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that cannot begin, as on a failing disk, leaves its job failed and inactive, and the next loop works."""
    job = store.open_job("f", chunks=CHUNKS)

    def fails(*_: object) -> None:
        raise StorageUnavailableError(store.path, "an I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(JobLifecycle, "mark_running", fails)
        with pytest.raises(StorageUnavailableError):
            list(job.map(str.upper, workers=2))
    assert (job.status, job.is_active) == ("failed", False)
    assert [item.result for item in job.map(str.upper)] == ["ONE", "TWO"]


class Tries(IntEnum):
    TWO = 2


class OfNumpy:
    """An integer of numpy, as far as Python knows it."""

    def __index__(self) -> int:
        return 2


@pytest.mark.parametrize("number", [Tries.TWO, OfNumpy()])
def test_a_whole_number_of_another_type_is_taken(store: CheckpointStore, number: Any) -> None:
    """``pending`` and ``map`` take whole numbers of numpy and of an IntEnum."""
    job = store.open_job("f", total_chunks=2)
    next(job.pending(max_attempts=number)).complete(0)
    assert len(list(job.map(str, max_attempts=number, workers=number))) == 1


@pytest.mark.slow_variants
@pytest.mark.parametrize("number", [Tries.TWO, OfNumpy()])
def test_a_chunk_may_be_counted_by_another_type(store: CheckpointStore, manager: StateManager, number: Any) -> None:
    """A loop over an array of numpy has paid for a chunk when it gives the index: the result is recorded."""
    job = store.open_job("f", total_chunks=3)
    job.fail_chunk(number, "away")
    job.complete(number, "A")
    job.complete_many([(number, "A")])
    assert job.is_completed(number)
    assert (job.result(number), job.redo(number), job.remaining()) == ("A", 1, [range(3)])
    manager.save(ProcessingState(file_name="f", total_chunks=3))
    manager.update_chunk_complete(number, "A")
    state = manager.load()
    assert state is not None
    assert (state.completed_chunks, state.results()) == ([2], {2: "A"})


@each_case("index", [-1, 2, 10**30, True, "0", 0.0])
def test_what_is_no_chunk_is_not_said_to_be_incomplete(store: CheckpointStore, index: Any) -> None:
    """A program that asks before it pays would pay for a chunk that is complete."""
    job = store.open_job("f", chunks=CHUNKS)
    job.complete(0, "ONE")
    assert (job.is_completed(0), job.is_completed(1)) == (True, False)
    with pytest.raises(ChunkOutOfRange):
        job.is_completed(index)


@each_case("max_attempts", [0, -1, 1.5, "3", True])
def test_pending_refuses_a_number_of_tries_that_is_none(store: CheckpointStore, max_attempts: Any) -> None:
    """A loop with it would silently hand out nothing, or everything."""
    job = store.open_job("f", chunks=CHUNKS)
    with pytest.raises(InvalidArgumentError, match="max_attempts"):
        next(job.pending(max_attempts=max_attempts))
    assert len(list(job.pending(max_attempts=1))) == 2


@pytest.mark.parametrize("number", [Tries.TWO, OfNumpy()])
def test_chunks_may_be_numbered_and_named_by_another_type(store: CheckpointStore, number: Any) -> None:
    """The length of an array, and the pages in it, are whole numbers: ``total_chunks`` and keys take them."""
    assert store.open_job("f", total_chunks=number).total_chunks == 2
    job = store.open_job("pages", chunks={number: "two", 3: "three"})
    list(job.map(str.upper))
    assert (job.keys(), job.result_of(number), job.result_of("2"), job.index_of(2)) == ({0: 2, 1: 3}, "TWO", "TWO", 0)
    with pytest.raises(InvalidArgumentError, match="read the same"):
        store.open_job("pages", chunks={number: "a", "2": "b"})


@each_case("name", [3, b"f", ["f"], 10**400])
def test_what_is_no_name_of_a_job_is_named(store: CheckpointStore, name: Any) -> None:
    """The error has the value, whichever call asks for a job or for the jobs of a file."""
    for call in (store.job, store.delete_job):
        with pytest.raises(JobNotFound):
            call(name)
    for listing in (store.jobs, store.summaries):
        with pytest.raises(InvalidArgumentError, match=r"^file_name="):
            listing(file_name=name)


HUGE = 10**400


@each_case("name", ["timeout_seconds", "outage_seconds", "max_cost", "wait", "deadline_seconds"])
def test_a_number_that_no_float_holds_is_refused_before_any_call(store: CheckpointStore, name: str) -> None:
    """The error names the option, and there is no job that ended by an OverflowError."""
    options: dict[str, Any] = {name: HUGE}
    with pytest.raises(InvalidArgumentError, match=f"^{name}="):
        store.map(str.upper, CHUNKS, file_name="f", **options)
    with pytest.raises(InvalidArgumentError, match=r"^older_than_days="):
        store.prune(older_than_days=HUGE)
    assert store.jobs() == []


@pytest.mark.parametrize(
    "options",
    [{"wait": lambda _: HUGE}, {"tokens": lambda _: HUGE, "max_tokens_per_minute": 1e6}],
    ids=["wait", "tokens"],
)
def test_a_function_that_returns_such_a_number_is_named(store: CheckpointStore, options: dict[str, Any]) -> None:
    """``wait`` and ``tokens`` say so themselves, and not the arithmetic behind them."""

    def work(text: str) -> str:
        raise ConnectionError(text)

    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(options))}=.*returned 1000"):
        store.map(work, CHUNKS, file_name="f", **options)


class Closed(Exception):
    """The shop is closed."""


def test_exception_types_may_come_out_of_a_generator(store: CheckpointStore) -> None:
    """``retry_on`` and ``stop_on`` may be generators of exception types, which count at every failure."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        if len(calls) == 1:
            raise KeyError("a mistake, which is not tried again")
        if len(calls) == 2:
            raise Closed
        return text

    kinds: dict[str, Any] = {"retry_on": iter([KeyError]), "stop_on": (kind for kind in [Closed])}
    with pytest.raises(Closed):
        store.map(work, CHUNKS[:1], file_name="f", wait=0, on_error="record", **kinds)
    assert (calls, store.job("f").status) == (["one", "one"], "paused")
    with pytest.raises(InvalidArgumentError, match="retry_on"):
        store.map(work, CHUNKS[:1], file_name="f", retry_on=iter(["KeyError"]))  # type: ignore[arg-type]
