"""Work that misbehaves is a failed try of its chunk; it ends neither the program nor the chunks beside it."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job, WorkFailed
from checkpoint_store.loop.executors import local

from . import executors_work as work

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children

CHUNKS = list("abcd")
ODD: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(0),
    "a cancelled part": asyncio.CancelledError,
    "StopIteration": lambda: StopIteration("x"),
    "GeneratorExit": GeneratorExit,
}


def made(kind: str) -> BaseException:
    """A new exception of this kind."""
    return ODD[kind]()


@pytest.fixture
def job(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job of four chunks; the work's files are in the store's folder."""
    monkeypatch.chdir(store.path.parent)
    return store.open_job("f", chunks=CHUNKS)


def tries(job: Job) -> list[tuple[int, int, str | None]]:
    """The failed chunks: index, tries, and the name of the last error."""
    return [(one.chunk_index, one.attempt, str(one.error).partition(":")[0]) for one in job.failed_chunks()]


# -- exceptions that would end more than one call


class TooLate(Exception):
    """The time limit of some work, which a timer raises in the thread of the work."""


def test_a_time_limit_that_comes_too_late_ends_no_thread(job: Job) -> None:
    """An exception raised in an idle worker costs no chunk a try, and the loop comes to its end."""
    worker: list[int] = []
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def first_fails(text: str) -> str:
        worker.append(threading.get_ident())
        if len(worker) == 1:
            raise ConnectionError
        return text

    def wait(_: object) -> float:
        while sys._current_frames()[worker[0]].f_code.co_filename != local.__file__:
            time.sleep(0.001)
        time.sleep(0.05)  # until it waits for the next task, which no event tells
        raise_in(ctypes.c_ulong(worker[0]), ctypes.py_object(TooLate))
        return 0.001

    done = [item.result for item in job.map(first_fails, workers=1, timeout_seconds=60.0, wait=wait)]
    assert sorted(done) == CHUNKS
    assert len(worker) == len(CHUNKS) + 1


@pytest.mark.slow_variants
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", ODD)
def test_it_is_a_failed_try_of_its_chunk(job: Job, kind: str, workers: int) -> None:
    """Counted and tried again as any other; the chunks behind it are done, and the program goes on."""

    def odd(text: str) -> str:
        if text == "b":
            raise made(kind)
        return text

    done = sorted(item.index for item in job.map(odd, workers=workers, on_error="record", wait=0))
    assert done == [0, 2, 3]
    name = type(made(kind)).__name__
    assert tries(job) == [(1, 3, name)]
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ODD)
def test_with_on_error_stop_an_error_is_raised_that_ends_nothing_else(job: Job, kind: str) -> None:
    """Raised as it was, it would end the script with exit status 0, or pass for the end of a generator."""

    def odd(_: str) -> None:
        raise made(kind)

    with pytest.raises(WorkFailed, match=type(made(kind)).__name__) as caught:
        list(job.map(odd, max_attempts=1, wait=0))
    assert caught.value.kind == type(made(kind)).__name__
    assert job.status == "failed"


@pytest.mark.parametrize("kind", ["SystemExit", "a cancelled part"])
def test_in_amap_too(job: Job, kind: str) -> None:
    """The event loop goes on; a cancellation that the work let through is no cancellation of its task."""

    async def odd(text: str) -> str:
        await asyncio.sleep(0)
        if text == "b":
            raise made(kind)
        return text

    async def loop() -> list[int]:
        return sorted([item.index async for item in job.amap(odd, workers=2, on_error="record", wait=0)])

    assert asyncio.run(loop()) == [0, 2, 3]
    assert tries(job) == [(1, 3, type(made(kind)).__name__)]


@pytest.mark.slow
def test_in_a_worker_process_too(job: Job) -> None:
    """``sys.exit()`` there ends neither the worker nor its pool."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        done = [item.index for item in job.map(work.exits_on_b, executor=pool, on_error="record", wait=0)]
    assert (done, tries(job)) == ([0, 2, 3], [(1, 3, "SystemExit")])


# -- what asks the program to end


@pytest.mark.slow
def test_an_interrupt_out_of_the_work_drops_no_other_chunk(job: Job) -> None:
    """What is in flight beside it is finished and recorded first; then it ends the program."""
    both, first_is_over = threading.Barrier(2), threading.Event()

    def interrupted(text: str) -> str:
        both.wait(60)
        if text == "a":
            threading.Timer(0.3, first_is_over.set).start()
            raise KeyboardInterrupt
        assert first_is_over.wait(60)
        return text

    with pytest.raises(KeyboardInterrupt):
        list(job.map(interrupted, workers=2))
    assert list(job.items()) == [(1, "b")]
    assert [record.chunk_index for record in job.in_doubt_chunks()] == [0]
    assert (job.status, job.error_message) == ("paused", None)


OWN_HANDLER = program(__file__, "own_handler")


def test_a_signal_handler_that_exits_ends_the_program(children: Children) -> None:
    """``sys.exit()`` in a handler of the program, while the work runs, is no failure of the work."""
    process = children.start(OWN_HANDLER)
    assert children.next_line(process) == "begun"
    process.send_signal(signal.SIGTERM)
    assert children.finish(process, code=7) == ""


# -- the same text, whatever does the work


class Elsewhere(Executor):
    """An executor of one's own, that pickles nothing."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        return self.threads.submit(fn, *args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait, cancel_futures=cancel_futures)


@pytest.mark.slow
@pytest.mark.parametrize("fn", [work.fails_on_b, work.two_keys_on_b, work.caused_on_b], ids=lambda fn: fn.__name__)
def test_every_executor_keeps_the_same_text_of_an_error(store: CheckpointStore, fn: Any) -> None:
    """Every executor records an error with the same text, even if pickle would change the exception's text."""
    texts = {}
    makers: dict[str, Any] = {
        "none": lambda: None,
        "threads": lambda: ThreadPoolExecutor(1),
        "processes": lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn")),
        "one's own": Elsewhere,
    }
    for kind, make in makers.items():
        job = store.open_job(f"{kind}.txt", chunks=CHUNKS)
        executor = make()
        list(job.map(fn, executor=executor, on_error="record", max_attempts=1))
        if executor is not None:
            executor.shutdown()
        (record,) = job.failed_chunks()
        texts[kind] = record.error
    assert len(set(texts.values())) == 1, texts
    assert texts["none"] is not None


@pytest.mark.slow
def test_the_cause_and_the_traceback_come_home(job: Job) -> None:
    """Pickle loses both; a service's answer often stands in the cause."""
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(ValueError, match="no") as caught,
    ):
        list(job.map(work.caused_on_b, executor=pool, max_attempts=1, wait=0))
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "executors_work.py" in "".join(caught.value.__notes__)


# -- long texts


@pytest.mark.slow
def test_long_errors_are_cut_and_control_characters_taken_out(job: Job) -> None:
    """Thirty tries with two megabytes each take moments; a secret at the cut is found all the same."""
    key = "sk-proj-" + "A1b2C3d4E5f6G7h8" * 3
    text = "\x1b[31mred\x1b[0m \0\x07" + "long " * 3273 + key + "x" * 2_000_000

    def fails(_: str) -> None:
        raise ValueError(text)

    for _ in range(3):
        list(job.map(fails, on_error="record", wait=0, max_attempts=3))
        job.retry_failed()
    kept = str(job.errors()[0].error)
    assert kept.startswith("ValueError: red long long")
    assert 15_000 < len(kept) < 17_000
    assert "\x1b" not in kept
    assert "\0" not in kept
    assert key[:12] not in kept


# -- plain functions in amap


def test_a_plain_function_runs_in_a_thread_of_amap(job: Job) -> None:
    """``amap`` runs a plain function in a thread, so the function may wait for the event loop."""
    go = threading.Event()

    def plain(text: str) -> str:
        assert go.wait(60)
        return threading.current_thread().name

    async def loop() -> list[str]:
        asyncio.get_running_loop().call_later(0.2, go.set)
        return [item.result async for item in job.amap(plain, workers=4)]

    assert "MainThread" not in asyncio.run(loop())
    assert job.status == "completed"


def test_what_a_plain_function_returns_to_be_awaited_is_awaited(job: Job) -> None:
    """``amap`` awaits what a plain function returns to be awaited, as of a lambda around a coroutine function."""

    async def answer(text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()

    async def loop() -> list[str]:
        return [item.result async for item in job.amap(lambda text: answer(text), workers=2, ordered=True)]  # noqa: PLW0108 - no coroutine function

    assert asyncio.run(loop()) == ["A", "B", "C", "D"]


@pytest.mark.slow
def test_a_cancelled_amap_records_what_its_threads_still_give(job: Job) -> None:
    """A thread cannot be cancelled, and its call is paid for."""
    begun, go = threading.Event(), threading.Event()

    def plain(text: str) -> str:
        begun.set()
        assert go.wait(60)
        return text

    async def loop() -> None:
        async def work_it_off() -> None:
            async for _ in job.amap(plain, workers=1):
                pass

        task = asyncio.create_task(work_it_off())
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        asyncio.get_running_loop().call_later(0.2, go.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(loop())
    assert list(job.items()) == [(0, "a")]
    assert (job.status, job.in_doubt_chunks()) == ("paused", [])


@pytest.mark.slow
def test_a_plain_function_of_amap_has_its_time(job: Job) -> None:
    """A call that takes too long is given up; its place is another thread's."""
    never = threading.Event()

    def hangs_on_a(text: str) -> str:
        if text == "a":
            never.wait(60)
        return text

    async def loop() -> list[int]:
        options: Any = {"timeout_seconds": 0.3, "max_attempts": 1, "on_error": "record"}
        return sorted([item.index async for item in job.amap(hangs_on_a, workers=1, **options)])

    assert asyncio.run(loop()) == [1, 2, 3]
    # Nothing had been completed when the first try took too long: that may have been the service.
    assert tries(job) == [(0, 2, "TimeoutError")]
    never.set()
