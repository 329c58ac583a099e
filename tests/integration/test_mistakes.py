"""Mistakes that are easily made: each gets an error or a warning that says what to do, and none a hang or a silence."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import math
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    ChunkAlreadyCompleted,
    InvalidArgumentError,
    Job,
    StateManager,
    StoreTargetError,
    migrate,
    recover_store,
    restore_store,
)
from checkpoint_store.execution import pending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Children


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of three chunks."""
    return store.open_job("f", chunks=["a", "b", "c"])


# -- a loop inside of its own work


@pytest.mark.slow_variants
@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "again",
    [
        lambda store, job: list(job.map(str)),
        lambda store, job: list(store.job(job.job_id).map(str)),
        lambda store, job: list(job.pending(wait=True)),
        lambda store, job: store.map(str, ["a", "b", "c"], file_name="f"),
        lambda store, job: asyncio.run(all_of(job)),
    ],
    ids=["map", "another object", "pending", "store.map", "amap"],
)
def test_a_loop_over_the_same_job_inside_of_its_work_is_refused(
    store: CheckpointStore, job: Job, again: Callable[[CheckpointStore, Job], Any], workers: int
) -> None:
    """A loop within the work of its own job is refused, because it would wait for the chunk in work."""
    with pytest.raises(InvalidArgumentError, match="would wait for itself"):
        list(job.map(lambda _: again(store, job), workers=workers))
    assert len(list(job.map(str.upper))) == 3


async def all_of(job: Job) -> list[Any]:
    """Every item of an amap."""
    return [item async for item in job.amap(str)]


@pytest.mark.timeout(60)
def test_a_loop_over_another_job_inside_of_the_work_is_fine(store: CheckpointStore, job: Job) -> None:
    """Each chunk of the one may be a job of its own."""

    def parts(text: str) -> list[str]:
        return [str(result) for result in store.map(str.upper, [text, text], file_name=f"{text}.txt")]

    assert [item.result for item in job.map(parts, workers=2, ordered=True)] == [["A"] * 2, ["B"] * 2, ["C"] * 2]


# -- a loop that nobody iterates


def test_a_loop_that_is_never_iterated_warns(job: Job) -> None:
    """A loop that is never iterated warns at the line that made it, and has called nothing."""
    with pytest.warns(RuntimeWarning, match="never iterated") as caught:
        job.map(pytest.fail)
    assert caught[0].filename == __file__

    async def loop() -> None:
        job.amap(pytest.fail)
        gc.collect()

    with pytest.warns(RuntimeWarning, match="never iterated"):
        asyncio.run(loop())


def test_a_loop_that_is_begun_or_closed_does_not(job: Job) -> None:
    """A loop that was begun or closed is dropped without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        items: Any = job.map(str.upper)
        next(items)
        items.close()
        del items
        unused: Any = job.map(str.upper)
        unused.close()
        del unused
        gc.collect()


# -- work whose result nobody records


@pytest.fixture
def infos(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from level INFO on. However quick the bodies of this test's loops are, they work on their chunks."""
    monkeypatch.setattr(pending, "_WORKED_ON_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "checkpoint_store")
    return caplog


def lost(infos: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of chunks that have no result."""
    return [message for message in infos.messages if "had no result" in message]


def test_work_without_a_result_is_logged_at_the_end_of_the_loop(job: Job, infos: pytest.LogCaptureFixture) -> None:
    """Who forgets `complete` finds one line in the log, which names the first chunk."""
    for chunk in job.pending():
        str(chunk.data).upper()
    (message,) = lost(infos)
    assert "2 chunks that its body worked on, from chunk 0 on" in message  # the body still has chunk 2
    assert "chunk.complete(result)" in message


@pytest.mark.parametrize("way", ["in groups", "by a handle", "by index", "by failing"])
def test_a_body_that_records_in_its_own_way_is_not_accused(job: Job, infos: pytest.LogCaptureFixture, way: str) -> None:
    """Whoever records in groups, or has a batch service do the work, gets no warning, and no line in the log."""
    group: list[tuple[int, str]] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # a finalizer would suppress an error
        for chunk in job.pending():
            chunk._handle._chunk.since -= 60.0  # type: ignore[union-attr]  # as if the work had taken a minute
            if way == "in groups":
                group.append((chunk.index, "A"))
                if chunk.index:
                    job.complete_many(group)
            elif way == "by a handle":
                chunk.record_handle(f"batch-{chunk.index}")
            elif way == "by index":
                job.complete(chunk.index, "A")
            else:
                chunk.fail("the service said no")
    assert (lost(infos), caught) == ([], [])


def test_a_slow_look_is_not_accused(job: Job) -> None:
    """A loop that only looks at what is left, or that waits for the store, gets no warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # a finalizer would suppress an error
        assert [chunk.index for chunk in job.pending()] == [0, 1, 2]
        for chunk in job.pending():
            chunk._handle._chunk.since -= 60.0  # type: ignore[union-attr]  # as if the look had taken a minute
            if chunk.index == 2:
                break
        del chunk
    assert caught == []


# -- fields that no result has


def test_a_misspelt_total_is_refused(job: Job) -> None:
    """``totals`` refuses a field that no result has, and names the fields, nested ones by their paths."""
    assert job.totals("csot") == {"csot": 0}  # nothing is known before the first result
    job.complete(0, {"cost": 0.5, "usage": {"total_tokens": 7, "price": "0.25"}})
    job.complete(1, {"cost": 0.25, "usage": None})
    job.complete(2, {"cost": 1, "usage.price": 1})
    with pytest.raises(InvalidArgumentError, match=r"csot.*newest result has: cost, usage\.price"):
        job.totals("cost", "csot")
    assert job.totals("cost", "usage.total_tokens", "usage.price") == {
        "cost": 1.75,
        "usage.total_tokens": 7,
        "usage.price": 1.25,
    }


# -- what cannot be pickled


def test_pickling_says_what_to_pass_instead(store: CheckpointStore, job: Job) -> None:
    """Store, job and chunk; a pool's error says it as well."""
    (chunk, *_) = job.pending()
    path = str(store.path)
    for value, told in ((store, path), (job, job.job_id), (job, path), (chunk, "pass its data")):
        for send in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match="can neither be copied nor pickled") as caught:
                send(value)
            assert told in str(caught.value)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(InvalidArgumentError, match=r"pass the path of its store and its id"),
    ):
        list(job.map(job.complete, executor=pool))  # type: ignore[arg-type]


def test_pickling_a_state_manager_says_what_to_pass_instead(store: CheckpointStore) -> None:
    """A manager that is given to a process of a pool is refused with what to do, not with the name of a lock."""
    with StateManager(store.path.with_name("other.json")) as manager:
        for send in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="a StateManager can neither be copied nor pickled: pass the path"):
                send(manager)


# -- the same result again


@pytest.mark.parametrize(
    ("stored", "again", "is_same"),
    [
        ({"a": 1, "b": [{"c": 1, "d": 2}]}, {"b": [{"d": 2, "c": 1}], "a": 1}, True),
        (1.0, 1.0, True),
        (1.0, 1, False),
        (1, True, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
        (None, False, False),
    ],
)
def test_the_same_result_is_the_same_value(job: Job, stored: Any, again: Any, is_same: bool) -> None:
    """Keys in another order are no other result; a number of another type is."""
    job.complete(0, stored)
    for record in (job.complete, lambda index, value: job.complete_many([(index, value), (1, "new")])):
        if is_same:
            record(0, again)
        else:
            with pytest.raises(ChunkAlreadyCompleted):
                record(0, again)
    assert repr(job.result(0)) == repr(stored)
    assert job.is_completed(1) is is_same


# -- many tries


# -- without asyncio


def test_amap_without_an_event_loop_says_what_to_use(job: Job) -> None:
    """``amap`` without an event loop says what to use, before anything is called."""
    for call in (lambda: job.amap(pytest.fail), lambda: job.acomplete(0, 1).send(None)):
        with pytest.raises(InvalidArgumentError, match=r"asyncio\.run.*trio\.to_thread"):
            call()


def test_trio_is_told_what_to_use_and_it_works(job: Job) -> None:
    """``amap`` and ``apending`` under trio, and the way that the message names."""
    trio = pytest.importorskip("trio")

    async def program() -> int:
        with pytest.raises(InvalidArgumentError, match=r"trio\.to_thread"):
            job.amap(pytest.fail)
        with pytest.raises(InvalidArgumentError, match=r"trio\.to_thread"):
            await job.apending().__anext__()
        return len(await trio.to_thread.run_sync(lambda: list(job.map(str.upper, workers=8))))

    assert trio.run(program) == 3


# -- at the end of the interpreter


def test_the_library_used_in_a_finalizer_at_shutdown_says_nothing(children: Children, tmp_path: Path) -> None:
    """What it completes is recorded; no traceback is printed."""
    process = children.start(program(__file__, "late_finalizer"))
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "end\n", "")
    with CheckpointStore(tmp_path / "talks.db") as store:
        assert list(store.jobs()[0].items()) == [(0, "late")]


def test_a_shut_down_pool_that_a_function_makes_is_made_anew(job: Job) -> None:
    """Somebody else shut it down; the function makes another one."""
    made: list[ThreadPoolExecutor] = []

    def make() -> ThreadPoolExecutor:
        made.append(ThreadPoolExecutor(1))
        return made[-1]

    for number, _ in enumerate(job.map(str.upper, executor=make, workers=1)):
        if number == 0:
            made[-1].shutdown()
    assert (len(made), job.status) == (2, "completed")


_STATE_FILES = ("talk.lock", "talk.db", "missing/talk.json", f"{'s' * 250}.json", "", "s\0.json", 7)
_TIMEOUTS = (-1, math.nan, math.inf, "ten", None)


@pytest.mark.parametrize("keep", [partial(restore_store, "copy.db"), recover_store], ids=["restore", "recover"])
@pytest.mark.parametrize(
    "options",
    [
        *({"state_file": state_file} for state_file in _STATE_FILES),
        *({"lock_timeout_seconds": timeout} for timeout in _TIMEOUTS),
    ],
)
def test_a_store_is_not_replaced_before_the_options_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[..., object], options: dict[str, Any]
) -> None:
    """Restoring and recovering refuse a state file or a time-out that cannot be; the store stays as it is."""
    monkeypatch.chdir(tmp_path)
    with CheckpointStore("talk.db") as store:
        store.open_job("talk.srt", chunks=["a", "b"]).complete(0, "A")
        store.backup("copy.db")
    before = (tmp_path / "talk.db").stat()

    with pytest.raises((StoreTargetError, InvalidArgumentError)):
        keep("talk.db", **options)

    assert (tmp_path / "talk.db").stat() == before


@each_case("timeout", _TIMEOUTS)
def test_a_time_out_that_is_none_is_named(store: CheckpointStore, timeout: Any) -> None:
    """What is no number of seconds is refused by its name, by an open and by a migration."""
    store.close()
    for open_it in (CheckpointStore, migrate):
        with pytest.raises(InvalidArgumentError, match="lock_timeout_seconds"):
            open_it(store.path, lock_timeout_seconds=timeout)


@each_case("path", ["", "a\0b", "\ud800", 7, None])
def test_a_path_that_no_file_can_have_is_refused(store: CheckpointStore, path: Any) -> None:
    """Each call that takes a path names what is wrong with it."""
    job = store.open_job("talk.srt", total_chunks=1)
    calls: list[Callable[[Any], object]] = [store.backup, store.import_state, store.merge, store.owner_of]
    calls += [lambda path: CheckpointStore(store.path, state_file=path)] if path is not None else []
    calls += [job.export] if path is not None else []
    for call in calls:
        with pytest.raises(StoreTargetError, match="give the path of a file"):
            call(path)


@each_case("name", ["", "a..b", 'a"b', "a\0b", "\ud800", 7, None])
def test_a_field_that_no_result_can_have_is_refused(store: CheckpointStore, name: Any) -> None:
    """Sums and costs name the field, before SQLite sees it."""
    job = store.open_job("talk.srt", total_chunks=1)
    for call in (job.totals, job.costs):
        with pytest.raises(InvalidArgumentError, match="neither a field of the results"):
            call(name)


def test_what_no_store_can_hold_is_refused_by_name(store: CheckpointStore) -> None:
    """A file name with a lone surrogate is that of no job, and no job is older than more days than a float can hold."""
    with pytest.raises(InvalidArgumentError, match="file_name"):
        store.jobs(file_name="\ud800")
    with pytest.raises(InvalidArgumentError, match="older_than_days"):
        store.prune(older_than_days=10**400)
