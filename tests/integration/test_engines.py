"""Real Dask and real Ray, with kills: one attempt is one call, and the store stays with the process of the loop."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, InvalidArgumentError, Job, UnknownOptionError, executors

from . import engines_work as work
from .test_executors import dask_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children

SLOW_START = pytest.mark.timeout(600)
KINDS = ["dask", pytest.param("ray", marks=pytest.mark.slow)]
LETTERS = "abcdefghij"


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """Let Ray run, which takes ten seconds to start."""
    ray = pytest.importorskip("ray")
    work.start_ray(runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    yield
    ray.shutdown()


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Any]]:
    """Make an executor of two worker processes, each for one call at a time."""
    with ExitStack() as stack:

        def maker(kind: str) -> Any:
            if kind == "dask":
                return executors.dask(dask_client(stack, 2, processes=True))
            request.getfixturevalue("ray")
            return executors.ray()

        yield maker


def chunks(folder: Path, letters: str = LETTERS) -> list[list[str]]:
    """Chunks that say where to log the calls."""
    return [[str(folder), letter] for letter in letters]


def calls(folder: Path) -> Counter[tuple[str, int]]:
    """How often each try at each chunk was called."""
    lines = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    return Counter((letter, int(number)) for letter, number in map(str.split, lines))


def twice(folder: Path) -> list[tuple[str, int]]:
    """The tries that were called more than once."""
    return [one for one, count in calls(folder).items() if count > 1]


@pytest.mark.slow
@SLOW_START
@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_that_kills_its_worker_is_called_as_often_as_it_is_tried(
    store: CheckpointStore, make: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    """Three tries are three calls, not twelve; every other chunk is done, and all of them by one call."""
    job = store.open_job("f", chunks=chunks(tmp_path))
    done = sorted(item.index for item in job.map(work.dies_on_b, executor=make(kind), on_error="record", wait=0))
    assert done == [0, *range(2, 10)]
    (failed,) = job.failed_chunks()
    assert (failed.chunk_index, failed.attempt) == (1, 3)
    assert str(failed.error).startswith("WorkerDied: the worker that had this chunk")
    assert "\x1b" not in str(failed.error)
    assert twice(tmp_path) == []
    assert sum(calls(tmp_path)["b", number] for number in (1, 2, 3)) == 3


@pytest.mark.slow
@SLOW_START
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_work_raises_is_the_same_text_everywhere(
    store: CheckpointStore, make: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    """No traceback of the engine's, and no colours; results that cannot be stored come home as from any process."""
    executor = make(kind)
    job = store.open_job("f", chunks=chunks(tmp_path, "abc"))
    list(job.map(work.fails_on_b, executor=executor, on_error="record", max_attempts=1))
    assert [(one.chunk_index, one.error) for one in job.failed_chunks()] == [(1, "TwoArgumentsError: this and that")]
    assert [result for _, result in job.items()] == ["a", "c"]
    other = store.open_job("g", chunks=chunks(tmp_path, "x"))
    with pytest.raises(ValueError, match="which JSON cannot hold"):
        list(other.map(work.unstorable, executor=executor, on_error="record"))
    assert "paid for" in str(other.errors()[0].error)


@pytest.mark.slow
@SLOW_START
@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_gets_as_many_chunks_as_it_has_places(
    store: CheckpointStore, make: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    """Nothing waits in its queue that another process could do, or that a kill would leave in doubt."""
    job = store.open_job("f", chunks=chunks(tmp_path))
    executor = make(kind)
    worker = threading.Thread(target=lambda: list(job.map(work.waits_for_go, executor=executor)))
    worker.start()
    wait_until(lambda: len(calls(tmp_path)) >= 2)
    at_most = len(job.running_chunks())
    (tmp_path / "go").touch()
    worker.join()
    assert (at_most, job.status, twice(tmp_path)) == (2, "completed", [])


DRIVER = program(__file__, "drive_engine")


@pytest.mark.slow
@SLOW_START
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_driver_pays_for_no_try_twice(children: Children, kind: str, tmp_path: Path) -> None:
    """Killed in the middle and run again: what was recorded stands, and each try was one call."""
    with ExitStack() as stack:
        where = dask_client(stack, 2, processes=True).cluster.scheduler_address if kind == "dask" else "local"
        arguments = (Path(__file__).parent.parent, kind, tmp_path, where)
        driver = children.start(DRIVER, *arguments)
        assert children.next_line(driver) == "begins"
        with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
            (job,) = store.jobs()
            wait_until(lambda: job.progress().completed_chunks >= 3 and len(job.running_chunks()) > 0, 200)
            os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
            before = dict(job.items())
        (tmp_path / "go").touch()
        second = children.run(DRIVER, *arguments).splitlines()
        with CheckpointStore(tmp_path / "talks.db") as store:
            (job,) = store.jobs()
            assert job.status == "completed"
            assert before.items() <= dict(job.items()).items()
            assert int(second[-1]) == 10 - len(before)
        assert twice(tmp_path) == []
        assert max(number for _, number in calls(tmp_path)) == 2


@pytest.mark.slow
def test_a_retired_dask_worker_leaves_its_call_failed_and_not_repeated(store: CheckpointStore, tmp_path: Path) -> None:
    """Dask moves what a retired worker was doing to another one, which would pay for it again in the same try."""
    with ExitStack() as stack:
        client = dask_client(stack, 2, processes=True)
        job = store.open_job("f", chunks=chunks(tmp_path, "a"))
        found: list[Any] = []
        loop = threading.Thread(
            target=lambda: found.extend(job.map(work.waits_for_go, executor=executors.dask(client), wait=0))
        )
        loop.start()
        wait_until(lambda: bool(calls(tmp_path)))
        busy = json.loads((tmp_path / "worker-a-1").read_text())
        (address,) = [where for where, pid in client.run(os.getpid).items() if pid == busy]
        client.retire_workers([address], close_workers=True, remove=True)
        wait_until(lambda: calls(tmp_path)["a", 2] == 1 or len(job.errors()) > 0 or not loop.is_alive())
        (tmp_path / "go").touch()
        loop.join()
    assert (len(found), twice(tmp_path), job.status) == (1, [], "completed")


def test_options_that_would_repeat_calls_are_refused() -> None:
    """Options of Dask and Ray that would repeat a call are refused, for the executor sets them."""
    with pytest.raises(InvalidArgumentError, match="one attempt is one call"):
        executors.ray(max_retries=3)
    with pytest.raises(UnknownOptionError, match="one attempt is one call"):
        executors.dask(None, retries=3)
    with pytest.raises(InvalidArgumentError, match=r"no dask\.distributed\.Client"):
        executors.dask(3)


def test_a_misspelt_option_of_dask_is_answered_with_the_right_one() -> None:
    """Dask would hand the option to the work."""
    with pytest.raises(UnknownOptionError, match=r"is no option of dask\(\): did you mean resources\?"):
        executors.dask(None, resource={"GPU": 1})


@pytest.mark.slow
def test_a_misspelt_option_of_ray_is_answered_with_the_right_one() -> None:
    """Ray would list all the options that it has; the answer comes before Ray is started."""
    with pytest.raises(UnknownOptionError, match=r"is no option of ray\(\): did you mean num_cpus\?"):
        executors.ray(num_cpu=1)
    with pytest.raises(ValueError, match="cannot be negative") as refused:
        executors.ray(num_cpus=-1)
    assert not isinstance(refused.value, InvalidArgumentError)


@pytest.mark.slow
def test_dasks_own_executor_is_told_of_in_the_log(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    """The log warns of Dask's own executor, which repeats a chunk by itself when a worker dies."""
    job = store.open_job("f", chunks=["a"])
    with ExitStack() as stack:
        executor = dask_client(stack, 1, processes=False).get_executor(pure=False)
        assert len(list(job.map(str.upper, executor=executor))) == 1
    assert "checkpoint_store.executors.dask(client)" in caplog.text


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of three chunks."""
    return store.open_job("f", chunks=["a", "b", "c"])


@pytest.mark.slow
def test_a_client_of_dasks_is_told_what_to_give(job: Job) -> None:
    """A real Dask client as executor is refused with the call that makes an executor of it."""
    with ExitStack() as stack, pytest.raises(InvalidArgumentError, match=r"checkpoint_store\.executors\.dask"):
        job.map(str, executor=dask_client(stack, 1, processes=False))
