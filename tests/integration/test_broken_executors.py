"""Executors that break, are shut down, or are none: the loop goes on with a new one, or ends and says why."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, WorkerDied

from . import executors_work as work

if TYPE_CHECKING:
    from conftest import Children

CHUNKS = list("abcdefgh")


class Pool(ProcessPoolExecutor):
    """One's own: it cannot be made anew by somebody who does not know how."""

    def __init__(self) -> None:
        super().__init__(2, mp_context=get_context("spawn"))


class BrokenFromTheStart(Executor):
    """Takes nothing."""

    def __init__(self) -> None:
        self.asked = 0

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.asked += 1
        raise BrokenExecutor("out of order")


class Threads(Executor):
    """A thread for each piece of work; breaks when it is told to."""

    def __init__(self) -> None:
        self.is_broken = self.was_shut_down = False

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        if self.is_broken:
            raise BrokenExecutor("out of order")
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn(*args))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.was_shut_down = True


@pytest.fixture
def job(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job of eight chunks; the work's files are in the store's folder."""
    monkeypatch.chdir(store.path.parent)
    return store.open_job("f", chunks=CHUNKS)


# -- what cannot be made anew


def test_an_executor_that_breaks_at_submit_ends_the_loop(job: Job) -> None:
    """An executor that breaks at ``submit`` pauses the job at once, says what to do, and blames no chunk."""
    executor = BrokenFromTheStart()
    with pytest.raises(WorkerDied, match="function that makes one"):
        list(job.map(str.upper, executor=executor, workers=2, on_error="record"))
    assert executor.asked == 1
    assert (job.status, job.errors(), job.failed_chunks(), job.running_chunks()) == ("paused", [], [], [])
    assert job.error_message is not None
    assert len(list(job.map(str.upper))) == 8


@pytest.mark.slow
def test_a_pool_of_ones_own_ends_the_loop_when_its_worker_dies(job: Job) -> None:
    """What came back is recorded; the next run, with a new pool, goes on."""
    with Pool() as pool, pytest.raises(WorkerDied, match="a Pool cannot be made anew"):
        list(job.map(work.dies_on_b, executor=pool, on_error="record", wait=0))
    assert (job.status, job.failed_chunks(), job.running_chunks()) == ("paused", [], [])
    before = job.progress().completed_chunks
    assert len(list(job.map(str.upper))) == 8 - before


@pytest.mark.slow
def test_loky_ends_the_loop_too(job: Job) -> None:
    """A broken pool of loky ends the loop, though it is no subclass of the standard library's pool."""
    loky = pytest.importorskip("loky")
    with pytest.raises(WorkerDied, match="cannot be made anew"):
        list(job.map(work.dies_on_b, executor=loky.get_reusable_executor(max_workers=2), wait=0))
    assert (job.status, job.running_chunks()) == ("paused", [])


# -- what can


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pool", "loky"])
def test_a_function_makes_a_new_executor_in_the_place_of_a_broken_one(job: Job, kind: str) -> None:
    """The chunk that kills its worker is found and failed, and every other one is done."""
    make: Any = Pool
    if kind == "loky":
        loky = pytest.importorskip("loky")
        make = partial(loky.get_reusable_executor, max_workers=2)
    done = sorted(
        item.index for item in job.map(work.dies_on_b, executor=make, on_error="record", wait=0, max_attempts=2)
    )
    assert done == [0, 2, 3, 4, 5, 6, 7]
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_the_loop_shuts_down_every_executor_that_it_made(job: Job) -> None:
    """A loop makes an executor when it needs one, shuts it down, and leaves a given executor alone."""
    made: list[Threads] = []

    def make() -> Threads:
        made.append(Threads())
        return made[-1]

    items = job.map(str.upper, executor=make, workers=1)
    assert made == []
    for number, _ in enumerate(items):
        if number in (2, 5):
            made[-1].is_broken = True
    assert (len(made), [one.was_shut_down for one in made], job.status) == (3, [True] * 3, "completed")
    given = Threads()
    list(job.map(str.upper, executor=given))
    assert not given.was_shut_down


@pytest.mark.slow
def test_executors_that_break_again_and_again_end_the_loop(job: Job) -> None:
    """Ten in a row without any result; nobody waits for a miracle, and no chunk is to blame."""
    made: list[BrokenFromTheStart] = []

    def make() -> BrokenFromTheStart:
        made.append(BrokenFromTheStart())
        return made[-1]

    with pytest.raises(WorkerDied, match="without any result"):
        list(job.map(str.upper, executor=make, workers=4, on_error="record"))
    assert [one.asked for one in made] == [1] * 10
    assert (job.status, job.errors(), job.running_chunks()) == ("paused", [], [])


def test_an_executor_that_cannot_be_made_again_says_why(job: Job) -> None:
    """The error of the function that makes it is raised; the job is paused."""
    made: list[Threads] = []

    def make() -> Threads:
        if made:
            raise ConnectionError("the cluster is gone")
        made.append(Threads())
        return made[-1]

    with pytest.raises(ConnectionError, match="the cluster is gone"):
        for _ in job.map(str.upper, executor=make, workers=1):
            made[0].is_broken = True
    assert (job.status, job.failed_chunks()) == ("paused", [])


# -- stopping meanwhile

STOPPED = program(__file__, "broken_for_ever")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_loop_whose_executors_keep_breaking(children: Children, number: signal.Signals) -> None:
    """A signal ends a loop whose executors keep breaking, before the next launch or within a pause."""
    process = children.start(STOPPED, "class")
    for _ in range(5):
        assert children.next_line(process) == "asked"
    process.send_signal(number)
    code = -number if number is signal.SIGINT else 128 + number
    assert children.finish(process, code=code).splitlines()[-1] == "end paused 0 0"


def test_a_loop_looks_before_each_launch_whether_it_is_to_end(job: Job) -> None:
    """A loop asks ``stop_when`` before each launch, even if all chunks fit at once."""
    begun: list[str] = []

    class Counting(Threads):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
            begun.append("one more")
            return super().submit(fn, *args)

    items = list(
        job.map(str.upper, executor=Counting(), workers=8, stop_when=lambda: len(begun) == 2, on_pause="return")
    )
    assert (len(items), len(begun), job.status) == (2, 2, "paused")


# -- what is no executor, or none any more


def test_work_whose_own_pool_breaks_is_a_failure_of_its_chunk(job: Job) -> None:
    """The executor of the loop is as good as before; the chunks behind it are done."""

    def breaks_on_b(text: str) -> str:
        if text == "b":
            raise BrokenProcessPool("a pool inside of the work")
        return text

    list(job.map(breaks_on_b, on_error="record", max_attempts=1, workers=2))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    job.retry_failed()
    list(job.map(breaks_on_b, on_error="record", max_attempts=1, executor=Threads()))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    assert job.progress().completed_chunks == 7


def test_what_gives_other_futures_is_refused(job: Job) -> None:
    """An executor of another kind would never be understood: one call, an error that says so, and no endless loop."""

    class Odd(Executor):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Any:
            fn(*args)
            return asyncio.Future(loop=loop)

    loop = asyncio.new_event_loop()
    calls: list[str] = []
    with pytest.raises(InvalidArgumentError, match=r"not a concurrent\.futures\.Future"):
        list(job.map(calls.append, executor=Odd(), workers=3, on_error="record"))
    loop.close()
    assert (calls, job.failed_chunks(), job.running_chunks()) == (["a"], [], [])
    assert [record.chunk_index for record in job.in_doubt_chunks()] == [0]


def test_an_executor_with_another_submit_blames_no_chunk(job: Job) -> None:
    """An executor whose ``submit`` takes other arguments raises once, and no chunk is failed for it."""

    class Odd(Executor):
        def submit(self, fn: Any) -> Any:  # type: ignore[override]
            return fn

    with pytest.raises(TypeError, match="positional argument"):
        list(job.map(str.upper, executor=Odd(), on_error="record"))
    assert (job.status, job.failed_chunks(), job.errors()) == ("paused", [], [])


def test_a_client_of_dasks_is_refused_before_anything_begins(job: Job) -> None:
    """A Dask client as executor is refused before any work, with the call that makes an executor of it."""

    class Client:
        def submit(self) -> None: ...
        def get_executor(self) -> None: ...

    with pytest.raises(InvalidArgumentError, match=r"executors\.dask\(client\)"):
        job.map(pytest.fail, executor=Client())  # type: ignore[arg-type]


def test_a_function_that_makes_no_executor_is_refused_before_the_first_call(job: Job) -> None:
    """Nothing is called, and nothing is in hand."""
    with pytest.raises(InvalidArgumentError, match="has no submit"):
        list(job.map(pytest.fail, executor=lambda: 3))  # type: ignore[arg-type,return-value]
    assert (job.running_chunks(), job.errors()) == ([], [])


def test_work_that_cannot_be_sent_is_refused_before_the_first_call(job: Job) -> None:
    """A lambda for a pool of processes: known at once, and no chunk's failure."""
    with ProcessPoolExecutor(1) as pool, pytest.raises(InvalidArgumentError, match="top level of a module"):
        list(job.map(lambda text: text, executor=pool, on_error="record"))
    assert (job.failed_chunks(), job.errors(), job.running_chunks()) == ([], [], [])


def test_futures_that_never_come_are_given_up_in_time(job: Job) -> None:
    """With ``timeout_seconds`` the loop ends and says why; the chunks are free again."""

    class Never(Executor):
        def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
            return Future()

    with pytest.raises(TimeoutError):
        list(job.map(str.upper, executor=Never(), workers=2, timeout_seconds=0.05, on_error="record", wait=0))
    assert job.running_chunks() == []
