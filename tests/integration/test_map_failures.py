"""Failures, what they cost, and disks that are full: what ``map`` does about them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from checkpoint_store import BudgetReached, CheckpointStore, ChunkFailed, Job, JobPaused, StorageFullError, StoreBusy
from checkpoint_store.storage import group_commit as writer_module

if TYPE_CHECKING:
    from conftest import Opener
from .map_tools import CHUNKS, Flaky, upper


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of twelve chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


class HttpError(Exception):
    """As those of the usual clients look: a status, a response with headers, a code."""

    def __init__(self, status: int, *, code: str | None = None, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code, self.code = status, code
        self.response = SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


# -- failures


def test_a_failed_chunk_is_tried_again_after_a_while(job: Job) -> None:
    """Three times in all, with the wait that was asked for; each try is an attempt."""
    work, waits = Flaky(c2=2), []

    def wait(tries: int) -> float:
        waits.append(tries)
        return 0.05

    list(job.map(work, wait=wait))
    assert (work.calls.count(2), waits, job.status) == (3, [1, 2], "completed")


@pytest.mark.slow
def test_the_usual_wait_grows_and_jitters(job: Job) -> None:
    """Without options, a second try waits for about half a second, with jitter."""
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


@pytest.mark.slow
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
    """A Retry-After in seconds, in milliseconds or as a date is respected, whatever ``wait`` says."""
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
    work = Flaky(c1=9)
    with pytest.raises(ConnectionError):
        list(job.map(work, wait=0, max_attempts=2))
    assert work.calls.count(1) == 2
    assert [record.chunk_index for record in job.failed_chunks()] == [1]
    with pytest.raises(ChunkFailed, match="chunk 1: ConnectionError: the line is down") as caught:
        list(job.map(upper, max_attempts=2))
    assert (caught.value.failed_chunks, job.progress().completed_chunks) == (1, 11)
    assert job.retry_failed() == 1
    assert [item.index for item in job.map(upper)] == [1]


def test_record_goes_on_with_the_others(store: CheckpointStore) -> None:
    """Failed chunks are None in the list, and say why; the loop raises nothing."""
    work = Flaky(c2=9, c5=9)
    results = store.map(work, CHUNKS, file_name="f", on_error="record", wait=0, workers=3)
    job = store.latest_job()
    assert job is not None
    assert [index for index, result in enumerate(results) if result is None] == [2, 5]
    assert [one.chunk_index for one in job.failed_chunks()] == [2, 5]
    assert job.status == "failed"
    assert str(job.error_message).startswith("2 failed, chunk 2")
    assert work.calls.count(2) >= 3 <= work.calls.count(5)  # a try while no other chunk succeeds does not count


def test_a_mistake_is_not_tried_again(job: Job) -> None:
    """A program's mistake is made again the next time; one attempt, and the chunk is failed."""
    work = Flaky(KeyError("x"), c1=9)
    list(job.map(work, on_error="record"))
    assert work.calls.count(1) == 1
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_retry_on_says_what_is_tried_again(job: Job) -> None:
    """``retry_on`` takes the types of the errors that are tried again."""
    work = Flaky(KeyError("x"), c1=2)
    list(job.map(work, retry_on=(KeyError, OSError), wait=0))
    assert work.calls.count(1) == 3


def test_retry_on_can_be_a_function(job: Job) -> None:
    """``retry_on`` takes a function of the exception."""
    work = Flaky(KeyError("once"), c1=1)
    list(job.map(work, retry_on=lambda error: "once" in str(error), wait=0))
    assert work.calls.count(1) == 2


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", [HttpError(429), ConnectionRefusedError("no")], ids=repr)
def test_a_service_that_is_away_counts_never(job: Job, error: Exception) -> None:
    """If ``retry_on`` leaves such an error out, the error ends the loop, and the chunk keeps all its tries."""
    work = Flaky(error, c0=4)
    for _ in range(4):
        with pytest.raises(type(error)):
            list(job.map(work, retry_on=ValueError))
    list(job.map(work))
    assert (job.status, work.calls.count(0)) == ("completed", 5)


def test_a_service_that_is_away_fails_no_chunk_of_a_loop_that_goes_on(job: Job) -> None:
    """With ``on_error="record"`` the next loop tries the chunk again, also if ``retry_on`` leaves the error out."""
    work = Flaky(HttpError(429), c0=1)
    with pytest.raises(JobPaused):
        list(job.map(work, retry_on=ValueError, on_error="record"))
    assert job.failed_chunks() == []
    list(job.map(work, retry_on=ValueError, on_error="record"))
    assert (job.status, work.calls.count(0)) == ("completed", 2)


def test_a_broken_retry_function_loses_no_result(job: Job) -> None:
    """An error of the caller's ``retry_on`` function is raised, and the results of the other calls are recorded."""

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


@pytest.mark.slow_variants
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


@pytest.mark.slow_variants
@pytest.mark.parametrize("stop_on", [KeyError, [KeyError], lambda _: False], ids=["type", "list", "function"])
@pytest.mark.parametrize("retry_on", [None, Exception])
def test_stop_on_adds_to_the_errors_that_stop_a_loop(job: Job, stop_on: Any, retry_on: Any) -> None:
    """With a bad key one call is made, and no chunk is failed, whatever else is to stop the loop or to be retried."""
    work = Flaky(HttpError(401), **{f"c{index}": 9 for index in range(12)})
    with pytest.raises(HttpError):
        list(job.map(work, stop_on=stop_on, retry_on=retry_on, on_error="record"))
    assert (job.status, job.failed_chunks(), work.calls) == ("paused", [], [0])


def test_stop_on_can_be_said(job: Job) -> None:
    """A ``stop_on`` that is given stops a loop; an empty one lets no error stop it."""
    with pytest.raises(ValueError, match="all"):
        list(job.map(Flaky(ValueError("all of them"), c1=9), stop_on=ValueError, on_error="record"))
    assert job.status == "paused"
    list(job.map(Flaky(HttpError(403), c1=9), stop_on=(), on_error="record"))
    assert [record.chunk_index for record in job.failed_chunks()] == [1]


def test_an_error_without_a_text_is_a_failure_like_any_other(job: Job) -> None:
    """An exception is recorded whatever its ``__str__`` does."""

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


def priced(cost: float) -> Any:
    def work(text: str) -> dict[str, Any]:
        time.sleep(0.005)
        return {"text": text, "cost": cost}

    return work


# -- money


@pytest.mark.slow_variants
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
    with pytest.raises(BudgetReached):
        for item in job.map(priced(0.3), max_cost=2.0):
            done.append(item.index)
            if len(done) == 2:
                other.complete_many((index, {"cost": 0.4}) for index in (9, 10))
    assert 1.4 <= job.totals("cost")["cost"] <= 2.0
    assert len(done) <= 4


# -- a disk that is full


@pytest.mark.slow_variants
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

    def submit(self: Any, *completions: Any) -> Any:
        if is_full.is_set():
            raise StorageFullError("talks.db", "disk is full", 0) if kind == "full" else StoreBusy("talks.db", 1.0)
        return original(self, *completions)

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

    def full(self: Any, *completions: Any) -> None:
        raise StorageFullError("talks.db", "disk is full", 0)

    with pytest.raises(StorageFullError):
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

    def interrupted(self: Any, *completions: Any) -> None:
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

    monkeypatch.setattr(job._execution.claims, "fail", full)
    with pytest.raises(StorageFullError):
        list(job.map(work, workers=2))
    assert job.result(1) == CHUNKS[1]


class KeyRefusedError(Exception):
    """What a client raises for a key that is not valid."""

    status_code = 401


@pytest.mark.parametrize("on_error", ["stop", "record"])
def test_a_bad_key_pauses_the_job_also_in_an_error_of_the_callers_own(
    store: CheckpointStore, on_error: Literal["stop", "record"]
) -> None:
    """Raised inside of ``except``, without ``from``: one call is made, and no chunk uses up its tries."""
    calls: list[str] = []

    def give_up(text: str, error: Exception) -> None:
        raise RuntimeError(f"{text} could not be cleaned: {error}")

    def work(text: str) -> str:
        calls.append(text)
        try:
            raise KeyRefusedError("the key is not valid")
        except KeyRefusedError as error:
            give_up(text, error)
        return text

    job = store.open_job("f", chunks=CHUNKS)
    with pytest.raises(RuntimeError, match="could not be cleaned"):
        list(job.map(work, on_error=on_error, wait=0))
    assert (calls, job.status, job.failed_chunks()) == (CHUNKS[:1], "paused", [])
