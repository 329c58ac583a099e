"""``job.map`` and ``store.map``: the whole loop, and every way in which it can end."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until

from checkpoint_store import (
    BudgetReached,
    CheckpointStore,
    ChunkFailed,
    InvalidArgumentError,
    Job,
    JobPaused,
    MapItem,
    MissingExtra,
    StorageFullError,
    StoreBusy,
    current_attempt,
)
from checkpoint_store import runner as runner_module
from checkpoint_store._db import writer as writer_module

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

CHUNKS = [f"chunk {index}" for index in range(12)]


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of twelve chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


def upper(text: str) -> str:
    return text.upper()


class HttpError(Exception):
    """As those of the usual clients look: a status, a response with headers, a code."""

    def __init__(self, status: int, *, code: str | None = None, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code, self.code = status, code
        self.response = SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


class Flaky:
    """Fails some chunks so many times, and counts the calls."""

    def __init__(self, error: BaseException | None = None, **times: int) -> None:
        self.error = error or ConnectionError("the line is down")
        self.times = {int(name.removeprefix("c")): count for name, count in times.items()}
        self.calls: list[int] = []
        self.at: list[float] = []

    def __call__(self, text: str) -> str:
        index = int(text.rsplit(maxsplit=1)[-1])
        self.calls.append(index)
        self.at.append(time.monotonic())
        if self.times.get(index, 0) > 0:
            self.times[index] -= 1
            raise self.error
        return text.upper()


# -- what it gives


@pytest.mark.parametrize("workers", [1, 3])
def test_map_does_what_is_left_and_yields_it(job: Job, workers: int) -> None:
    """Each chunk once; what is yielded is recorded; the job is completed."""
    job.complete(4, "before")
    items = []
    for item in job.map(upper, workers=workers):
        assert job.result(item.index) == item.result
        items.append(item)
    assert sorted(items, key=lambda item: item.index) == [
        MapItem(index, text.upper()) for index, text in enumerate(CHUNKS) if index != 4
    ]
    assert job.status == "completed"


def test_map_of_a_finished_job_calls_nothing(job: Job) -> None:
    """And its status stays."""
    list(job.map(upper))
    assert list(job.map(pytest.fail, workers=3)) == []
    assert job.status == "completed"


def test_map_of_no_chunks_is_done(store: CheckpointStore) -> None:
    """An empty input is a completed job."""
    assert store.map(upper, [], file_name="empty") == []


def test_map_gives_the_index_where_only_the_number_is_known(store: CheckpointStore) -> None:
    """As ``total_chunks`` says it."""
    job = store.open_job("numbered", total_chunks=4)
    assert [item.result for item in job.map(lambda index: index * index)] == [0, 1, 4, 9]


def test_store_map_returns_all_results_in_order_those_of_earlier_runs_too(store: CheckpointStore) -> None:
    """A list, as ``map`` gives it."""
    store.open_job("talk.srt", chunks=CHUNKS, model="m").complete(3, "EARLIER")
    results = store.map(upper, iter(CHUNKS), file_name="talk.srt", model="m", workers=4)
    assert results == [*(text.upper() for text in CHUNKS[:3]), "EARLIER", *(text.upper() for text in CHUNKS[4:])]
    assert store.map(pytest.fail, CHUNKS, file_name="talk.srt", model="m") == results


def test_ordered_yields_by_index_whatever_ends_first(job: Job) -> None:
    """The first ones take longest."""

    def slow_at_first(text: str) -> str:
        time.sleep(0.15 if text in CHUNKS[:2] else 0.001)
        return text.upper()

    assert [item.index for item in job.map(slow_at_first, workers=4, ordered=True)] == list(range(12))


def test_unordered_does_not_wait_for_the_slow_one(job: Job) -> None:
    """What is done is yielded while another chunk hangs."""
    go = threading.Event()

    def work(text: str) -> str:
        if text == CHUNKS[0]:
            assert go.wait(60)
        return text

    seen = []
    for item in job.map(work, workers=2):
        seen.append(item.index)
        if len(seen) == 11:
            go.set()
    assert seen == [*range(1, 12), 0]


def test_work_in_flight_is_bounded(store: CheckpointStore) -> None:
    """Never more than ``workers`` at a time, and nothing is begun far ahead of a slow consumer."""
    job = store.open_job("many", total_chunks=200)
    lock, now, most, begun = threading.Lock(), 0, 0, 0

    def work(index: int) -> int:
        nonlocal now, most, begun
        with lock:
            now, begun = now + 1, begun + 1
            most = max(most, now)
        time.sleep(0.001)
        with lock:
            now -= 1
        return index

    for number, _ in enumerate(job.map(work, workers=3), 1):
        assert begun <= number + 2 * 3
        time.sleep(0.0005)
    assert most <= 3
    assert begun == 200


def test_ordered_work_is_bounded_too(store: CheckpointStore) -> None:
    """While the first chunk hangs, the others do not pile up without end."""
    job = store.open_job("many", total_chunks=2000)
    go, begun = threading.Event(), []

    def work(index: int) -> int:
        begun.append(index)
        if index == 0:
            assert go.wait(60)
        return index

    threading.Timer(1.5, go.set).start()
    assert [item.index for item in job.map(work, workers=3, ordered=True)] == list(range(2000))
    assert len(begun) == 2000


def test_ordered_work_goes_on_to_the_retry_that_all_of_it_waits_for(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is done meanwhile: the next try at the lowest chunk is what lets the others be yielded."""
    monkeypatch.setattr(runner_module, "_MOST_OUT_OF_ORDER", 4)
    job = store.open_job("many", total_chunks=40)
    work = Flaky(c0=1)
    items = list(job.map(lambda index: work(str(index)), workers=3, ordered=True, wait=1))
    assert ([item.index for item in items], job.status) == (list(range(40)), "completed")


def test_two_maps_of_one_job_share_it(job: Job, open_store: Opener) -> None:
    """Two threads of one store object, and a second store object: each chunk is done once, nobody's work is cut off."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        time.sleep(0.03)
        return text

    other = open_store().open_job("talk.srt", chunks=CHUNKS)
    threads = [threading.Thread(target=lambda one=one: list(one.map(work, workers=2))) for one in (job, job, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == sorted(CHUNKS)
    assert (job.status, job.in_doubt_chunks(), job.running_chunks()) == ("completed", [], [])


def test_a_map_that_is_paused_takes_nothing_from_another_thread(job: Job, open_store: Opener) -> None:
    """The one that ends first leaves the chunk of the other one in its hand."""
    go, begun = threading.Event(), threading.Event()

    def slow(text: str) -> str:
        begun.set()
        assert go.wait(60)
        return text

    thread = threading.Thread(target=lambda: next(iter(job.map(slow))))
    thread.start()
    assert begun.wait(60)
    first = job.map(upper)
    next(first)
    first.close()
    other = open_store().latest_job()
    assert other is not None
    assert next(other.pending()).index == 2
    go.set()
    thread.join()
    assert job.result(0) == CHUNKS[0]


# -- current_attempt


def test_the_work_can_ask_which_attempt_it_is(job: Job) -> None:
    """The number counts up, the key stays: an API takes the second try for the first one."""
    seen: list[Any] = []

    def work(text: str) -> str:
        seen.append(current_attempt())
        if len(seen) < 3:
            raise ConnectionError
        return text

    for _ in job.map(work, wait=0, workers=2):
        break
    first, *_ = [one for one in seen if one.chunk_index == 0]
    assert (first.job_id, first.number) == (job.job_id, 1)
    keys = {one.chunk_index: {two.attempt_key for two in seen if two.chunk_index == one.chunk_index} for one in seen}
    assert all(len(found) == 1 for found in keys.values())
    assert len(set.union(*keys.values())) == len(keys)
    with pytest.raises(LookupError, match="map"):
        current_attempt()


def test_the_attempt_key_names_the_content(open_store: Opener) -> None:
    """Another text at the same place has another key; ``pending`` tells the same key as ``map``."""
    job = open_store("a.db").open_job("f", chunks=["a", "b"])
    first = next(job.pending()).attempt
    assert first is not None
    keys = [first.attempt_key]
    list(job.map(lambda _: keys.append(current_attempt().attempt_key)))
    assert keys[0] == keys[1] != keys[2]


# -- failures


def test_a_failed_chunk_is_tried_again_after_a_while(job: Job) -> None:
    """Three times in all, with the wait that was asked for; each try is an attempt."""
    work, waits = Flaky(c2=2), []

    def wait(tries: int) -> float:
        waits.append(tries)
        return 0.05

    list(job.map(work, wait=wait))
    assert (work.calls.count(2), waits, job.status) == (3, [1, 2], "completed")


def test_the_usual_wait_grows_and_jitters(job: Job) -> None:
    """Exponential, from half a second."""
    work = Flaky(c0=1)
    list(job.map(work))
    tries = [at for at, index in zip(work.at, work.calls, strict=True) if index == 0]
    assert 0.4 < tries[1] - tries[0] < 30


def test_other_chunks_go_on_while_one_waits(job: Job) -> None:
    """A wait takes no worker's place: the first chunk fails until every other one has had its turn."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        if text == CHUNKS[0] and len(set(calls)) < len(CHUNKS):
            raise ConnectionError
        return text

    list(job.map(work, wait=0.05, max_attempts=1000))
    assert job.status == "completed"
    assert [text for text in calls if text != CHUNKS[0]] == CHUNKS[1:]


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "0.4"},
        {"retry_after_ms": "400"},
        {"Retry_After": "date"},
    ],
    ids=["seconds", "ms", "date"],
)
def test_retry_after_is_respected(store: CheckpointStore, headers: dict[str, str]) -> None:
    """As seconds, as milliseconds and as a date, whatever ``wait`` says."""
    if "date" in headers.values():
        headers = {"Retry_After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}
    job = store.open_job("talk.srt", chunks=CHUNKS[:1])
    work = Flaky(HttpError(429, **headers), c0=1)
    list(job.map(work, wait=0))
    assert work.at[1] - work.at[0] >= 0.39


def test_stop_ends_at_the_first_chunk_that_fails_for_good(job: Job) -> None:
    """The work's own error is raised; what was in hand is recorded; the next run tries again."""
    work = Flaky(TypeError("a mistake"), c3=1)
    with pytest.raises(TypeError, match="a mistake") as caught:
        list(job.map(work, workers=2))
    assert "chunk 3" in caught.value.__notes__[0]
    assert (job.status, job.error_message) == ("failed", "TypeError: a mistake")
    assert job.progress().completed_chunks == len(work.calls) - 1
    assert job.failed_chunks() == []
    before = len(work.calls)
    list(job.map(work))
    assert sorted(work.calls[before:]) == [3, *range(before, 12)]
    assert job.status == "completed"


def test_stop_after_the_last_try(job: Job) -> None:
    """What is worth another try is tried ``max_attempts`` times; then the chunk is failed."""
    work = Flaky(c0=9)
    with pytest.raises(ConnectionError):
        list(job.map(work, wait=0, max_attempts=2))
    assert work.calls.count(0) == 2
    assert [record.chunk_index for record in job.failed_chunks()] == [0]
    with pytest.raises(ChunkFailed, match="chunk 0: ConnectionError: the line is down") as caught:
        list(job.map(upper))
    assert (caught.value.failed_chunks, job.progress().completed_chunks) == (1, 11)
    assert job.retry_failed() == 1
    assert [item.index for item in job.map(upper)] == [0]


def test_record_goes_on_with_the_others(store: CheckpointStore) -> None:
    """Failed chunks are None in the list, and say why; the loop raises nothing."""
    work = Flaky(c2=9, c5=9)
    results = store.map(work, CHUNKS, file_name="f", on_error="record", wait=0, workers=3)
    job = store.latest_job()
    assert job is not None
    assert [index for index, result in enumerate(results) if result is None] == [2, 5]
    assert [(one.chunk_index, one.attempt) for one in job.failed_chunks()] == [(2, 3), (5, 3)]
    assert job.status == "failed"
    assert str(job.error_message).startswith("2 failed, chunk 2")
    assert work.calls.count(2) == 3


def test_a_mistake_is_not_tried_again(job: Job) -> None:
    """A program's mistake is made again the next time; one attempt, and the chunk is failed."""
    work = Flaky(KeyError("x"), c1=9)
    list(job.map(work, on_error="record"))
    assert work.calls.count(1) == 1
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_retry_on_says_what_is_tried_again(job: Job) -> None:
    """By types."""
    work = Flaky(KeyError("x"), c1=2)
    list(job.map(work, retry_on=(KeyError, OSError), wait=0))
    assert work.calls.count(1) == 3


def test_retry_on_can_be_a_function(job: Job) -> None:
    """Of the exception."""
    work = Flaky(KeyError("once"), c1=1)
    list(job.map(work, retry_on=lambda error: "once" in str(error), wait=0))
    assert work.calls.count(1) == 2


def test_a_broken_retry_function_loses_no_result(job: Job) -> None:
    """It is raised; what others in hand came to is recorded."""

    def broken(_: BaseException) -> bool:
        raise RuntimeError("no idea")

    both = threading.Barrier(2)

    def work(text: str) -> str:
        if text in CHUNKS[:2]:
            both.wait(60)
        if text == CHUNKS[0]:
            raise ConnectionError
        return text

    with pytest.raises(RuntimeError, match="no idea"):
        list(job.map(work, workers=2, retry_on=broken))
    assert job.result(1) == CHUNKS[1]


@pytest.mark.parametrize(
    "error",
    [HttpError(401), HttpError(402), HttpError(403), HttpError(429, code="insufficient_quota")],
    ids=["401", "402", "403", "quota"],
)
def test_an_error_that_every_chunk_would_meet_pauses_the_job(job: Job, error: HttpError) -> None:
    """No chunk is to blame for a bad key; the error is raised, and the next run goes on."""
    work = Flaky(error, c3=1)
    with pytest.raises(HttpError):
        list(job.map(work))
    assert (job.status, job.failed_chunks(), job.progress().completed_chunks) == ("paused", [], 3)
    assert work.calls == [0, 1, 2, 3]
    list(job.map(work))
    assert job.status == "completed"


def test_stop_on_can_be_said(job: Job) -> None:
    """Then the usual ones are not."""
    with pytest.raises(ValueError, match="all"):
        list(job.map(Flaky(ValueError("all of them"), c1=9), stop_on=ValueError, on_error="record"))
    assert job.status == "paused"
    list(job.map(Flaky(HttpError(403), c1=9), stop_on=(), on_error="record"))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_an_error_without_a_text_is_a_failure_like_any_other(job: Job) -> None:
    """Whatever its ``__str__`` does."""

    class WordlessError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    list(job.map(Flaky(WordlessError(), c1=9), on_error="record", wait=0, max_attempts=1))
    assert job.progress().completed_chunks == 11
    assert str(job.failed_chunks()[0].error).startswith("WordlessError: ")


def test_work_that_ends_as_cancelled_is_a_failure_like_any_other(store: CheckpointStore) -> None:
    """Nobody who ended the loop cancelled it: it is tried again, and never a None in the list of results."""
    work = Flaky(CancelledError(), c1=1)
    assert store.map(work, CHUNKS, file_name="f", wait=0) == [text.upper() for text in CHUNKS]
    with pytest.raises(CancelledError):
        store.map(Flaky(CancelledError(), c1=9), CHUNKS, file_name="g", wait=0)


def test_a_list_of_results_is_whole_or_not_returned(store: CheckpointStore) -> None:
    """``store.map`` in the middle of a loop of the same thread: the chunk in that loop's hand is left, and it says so."""
    job = store.open_job("f", chunks=CHUNKS)
    for chunk in job.pending():
        with pytest.raises(JobPaused) as caught:
            store.map(upper, CHUNKS, file_name="f")
        assert caught.value.remaining_chunks == 1
        chunk.complete("by hand")
    assert (job.status, job.result(0), job.result(11)) == ("completed", "by hand", CHUNKS[11].upper())


# -- time


def test_a_thread_that_hangs_keeps_nobody(job: Job) -> None:
    """The others go on, its chunk is tried again, and its late result is recorded if none came before."""
    hangs, calls = threading.Event(), []

    def work(text: str) -> str:
        calls.append(text)
        if text == CHUNKS[1]:
            hangs.wait(60)
            return "late"
        return text

    late = []
    for item in job.map(work, workers=2, timeout_seconds=0.2, on_error="record", wait=0, max_attempts=2):
        if item.result == "late":
            late.append(item.index)
        if job.progress().remaining_chunks == 1:
            hangs.set()
    assert calls.count(CHUNKS[1]) <= 2
    if late:
        assert job.result(1) == "late"
    else:
        assert [record.chunk_index for record in job.failed_chunks()] == [1]
    hangs.set()


def test_a_late_result_is_recorded(job: Job) -> None:
    """It is paid for; the chunk is not asked for again."""
    calls, waits = [], threading.Event()

    def work(text: str) -> str:
        calls.append(text)
        if text == CHUNKS[0]:
            assert waits.wait(60)
            time.sleep(0.1)
        return text

    def wait(_tries: int) -> float:
        waits.set()
        return 3600

    list(job.map(work, workers=2, timeout_seconds=1, on_error="record", wait=wait))
    assert calls.count(CHUNKS[0]) == 1
    assert job.result(0) == CHUNKS[0]
    assert (job.status, job.failed_chunks()) == ("completed", [])


def test_a_late_result_is_yielded_once(store: CheckpointStore) -> None:
    """Also where the next try at its chunk is under way already, and comes to the same."""
    job = store.open_job("f", total_chunks=3)
    second, both, calls = threading.Event(), threading.Event(), []

    def work(index: int) -> int:
        calls.append(index)
        if index == 0 and calls.count(0) == 1:
            assert second.wait(60)
        elif index == 0:
            second.set()
            wait_until(lambda: 0 in dict(job.items()))
            both.set()
        elif index == 2:
            assert both.wait(60)
            time.sleep(0.2)
        return index

    items = list(job.map(work, workers=2, timeout_seconds=2, max_attempts=9, wait=0))
    assert (sorted(item.index for item in items), calls.count(0)) == ([0, 1, 2], 2)


def test_a_program_ends_although_a_thread_hangs(children: Children) -> None:
    """The exit waits for no thread of ours."""
    source = """
import threading, time
from checkpoint_store import CheckpointStore
def work(text):
    if text == "b":
        time.sleep(3600)
    return text
with CheckpointStore("talks.db") as store:
    print(store.map(work, ["a", "b", "c"], file_name="f", timeout_seconds=1, on_error="record", max_attempts=1))
    print(store.latest_job().failed_chunks()[0].error)
"""
    assert children.run(source) == "['a', None, 'c']\nTimeoutError: it took longer than 1 s\n"


def test_a_hanging_place_of_a_callers_executor_blames_no_other_chunk(job: Job) -> None:
    """What waits for its place has not begun: it is not timed out for it."""
    go = threading.Event()

    def work(text: str) -> str:
        if text == CHUNKS[0]:
            go.wait(60)
        return text

    with ThreadPoolExecutor(2) as pool:
        list(job.map(work, executor=pool, timeout_seconds=1, on_error="record", max_attempts=1))
        go.set()
    assert [record.chunk_index for record in job.failed_chunks()] == [0]
    assert job.progress().completed_chunks == 11


def test_no_time_passes_for_what_waits_for_a_place(job: Job) -> None:
    """More workers than the executor has places: a chunk's time begins with its work."""
    with ThreadPoolExecutor(1) as pool:
        items = list(job.map(lambda _: time.sleep(0.2), executor=pool, workers=12, timeout_seconds=2, max_attempts=1))
    assert (len(items), job.status) == (12, "completed")


def test_an_executor_whose_every_place_hangs_ends_the_loop(job: Job) -> None:
    """It would wait for ever."""
    go = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(TimeoutError, match="2 places"):
            list(job.map(lambda _: go.wait(60), executor=pool, timeout_seconds=0.2, on_error="record"))
        go.set()
    assert job.progress().completed_chunks == 0


# -- money


def priced(cost: float) -> Any:
    def work(text: str) -> dict[str, Any]:
        time.sleep(0.005)
        return {"text": text, "cost": cost}

    return work


@pytest.mark.parametrize("workers", [1, 8])
def test_max_cost_is_never_overshot(job: Job, workers: int) -> None:
    """The first chunk says what one costs; with eight workers, too, none starts that does not fit."""
    with pytest.raises(BudgetReached) as caught:
        list(job.map(priced(0.3), workers=workers, max_cost=1.0))
    assert (round(caught.value.spent, 6), caught.value.remaining_chunks, caught.value.max_cost) == (0.9, 9, 1.0)
    assert (job.status, round(job.totals("cost")["cost"], 6)) == ("paused", 0.9)
    assert isinstance(caught.value, JobPaused)
    list(job.map(priced(0.3), workers=workers, max_cost=3.6))
    assert job.status == "completed"


def test_max_cost_counts_what_other_runners_spend(job: Job, open_store: Opener) -> None:
    """Earlier runs, and those at work now."""
    other = open_store().latest_job()
    assert other is not None
    done = []
    with pytest.raises(BudgetReached):  # noqa: PT012
        for item in job.map(priced(0.3), max_cost=2.0):
            done.append(item.index)
            if len(done) == 2:
                other.complete_many((index, {"cost": 0.4}) for index in (9, 10))
    assert 1.4 <= job.totals("cost")["cost"] <= 2.0
    assert len(done) <= 4


# -- pause


def test_a_pause_ends_the_map_and_records_what_is_in_hand(job: Job) -> None:
    """Quietly, if that is wished. The status is ``paused``; the next map goes on."""
    calls, paused = [], threading.Event()

    def work(text: str) -> str:
        calls.append(text)
        if text == CHUNKS[3]:
            job.pause()
            paused.set()
        elif text not in CHUNKS[:3]:
            assert paused.wait(60)
            time.sleep(0.3)  # longer than it takes a loop to look
        return text

    list(job.map(work, workers=3, on_pause="return"))
    assert job.status == "paused"
    assert job.progress().completed_chunks == len(calls) < 12
    assert (job.in_doubt_chunks(), job.running_chunks()) == ([], [])
    list(job.map(work, workers=3))
    assert (job.status, sorted(calls)) == ("completed", sorted(CHUNKS))


def test_a_pause_from_elsewhere_is_raised(job: Job, store: CheckpointStore) -> None:
    """Nobody takes a part of the results for all of them; ``store.map`` raises whatever is wished."""

    def work(text: str) -> str:
        job.pause()
        time.sleep(0.3)
        return text

    with pytest.raises(JobPaused) as caught:
        list(job.map(work))
    assert caught.value.remaining_chunks == job.progress().remaining_chunks > 0
    with pytest.raises(JobPaused):
        store.map(work, CHUNKS, file_name="talk.srt", on_pause="return")


def test_a_pause_during_a_retry_wait_ends_at_once(job: Job) -> None:
    """Nobody waits an hour for the next try; the chunk is free again."""
    for done, _ in enumerate(job.map(Flaky(c0=1), wait=3600, workers=1, on_pause="return"), 1):
        if done == 11:
            threading.Timer(0.3, job.pause).start()
    assert (job.status, job.running_chunks()) == ("paused", [])
    assert job.progress().completed_chunks == 11


def test_leaving_the_loop_early_pauses_and_keeps_what_is_in_hand(store: CheckpointStore) -> None:
    """A break, and an exception of the consumer's: what was begun is recorded, and the rest is free."""
    job = store.open_job("many", total_chunks=100)
    calls = []

    def work(index: int) -> int:
        calls.append(index)
        time.sleep(0.02)
        return index

    for _ in job.map(work, workers=3):
        break
    assert job.status == "paused"
    assert job.progress().completed_chunks == len(calls)
    loop = job.map(work, workers=3)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for _ in loop:
            _ = 1 / 0
    loop.close()
    assert job.progress().completed_chunks == len(calls) < 100
    assert (job.status, job.running_chunks(), job.in_doubt_chunks()) == ("paused", [], [])


# -- a disk that is full


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", ["full", "busy"])
def test_a_result_that_cannot_be_recorded_is_kept_and_recorded_first(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, kind: str, workers: int
) -> None:
    """Nothing that came back is asked for again: the next map of this store records it before it calls anything."""
    store = open_store(lock_timeout_seconds=0.05)
    calls: list[str] = []
    is_full = threading.Event()
    original = writer_module.Writer.submit

    def submit(self: Any, completions: Any) -> None:
        if is_full.is_set():
            raise StorageFullError("talks.db", "disk is full", 0) if kind == "full" else StoreBusy("talks.db", 1.0)
        original(self, completions)

    monkeypatch.setattr(writer_module.Writer, "submit", submit)

    def work(text: str) -> str:
        if text == CHUNKS[4]:
            is_full.set()
        if is_full.is_set():
            time.sleep(0.02 * len(calls))
        calls.append(text)
        return text

    with pytest.raises((StorageFullError, StoreBusy)):
        store.map(work, CHUNKS, file_name="f", workers=workers)
    began = len(calls)
    job = store.latest_job()
    assert job is not None
    assert job.progress().completed_chunks < began
    with pytest.raises((StorageFullError, StoreBusy)):
        store.map(work, CHUNKS, file_name="f", workers=workers)
    assert len(calls) == began
    is_full.clear()

    def rest(text: str) -> str:
        assert job.progress().completed_chunks >= began
        calls.append(text)
        return text

    assert store.map(rest, CHUNKS, file_name="f") == CHUNKS
    assert sorted(calls) == sorted(CHUNKS)


def test_what_was_kept_is_recorded_by_close(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room was made, and the program ended without another map."""
    store = open_store()
    job = store.open_job("f", chunks=CHUNKS)
    original = writer_module.Writer.submit

    def full(self: Any, completions: Any) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    with pytest.raises(StorageFullError):  # noqa: PT012
        for _ in job.map(upper):
            monkeypatch.setattr(writer_module.Writer, "submit", full)
    monkeypatch.setattr(writer_module.Writer, "submit", original)
    store.close()
    again = open_store().latest_job()
    assert again is not None
    assert again.progress().completed_chunks == 2
    assert again.in_doubt_chunks() == []


def test_a_result_whose_recording_is_interrupted_is_recorded_by_close(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second Ctrl-C came when the chunk was done, and paid for."""
    store = open_store()
    original = writer_module.Writer.submit

    def interrupted(self: Any, completions: Any) -> None:
        monkeypatch.setattr(writer_module.Writer, "submit", original)
        raise KeyboardInterrupt

    monkeypatch.setattr(writer_module.Writer, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.map(upper, CHUNKS, file_name="f")
    store.close()
    again = open_store().latest_job()
    assert again is not None
    assert (list(again.items()), again.in_doubt_chunks()) == ([(0, CHUNKS[0].upper())], [])


def test_a_failure_that_cannot_be_recorded_loses_no_result(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk failed and another one came back at the same moment, and the disk was full for the failure."""
    both = threading.Barrier(2)

    def work(text: str) -> str:
        if text in CHUNKS[:2]:
            both.wait(60)
        if text == CHUNKS[0]:
            raise ConnectionError
        return text

    def full(*_: Any, **__: Any) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    monkeypatch.setattr(job.work.claims, "fail", full)
    with pytest.raises(StorageFullError):
        list(job.map(work, workers=2))
    assert job.result(1) == CHUNKS[1]


# -- signals


SIGNALS = """
import os, signal, sys, threading, time
from checkpoint_store import CheckpointStore
def work(text):
    print("begun", text, flush=True)
    for _ in range(6000):
        if os.path.exists("go"):
            break
        time.sleep(0.01)
    return text
with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=list("abcdefghij"))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = []
    try:
        for item in job.map(work, workers=int(sys.argv[1])):
            done.append(item.index)
    finally:
        assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        print("end", len(done), job.status, job.progress().completed_chunks, len(job.in_doubt_chunks()), flush=True)
"""
ENDS_BY = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGHUP: 128 + signal.SIGHUP}


@pytest.mark.parametrize("number", ENDS_BY, ids=lambda number: number.name)
@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_signal_ends_the_program(
    children: Children, number: signal.Signals, workers: int, tmp_path: Path
) -> None:
    """After the chunks in hand, which are recorded and yielded: the job is paused, and the exit status the signal's."""
    process = children.start(SIGNALS, workers)
    for _ in range(workers):
        assert children.next_line(process).startswith("begun")
    process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    (tmp_path / "go").touch()
    printed = children.finish(process, code=ENDS_BY[number]).splitlines()
    assert printed[-1] == f"end {workers} paused {workers} 0"


@pytest.mark.parametrize("workers", [1, 3])
def test_the_second_ctrl_c_ends_at_once(children: Children, workers: int, open_store: Opener) -> None:
    """What is in hand is in doubt then, and the job is paused; an hour's work is not waited for."""
    process = children.start(SIGNALS, workers)
    for _ in range(workers):
        children.next_line(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGINT)
    assert "KeyboardInterrupt" in errors
    job = open_store().latest_job()
    assert job is not None
    assert (job.status, [one.chunk_index for one in job.in_doubt_chunks()]) == ("paused", list(range(workers)))
    assert next(job.pending()).index == 0


def test_a_handler_of_the_programs_own_is_left_alone(children: Children, tmp_path: Path) -> None:
    """It decides."""
    source = "import signal\nsignal.signal(signal.SIGINT, lambda *_: print('mine', flush=True))\n" + SIGNALS
    process = children.start(source, 1)
    children.next_line(process)
    process.send_signal(signal.SIGINT)
    assert children.next_line(process) == "mine"
    (tmp_path / "go").touch()
    printed = children.finish(process).splitlines()
    assert printed[-1] == "end 10 completed 10 0"


def test_one_ctrl_c_ends_every_loop_of_the_process(children: Children) -> None:
    """A loop in the body of another one, and a loop in another thread, whose caller gets JobPaused."""
    source = """
import os, signal, threading, time
from checkpoint_store import CheckpointStore, JobPaused
def work(text):
    time.sleep(0.1)
    return text
with CheckpointStore("talks.db") as store:
    jobs = [store.open_job(name, chunks=list("abcdefghij" * 10)) for name in ("outer", "inner", "beside")]
    def run_beside():
        try:
            list(jobs[2].map(work))
        except JobPaused as error:
            print(error.job_id == jobs[2].job_id)
    beside = threading.Thread(target=run_beside)
    pressed = False
    try:
        for item in jobs[0].map(str.upper):
            beside.start()
            for item in jobs[1].map(work):
                if not pressed and jobs[2].progress().completed_chunks:
                    pressed = True
                    os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        beside.join()
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    print(*(job.status for job in jobs), *(0 < job.progress().completed_chunks < 100 for job in jobs))
    print(store.map(str.upper, ["a"], file_name="last"))
"""
    assert children.run(source) == "True\nTrue\npaused paused paused True True True\n['A']\n"


def test_ctrl_c_works_after_a_loop_that_another_thread_closed(children: Children) -> None:
    """The handlers are put back at the first signal, and what it would have done it does."""
    source = """
import os, signal, sys, threading, time
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db") as store:
    loop = store.open_job("f", chunks=list("abc")).map(str.upper)
    next(loop)
    thread = threading.Thread(target=loop.close)
    thread.start(); thread.join()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
    assert children.run(source, code=-signal.SIGTERM) == "interrupted\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_is_forked_in_a_loop_ends_by_sigterm_at_once(children: Children) -> None:
    """However early it comes: a pool that broke waits for its processes, and one that stayed would hang the program."""
    source = """
def stay(_):
    for _ in range(20):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(1)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
    return "ended"

import os, signal, time, warnings
from checkpoint_store import CheckpointStore
warnings.simplefilter("ignore", DeprecationWarning)  # the loop's own threads sleep
with CheckpointStore("talks.db") as store:
    print(store.map(stay, ["a"], file_name="f"))
"""
    assert children.run(source) == "['ended']\n"


def test_map_works_in_any_thread(children: Children) -> None:
    """Signals are for the main thread; elsewhere nothing is changed."""
    source = """
import threading
from checkpoint_store import CheckpointStore
with CheckpointStore("talks.db") as store:
    job = store.open_job("f", chunks=list("abc"))
    loop = job.map(str.upper)
    next(loop)
    thread = threading.Thread(target=loop.close)
    thread.start(); thread.join()
    print(job.status)
    thread = threading.Thread(target=lambda: list(job.map(str.upper)))
    thread.start(); thread.join()
    print(job.status)
"""
    assert children.run(source) == "paused\ncompleted\n"


# -- the bar


def test_the_bar_begins_at_what_is_done(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    """Totals do not reset on resume; cost, failures and in-doubt counts are shown."""
    job.complete_many((index, {"cost": 0.25}) for index in range(6))

    def work(text: str) -> dict[str, float]:
        if text == CHUNKS[7]:
            raise TypeError
        return {"cost": 0.5}

    list(job.map(work, progress=True, on_error="record"))
    shown = capsys.readouterr().err
    first = next(line for line in shown.replace("\r", "\n").split("\n") if line.strip())
    assert "6/12" in first
    assert "11/12" in shown
    assert "cost=4" in shown
    assert "failed=1" in shown
    assert "talk.srt" in shown


def test_the_bar_tells_no_cost_where_there_is_none(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is not the same as free of charge."""
    list(job.map(upper, progress=True))
    shown = capsys.readouterr().err
    assert "12/12" in shown
    assert "cost" not in shown


def test_a_missing_extra_is_one_line(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, at the call itself."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(MissingExtra, match=r"progress=True needs tqdm: pip install 'checkpoint-store\[progress\]'"):
        job.map(pytest.fail, progress=True)
    assert job.running_chunks() == []


# -- bad options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", True),
        ("workers", 1.5),
        ("max_attempts", 0),
        ("max_attempts", None),
        ("on_error", "ignore"),
        ("on_pause", "x"),
        ("timeout_seconds", 0),
        ("timeout_seconds", "1"),
        ("timeout_seconds", float("nan")),
        ("max_cost", -1),
        ("max_cost", True),
        ("executor", 3),
        ("retry_on", ["x"]),
        ("retry_on", 7),
        ("stop_on", int),
        ("wait", -1),
        ("wait", "soon"),
        ("wait", float("nan")),
    ],
)
def test_a_bad_option_is_named_before_anything_is_called(job: Job, name: str, value: Any) -> None:
    """At the call itself, not at the first step."""
    with pytest.raises(InvalidArgumentError) as caught:
        job.map(pytest.fail, **{name: value})
    assert caught.value.name == name
    assert job.running_chunks() == []


def test_an_option_that_does_not_exist_is_a_mistake(job: Job) -> None:
    """As with any function."""
    with pytest.raises(TypeError, match="speed"):
        job.map(upper, speed=3)  # type: ignore[call-arg]


def test_an_executor_that_was_shut_down_fails_no_chunk(job: Job) -> None:
    """Its error is raised; what was in hand is recorded, and the rest is free."""
    pool = ThreadPoolExecutor(2)
    with pytest.raises(RuntimeError, match="shutdown"):  # noqa: PT012
        for _ in job.map(upper, executor=pool):
            pool.shutdown()
    assert (job.failed_chunks(), job.running_chunks(), job.in_doubt_chunks()) == ([], [], [])
    assert list(job.map(upper))
    assert job.status == "completed"


class Adapter(Executor):
    """What the documentation shows for a service with futures of its own: ``submit`` is all there is."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        self.submitted += 1
        future: Future[Any] = Future()
        threading.Thread(target=lambda: future.set_result(fn(*args)), daemon=True).start()
        return future


def test_anything_with_submit_is_an_executor(job: Job) -> None:
    """The work goes there."""
    adapter = Adapter()
    assert len(list(job.map(upper, executor=adapter, workers=3))) == 12
    assert adapter.submitted == 12


def test_what_ends_a_loop_is_told_to_the_state_file(job: Job, tmp_path: Path) -> None:
    """Paused or completed, it is exact when the loop has ended."""
    for _ in job.map(upper):
        break
    assert json.loads((tmp_path / "talks.json").read_text())["status"] == "paused"
    list(job.map(upper))
    state = json.loads((tmp_path / "talks.json").read_text())
    assert (state["status"], len(state["completed_chunks"])) == ("completed", 12)
