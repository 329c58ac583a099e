"""Results that cannot be stored: one call is paid for and not a hundred, and what it gave can be had."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SECRET, wait_until
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError, InvalidResultError, Job
from checkpoint_store.errors import READABLE_LENGTH_MAX, readable

from . import executors_work as work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Hostile(dict):  # type: ignore[type-arg]
    """Raises while it is looked through."""

    def items(self) -> Any:
        raise ZeroDivisionError("no items")


UNSTORABLE = {
    "datetime": {"text": "paid for", "at": WHEN},
    "set": {"text": "paid for", "words": {"a"}},
    "generator": (letter for letter in "paid for"),
    "surrogate": "paid for \ud83d",
    "nan": [float("nan"), "paid for"],
    "hostile": Hostile(text="paid for"),
}


@pytest.fixture
def job(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job of a hundred chunks; the work's files are in the store's folder."""
    monkeypatch.chdir(store.path.parent)
    return store.open_job("f", chunks=[str(number) for number in range(100)])


# -- in a loop


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", UNSTORABLE)
@pytest.mark.parametrize("on_error", ["stop", "record"])
def test_the_first_one_stops_the_loop_and_is_in_the_error(job: Job, kind: str, on_error: Any) -> None:
    """The value itself, whatever ``on_error`` says: the next call would be paid for in vain, too."""
    value: Any = UNSTORABLE[kind]
    calls = []
    with pytest.raises(InvalidResultError) as caught:
        list(job.map(lambda text: calls.append(text) or value, on_error=on_error))
    assert caught.value.result is value
    assert (caught.value.chunk_index, caught.value.job_id, caught.value.is_copy) == (0, job.job_id, False)
    assert (calls, job.status, job.running_chunks()) == (["0"], "failed", [])


@pytest.mark.slow
def test_a_mended_program_goes_on_with_every_chunk(job: Job) -> None:
    """The program was wrong, and not the chunk: no try counts, and nothing has to be freed."""
    for _ in range(5):
        with pytest.raises(InvalidResultError):
            list(job.map(lambda _: {1, 2}, max_attempts=2))
    assert job.failed_chunks() == []
    assert len(list(job.map(str.upper, max_attempts=1))) == 100


@pytest.mark.slow
def test_all_that_were_in_hand_are_kept_with_their_attempts(job: Job) -> None:
    """A readable copy of each, whole and as it was, in the store and by ``checkpoint-store errors``."""
    together = threading.Barrier(4)

    def paid(text: str) -> object:
        together.wait(60)
        return {"answer": f"paid for {text}, password={SECRET}", "at": WHEN} if text != "2" else "stored"

    with pytest.raises(InvalidResultError):
        list(job.map(paid, workers=4, on_error="record"))
    assert list(job.items()) == [(2, "stored")]
    copies = {record.chunk_index: str(record.error) for record in job.errors()}
    assert sorted(copies) == [0, 1, 3]
    for index, copy in copies.items():
        assert copy.startswith(
            f"InvalidResultError: chunk {index} of job {job.job_id}: result['at'] is of the type datetime"
        )
        assert copy.endswith(f"The result was: { ({'answer': f'paid for {index}, password={SECRET}', 'at': WHEN})!r}")
    argv = [sys.executable, "-m", "checkpoint_store", "errors", job.job_id, "--store", "talks.db"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert all(f"paid for {index}" in shown for index in (0, 1, 3))


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["threads", "spawn", "loky"])
def test_work_elsewhere_keeps_it_too(job: Job, kind: str) -> None:
    """A readable copy of an unstorable result comes home from another process, even if pickle refuses it."""
    executor: Any = None
    if kind == "loky":
        executor = pytest.importorskip("loky").get_reusable_executor(max_workers=1)
    else:
        executor = ThreadPoolExecutor(1) if kind == "threads" else ProcessPoolExecutor(1, get_context(kind))
    with executor, pytest.raises(InvalidResultError, match=r"result\['at'\]") as caught:
        list(job.map(work.unstorable, executor=executor, workers=1, on_error="record"))
    assert Path("calls").read_text() == "0"
    assert (caught.value.chunk_index, caught.value.job_id) == (0, job.job_id)
    assert caught.value.is_copy is (kind != "threads")
    if kind != "threads":
        assert str(caught.value.result).startswith("{'answer': 'paid for 0', 'at': datetime.datetime(2026, 1, 2")
    (record,) = job.errors()
    assert "'answer': 'paid for 0'" in str(record.error)


def test_one_that_comes_after_its_time_is_kept_too(job: Job) -> None:
    """The try was given up, and its result comes while the next one is waited for."""

    def slow(text: str) -> object:
        if text != "0":
            return text
        wait_until(lambda: [chunk.attempt for chunk in job.running_chunks()] != [1])
        return {"answer": "paid for", "at": WHEN}

    with pytest.raises(InvalidResultError) as caught:
        list(job.map(slow, workers=2, timeout_seconds=0.5, wait=3600, max_attempts=2))
    assert caught.value.result == {"answer": "paid for", "at": WHEN}
    assert job.running_chunks() == []
    (record,) = job.errors()
    assert record.chunk_index == 0
    assert "'answer': 'paid for'" in str(record.error)


@pytest.mark.slow
def test_one_that_comes_after_its_time_is_kept_with_the_try_that_made_it(store: CheckpointStore) -> None:
    """The next try, which never began, is no failure; and the budget counts the cost, not what was reserved, too."""
    job = store.open_job("f", chunks=["a", "b"])

    def slow(text: str) -> object:
        if text == "a":
            return {"cost": 0.5}
        wait_until(lambda: [chunk.attempt for chunk in job.running_chunks()] != [1])
        return {"answer": "paid for", "at": WHEN, "cost": 0.25}

    with pytest.raises(InvalidResultError):
        list(job.map(slow, workers=2, timeout_seconds=0.5, wait=3600, max_attempts=2, max_cost=9.0))
    (attempt,) = [attempt for attempt in job.attempts() if attempt.chunk_index == 1]
    assert (attempt.attempt, attempt.outcome, attempt.cost) == (1, "failed", 0.25)
    assert "'answer': 'paid for'" in str(attempt.error)
    costs = job.costs()
    assert (costs.cost, costs.reserved_cost) == (0.75, 0.0)


def test_one_that_comes_after_its_loop_is_kept_too(job: Job) -> None:
    """Nobody waits for it any more; it was paid for all the same."""
    may_answer = threading.Event()

    def slow(_: str) -> object:
        assert may_answer.wait(60)
        return {"answer": "paid for", "at": WHEN}

    with pytest.raises(TimeoutError):
        list(job.map(slow, timeout_seconds=0.05, retry_on=()))
    may_answer.set()
    wait_until(lambda: "'answer': 'paid for'" in str(next(iter(job.errors())).error))


def test_what_one_cost_counts_where_another_runner_completed_its_chunk(store: CheckpointStore, job: Job) -> None:
    """The cost of an unstorable result counts, even if another runner completed its chunk."""

    def overtaken(text: str) -> object:
        with CheckpointStore(store.path) as other:
            other.job("f").complete(int(text), "the other's")
        return {"cost": 0.25, "at": WHEN}

    with pytest.raises(InvalidResultError):
        list(job.map(overtaken, on_error="record"))
    assert job.costs().cost == 0.25


def test_one_for_a_chunk_that_another_runner_completed_is_in_the_error(job: Job) -> None:
    """The error has the value; the result of the other runner stands."""

    def overtaken(text: str) -> object:
        job.complete(int(text), "the other's")
        return {"answer": "paid for", "at": WHEN}

    with pytest.raises(InvalidResultError) as caught:
        list(job.map(overtaken, on_error="record"))
    assert caught.value.result == {"answer": "paid for", "at": WHEN}
    assert list(job.items()) == [(0, "the other's")]


def test_amap_stops_and_keeps_it_too(job: Job) -> None:
    """``amap`` stops at a result that cannot be stored, and keeps it, as ``map`` does."""
    calls = []

    async def answer(text: str) -> object:
        calls.append(text)
        return {"answer": "paid for", "at": WHEN}

    async def loop() -> None:
        async for _ in job.amap(answer, workers=1, on_error="record"):
            pass

    with pytest.raises(InvalidResultError) as caught:
        asyncio.run(loop())
    assert caught.value.result == {"answer": "paid for", "at": WHEN}
    assert (calls, len(job.errors())) == (["0"], 1)


# -- recorded by the caller


def test_whoever_records_a_result_finds_it_in_the_error(job: Job) -> None:
    """``complete``, ``complete_many``, ``acomplete`` and a chunk's ``complete``: with job, chunk and value."""
    value = {"answer": "paid for", "at": WHEN}
    chunk = next(job.pending())
    for index, record in {
        3: lambda: job.complete(3, value),
        4: lambda: job.complete_many([(2, "fine"), (4, value)]),
        5: lambda: asyncio.run(job.acomplete(5, value)),
        0: lambda: chunk.complete(value),
    }.items():
        with pytest.raises(InvalidResultError) as caught:
            record()
        assert caught.value.result is value
        assert (caught.value.job_id, caught.value.chunk_index) == (job.job_id, index)
    assert job.progress().completed_chunks == 0


# -- known before the first call


async def coroutine_function(text: str) -> str:
    return text


def generator_function(text: str) -> Iterator[str]:
    yield text


async def async_generator_function(text: str) -> AsyncIterator[str]:
    yield text


class AsyncCallable:
    async def __call__(self, text: str) -> str:
        return text


@each_case(
    "fn",
    [coroutine_function, partial(coroutine_function), AsyncCallable(), AsyncCallable().__call__],
    ids=["function", "partial", "object", "method"],
)
def test_a_coroutine_function_is_refused_by_map(store: CheckpointStore, job: Job, fn: Any) -> None:
    """``map`` refuses a coroutine function at the call, names ``amap``, and makes no job."""
    with pytest.raises(InvalidArgumentError, match=r"use amap\(\)"):
        job.map(fn, on_error="record")
    with pytest.raises(InvalidArgumentError, match=r"use amap\(\)"):
        store.map(fn, ["a"], file_name="other")
    assert [one.file_name for one in store.jobs()] == ["f"]


@pytest.mark.parametrize(
    "fn",
    [generator_function, partial(generator_function), async_generator_function],
    ids=["function", "partial", "async"],
)
def test_a_generator_function_is_refused(job: Job, fn: Any) -> None:
    """``map`` and ``amap`` refuse a generator function, which gives no result."""
    with pytest.raises(InvalidArgumentError, match="generator function"):
        job.map(fn)

    async def loop() -> None:
        job.amap(fn)

    with pytest.raises(InvalidArgumentError, match="generator function"):
        asyncio.run(loop())


def test_a_plain_function_that_returns_a_coroutine_names_amap_too(job: Job) -> None:
    """A plain function that returns a coroutine is refused at its first result, which can still be awaited."""
    with pytest.raises(InvalidResultError, match=r"await it first, or give a coroutine function to amap\(\)") as caught:
        list(job.map(lambda text: coroutine_function(text), on_error="record"))  # noqa: PLW0108 - seen when called
    result: Any = caught.value.result
    assert asyncio.run(result) == "0"


def test_a_coroutine_that_is_completed_by_hand_is_to_be_awaited(job: Job) -> None:
    """The message is about the call that was made: nobody called ``map`` here."""
    with pytest.raises(InvalidResultError, match="await it first") as caught:
        job.complete(0, coroutine_function("0"))
    assert "map() does not" not in str(caught.value)
    result: Any = caught.value.result
    assert asyncio.run(result) == "0"


def test_what_is_no_function_is_refused(store: CheckpointStore, job: Job) -> None:
    """Before anything begins; so is an option that cannot be used, before there is a job."""
    with pytest.raises(InvalidArgumentError, match="fn='str' is no function"):
        job.map("str")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="workers"):
        store.map(str.upper, ["a"], file_name="other", workers=0)
    assert [one.file_name for one in store.jobs()] == ["f"]


# -- the copy


def test_the_error_is_pickled_with_a_readable_copy(job: Job) -> None:
    """The error of an unstorable result keeps its fields and message when it is pickled again and again."""
    with pytest.raises(InvalidResultError) as caught:
        job.complete(7, {"answer": "paid for", "undo": lambda: 0})
    error = pickle.loads(pickle.dumps(caught.value))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(caught.value)
    assert (again.reason, again.path, again.chunk_index, again.is_copy) == (
        caught.value.reason,
        caught.value.path,
        7,
        True,
    )
    assert again.result == error.result
    assert again.result.startswith("{'answer': 'paid for', 'undo': <function")


@dataclass
class Answer:
    text: str


class Plain:
    def __init__(self) -> None:
        self.text, self.parts = "paid for", [Answer("and this")]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError


def test_a_copy_shows_what_is_inside() -> None:
    """The readable copy of a result shows its fields, even without a ``repr``, and has a limit of size."""
    assert readable(Plain()) == "Plain(text='paid for', parts=[Answer(text='and this')])"
    assert readable({"a": [1, {2}], "b": "x" * 9_000}) == repr({"a": [1, {2}], "b": "x" * 9_000})
    assert "Unprintable" in readable([Unprintable()])
    json.dumps(readable("\ud83d\0")).encode()
    assert READABLE_LENGTH_MAX < len(readable(["y" * 1000] * 1000)) < READABLE_LENGTH_MAX + 100


@pytest.mark.parametrize("stops", [True, False])
def test_a_result_that_the_work_itself_refuses_is_kept(job: Job, stops: bool) -> None:
    """The attempt keeps a paid result that the work itself refuses, whether the loop ends or the chunk fails."""

    def refuse(_: str) -> None:
        raise InvalidResultError("has no text", path="the answer", result={"answer": "paid for"})

    how: dict[str, Any] = {"stop_on": InvalidResultError} if stops else {"stop_on": (), "max_attempts": 1}
    with pytest.raises(InvalidResultError):
        list(job.map(refuse, **how))
    (record,) = job.errors()
    copy = "\nThe result was: {'answer': 'paid for'}"
    assert record.error == f"InvalidResultError: the answer has no text{copy}"
