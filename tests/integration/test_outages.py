"""A service that fails the way services do: every chunk is done once, and only what is wrong with a chunk fails it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import urllib.error
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, ChunkFailed, ChunksPassedOver, JobPaused, ServiceUnavailable
from checkpoint_store.loop.outage import Outage
from checkpoint_store.model.error_text import describe

from .map_tools import CHUNKS, Flaky
from .troubled_service import POISON, Client, Outages, Service, map_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Children

    from checkpoint_store.model.loop_records import LoopEvent

TOTAL = 600
PROMPTS = [POISON if index == 57 else f"prompt {index}" for index in range(TOTAL)]
TROUBLES = Outages(
    busy_with_hint=(100, 1.5),
    busy=(250, 1.0),
    refused=(400, 2.0),
    slow=frozenset(PROMPTS[20:TOTAL:100]),
    cut=frozenset({PROMPTS[30], PROMPTS[330]}),
)
EXTRA_SHARE_MAX = 0.05


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    with CheckpointStore(tmp_path / "talks.db", state_file=None, durability="process") as opened:
        yield opened


class BusyError(Exception):
    """Come back in a moment."""

    status_code = 429


class ServerError(Exception):
    """The service answers, with a fault of its own."""

    status_code = 500


def check(store: CheckpointStore, service: Service, calls: int) -> None:
    """Every prompt but the poison one was answered once, only that one failed, and few calls were in vain."""
    job = store.latest_job()
    assert job is not None
    assert [record.chunk_index for record in job.failed_chunks()] == [57]
    assert job.progress().completed_chunks == TOTAL - 1
    assert set(service.answered.values()) == {1}
    assert len(service.answered) == TOTAL - 1
    assert calls - TOTAL <= EXTRA_SHARE_MAX * TOTAL, f"{calls - TOTAL} calls in vain"


# -- every kind of trouble at once


@pytest.mark.slow
def test_threads(store: CheckpointStore) -> None:
    """Four workers: 429 with a hint and without, no connection, one poison prompt, slow answers, cut connections."""
    with Service(TROUBLES) as service:
        client = Client(service.port)
        store.map(client, PROMPTS, file_name="f", workers=4, on_error="record")
        check(store, service, len(client.calls))


@pytest.mark.slow
def test_asyncio(store: CheckpointStore) -> None:
    """The same under ``amap``, with the errors of another client."""
    job = store.open_job("f", chunks=PROMPTS)
    with Service(TROUBLES) as service:
        check(store, service, asyncio.run(map_async(job, service.port, 4)))


RUNNER = program(__file__, "meet_outage")


@pytest.mark.slow
def test_four_processes(store: CheckpointStore, children: Children) -> None:
    """Each process notices the outage by its own calls, and waits by itself."""
    with Service(TROUBLES) as service:
        calls = sum(map(int, children.together(4, RUNNER, service.port)))
        job = store.latest_job()
        assert job is not None
        assert [record.chunk_index for record in job.failed_chunks()] == [57]
        assert set(service.answered.values()) == {1}
        assert len(service.answered) == TOTAL - 1
        assert calls - TOTAL <= 2 * EXTRA_SHARE_MAX * TOTAL  # the storm holds them to the share of one process


@pytest.mark.slow
def test_control_each_chunk_for_itself(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule before this one: every failure counts, and only its chunk waits. It fails chunks for good."""
    monkeypatch.setattr(Outage, "counts", lambda *_, **__: True)
    monkeypatch.setattr(Outage, "opens_at", lambda *_: 0.0)
    with Service(Outages(refused=(50, 60.0))) as service:
        client = Client(service.port)
        store.map(client, PROMPTS[60:260], file_name="f", workers=4, on_error="record", wait=0.5, on_event=service.note)
    job = store.latest_job()
    assert job is not None
    assert job.failed_chunks()
    assert len(client.calls) > 210


# -- one kind at a time


def test_a_wrong_key_pauses_after_as_many_calls_as_there_are_workers(store: CheckpointStore) -> None:
    """A key that becomes wrong costs a call for each worker, fails no chunk, and pauses the job."""
    with Service(Outages(wrong_key_from=100)) as service:
        job = store.open_job("f", chunks=PROMPTS[60:260])
        with pytest.raises(urllib.error.HTTPError):
            list(job.map(Client(service.port), workers=4, on_error="record"))
        assert sum(status == 401 for _, status in service.calls) <= 4
        assert (job.status, job.failed_chunks()) == ("paused", [])
        service.key_is_right = True
        list(job.map(Client(service.port), workers=4))
        assert (job.status, set(service.answered.values())) == ("completed", {1})


@pytest.mark.slow_variants
@pytest.mark.parametrize("mode", ["stop", "record"])
def test_an_outage_fails_nobody(store: CheckpointStore, mode: Any) -> None:
    """Forty chunks and a network that is down for many more tries than a chunk has; then it is up again."""
    calls: list[str] = []

    def work(text: str) -> str:
        calls.append(text)
        if len(calls) <= 150:
            raise ConnectionError("network is unreachable")
        return text

    job = store.open_job("f", chunks=[str(index) for index in range(40)])
    list(job.map(work, workers=8, on_error=mode, wait=0.001))
    assert (job.status, job.failed_chunks(), len(calls)) == ("completed", [], 190)


@pytest.mark.slow_variants
@pytest.mark.parametrize("error", [BusyError(), ConnectionError("down"), OSError(101, "unreachable")], ids=repr)
def test_a_service_that_stays_away_pauses_the_job(store: CheckpointStore, error: Exception) -> None:
    """After ``outage_seconds``; no chunk is to blame, and the next run does all of them."""
    job = store.open_job("f", chunks=CHUNKS)

    def away(_: str) -> None:
        raise error

    began = time.monotonic()
    with pytest.raises(ServiceUnavailable) as caught:
        list(job.map(away, workers=4, on_error="record", outage_seconds=0.5, wait=0.1))
    assert 0.5 <= time.monotonic() - began < 30
    assert isinstance(caught.value, JobPaused)
    assert caught.value.__cause__ is error
    assert (caught.value.remaining_chunks, job.status, job.failed_chunks()) == (12, "paused", [])
    assert "ServiceUnavailable" in str(job.error_message)
    list(job.map(str.upper))
    assert job.status == "completed"


def test_a_last_chunk_without_an_answer_is_not_failed(store: CheckpointStore) -> None:
    """Nothing tells a dead network from a bad chunk there."""
    job = store.open_job("f", chunks=CHUNKS[:1])
    work = Flaky(c0=10**9)
    with pytest.raises(ServiceUnavailable):
        list(job.map(work, outage_seconds=0.3, wait=0.01, max_attempts=2))
    assert (job.failed_chunks(), len(work.calls) > 2) == ([], True)


def test_who_waits_for_a_service_is_told_for_which_chunks_and_how_long(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Two last chunks that always fail may be bad, or the service is: nobody is failed, and nobody waits for ever."""
    events: list[LoopEvent] = []
    job = store.open_job("f", chunks=CHUNKS[:2])
    work = Flaky(ServerError("no"), c0=10**9, c1=10**9)
    with pytest.raises(ServiceUnavailable, match=r"\(tried: chunk 0, 1\)") as caught:
        list(job.map(work, on_error="record", outage_seconds=0.3, wait=0.01, on_event=events.append))
    assert (caught.value.tried, job.failed_chunks(), job.status) == ((0, 1), [], "paused")
    assert "(tried: chunk 0, 1); after 0 s without a success the job is paused" in caplog.text
    assert (events[-1].kind, "(tried: chunk 0, 1)" in str(events[-1].error)) == ("paused", True)


def test_more_tried_chunks_than_the_message_names_are_counted(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """``tried`` has every chunk whose call failed; the message and the log name five, and count the others."""
    job = store.open_job("f", chunks=CHUNKS[:7])
    work = Flaky(ServerError("no"), **{f"c{index}": 10**9 for index in range(7)})
    with pytest.raises(ServiceUnavailable, match=r"\(tried: chunk 0, 1, 2, 3, 4 and 2 more\)") as caught:
        list(job.map(work, workers=7, on_error="record", outage_seconds=0.3, wait=0.01))
    assert (caught.value.tried, job.failed_chunks()) == (tuple(range(7)), [])
    assert "these chunks are at fault" in str(caught.value)
    assert "(tried: chunk 0, 1, 2, 3, 4 and 2 more); after 0 s" in caplog.text


def test_the_last_chunks_that_always_fail_can_be_given_up(store: CheckpointStore) -> None:
    """The error says how, where no chunk is left that was not tried, and not where the others may just wait."""
    job = store.open_job("f", chunks=CHUNKS[:3])
    work = Flaky(ServerError("no"), c0=10**9, c1=10**9)
    with pytest.raises(ServiceUnavailable, match=r"call job\.fail_chunk\(index, why\) max_attempts times") as caught:
        list(job.map(work, on_error="record", outage_seconds=0.3, wait=0.01))
    for index in caught.value.tried * 3:
        job.fail_chunk(index, "the service never answers")
    with pytest.raises(ChunkFailed, match="2 chunks"):
        list(job.map(work))
    assert [record.chunk_index for record in job.failed_chunks()] == [0, 1]
    assert "fail_chunk" not in str(ServiceUnavailable("job", 3, 1.0, "no", 0, 1))


def test_a_last_chunk_that_the_service_fails_at_is_failed(store: CheckpointStore) -> None:
    """A last chunk to which a service answers with errors is failed after its tries, and the loop ends."""
    error = ServerError("no")
    work = Flaky(error, c11=10**9)
    job = store.open_job("f", chunks=CHUNKS)
    with pytest.raises(type(error)):
        list(job.map(work, wait=0.01))
    assert (work.calls.count(11), [record.chunk_index for record in job.failed_chunks()]) == (3, [11])


@pytest.mark.parametrize("total_chunks", [1, 2])
def test_a_failure_in_an_ending_loop_counts_only_if_its_chunk_is_the_last(
    store: CheckpointStore, total_chunks: int
) -> None:
    """The loop starts nothing more, and the next loop can try the chunks that are left."""
    job = store.open_job("f", total_chunks=total_chunks)
    begun, is_ending = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        assert is_ending.wait(60)
        raise ServerError("no")

    def stop() -> bool:
        if begun.is_set():
            is_ending.set()
        return begun.is_set()

    list(job.map(work, timeout_seconds=60, max_attempts=1, stop_when=stop, on_error="record", on_pause="return"))
    (attempt,) = job.attempts()
    assert (attempt.counted, len(job.failed_chunks())) == ((True, 1) if total_chunks == 1 else (False, 0))


def test_a_failure_that_meets_all_chunks_at_one_moment_counts_against_none(store: CheckpointStore) -> None:
    """Every chunk that is left fails with 500 in the same moment: each other one can still be tried."""
    job = store.open_job("f", total_chunks=4)

    class FailedTogether(Executor):
        """Ends its calls together: the first four with HTTP 500, the others with their result."""

        futures: ClassVar[list[Future[Any]]] = []

        def submit(self, call: Any, /, *args: Any, **_: Any) -> Future[Any]:
            future: Future[Any] = Future()
            self.futures.append(future)
            if len(self.futures) == 4:
                for failed in self.futures:
                    failed.set_exception(ServerError("no"))
            elif len(self.futures) > 4:
                future.set_result(call(*args))
            return future

    assert len(list(job.map(str, executor=FailedTogether(), workers=4, max_attempts=1, wait=0.001))) == 4
    assert [attempt.counted for attempt in job.attempts() if attempt.outcome == "failed"] == [False] * 4


def test_after_a_failure_another_chunk_is_tried_and_only_one(store: CheckpointStore) -> None:
    """After a failure exactly one other chunk is tried: a service that is away gets one call."""
    job = store.open_job("f", total_chunks=60)
    begun, in_flight, widths, lock = threading.Barrier(8), 0, [], threading.Lock()
    calls: list[int] = []
    failure_is_recorded = threading.Event()

    def notice(event: LoopEvent) -> None:
        if event.kind == "retried":
            failure_is_recorded.set()

    def before(index: int) -> int:
        begun.wait(60)
        if index == 0:
            raise BusyError
        assert failure_is_recorded.wait(60)
        return index

    def work(index: int) -> int:
        nonlocal in_flight
        with lock:
            calls.append(index)
            is_before = len(calls) <= 8
            in_flight += not is_before
            widths.append(in_flight)
        if is_before:
            return before(index)
        time.sleep(0.02)
        with lock:
            in_flight -= 1
        return index

    list(job.map(work, workers=8, wait=0.1, on_event=notice))
    assert calls[8] == 8
    assert calls.count(0) == 2
    # By the calls begun: one; then two at a time, until both are back; then four, and so on.
    assert widths[8] == 1
    assert max(widths[9:11]) <= 2
    assert max(widths[11:15]) <= 4
    assert max(widths) > 4


def test_the_whole_loop_waits_as_long_as_the_service_asks(store: CheckpointStore) -> None:
    """Retry-After is for all: no other chunk is asked for meanwhile."""
    at: list[float] = []

    class AskedError(BusyError):
        retry_after = 0.6

    def work(index: int) -> int:
        at.append(time.monotonic())
        if len(at) == 5:
            raise AskedError
        return index

    job = store.open_job("f", total_chunks=20)
    list(job.map(work))
    assert at[5] - at[4] >= 0.6
    assert len(at) == 21


@pytest.mark.parametrize("workers", [1, 4])
def test_a_service_that_asks_for_longer_than_an_outage_may_last_pauses_the_job_at_once(
    store: CheckpointStore, workers: int
) -> None:
    """``Retry-After`` ends after ``outage_seconds``: nobody waits in vain, and the error says who asks for how long."""

    class HourError(BusyError):
        retry_after = 3600

    job = store.open_job("f", chunks=CHUNKS)
    began = time.monotonic()
    asks = (
        r"the service asks to make no call for (3600|359\d) s, which is longer than what is left "
        r"of outage_seconds \(tried: "
    )
    with pytest.raises(ServiceUnavailable, match=asks) as caught:
        list(job.map(Flaky(HourError(), **{f"c{index}": 1 for index in range(6, 12)}), workers=workers))
    assert time.monotonic() - began < 5
    assert caught.value.tried
    assert 3590 < caught.value.asked_seconds <= 3600, "what the loop adds to the wait is its own"
    assert caught.value.last_error == describe(caught.value.__cause__)
    assert "no call has succeeded" not in str(caught.value), "calls may have succeeded just before"
    assert (job.status, job.failed_chunks(), job.progress().completed_chunks) == ("paused", [], 6)
    list(job.map(str.upper))
    assert job.status == "completed"


def test_a_call_in_flight_may_still_succeed_though_the_service_asks_for_too_long(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Work in flight that succeeds shows that the service answers: the loop waits as asked, and logs for how long."""
    failed = threading.Event()

    class AskedError(BusyError):
        retry_after = 0.6

    def work(index: int) -> int:
        if index == 0 and not failed.is_set():
            raise AskedError
        assert failed.wait(5)
        return index

    def note(event: LoopEvent) -> None:
        if event.kind == "retried":
            failed.set()

    job = store.open_job("f", total_chunks=4)
    list(job.map(work, workers=2, outage_seconds=0.3, on_event=note))
    assert job.status == "completed"
    assert "asks to make no call for 1 s, which is longer than outage_seconds" in caplog.text


def test_a_wait_with_nothing_left_to_do_is_not_waited_for(store: CheckpointStore) -> None:
    """The last chunk fails for good with an hour of Retry-After: nobody is asked any more, so the loop ends."""

    class HourError(Exception):
        status_code = 500
        retry_after = 3600

    job = store.open_job("f", chunks=CHUNKS)
    list(job.map(Flaky(HourError(), c11=1), on_error="record", max_attempts=1))
    assert (job.progress().completed_chunks, [record.chunk_index for record in job.failed_chunks()]) == (11, [11])


def test_a_pause_in_an_outage_ends_the_loop_at_once(store: CheckpointStore) -> None:
    """Nobody waits for the end of a Retry-After to stop."""

    class HourError(BusyError):
        retry_after = 3600

    job = store.open_job("f", total_chunks=5)

    def work(_: int) -> None:
        threading.Timer(0.3, job.pause).start()
        raise HourError

    with pytest.raises(JobPaused) as caught:
        list(job.map(work, outage_seconds=math.inf))
    assert type(caught.value) is JobPaused
    assert (job.status, job.running_chunks(), job.failed_chunks()) == ("paused", [], [])


def test_a_busy_service_counts_in_pending_neither(store: CheckpointStore) -> None:
    """Three loops over ``pending`` that report HTTP 429 fail no chunk; three that report something else do."""
    job = store.open_job("f", total_chunks=1)
    for error, failed in ((BusyError(), 0), (ValueError("no JSON"), 1)):
        for _ in range(3):
            for chunk in job.pending():
                chunk.fail(error)
        assert len(job.failed_chunks()) == failed


def wrongly_keyed(index: int) -> int:
    """A client of one's own that wraps the error of another."""
    if index < 2:
        return index
    try:
        raise type("AuthenticationError", (Exception,), {"status_code": 401})("no")
    except Exception as error:
        raise RuntimeError("my client failed") from error


@pytest.mark.slow
def test_a_wrapped_error_is_understood_from_another_process(store: CheckpointStore) -> None:
    """A wrong key pauses the job although pickling alone leaves out what an exception was raised from."""
    job = store.open_job("f", total_chunks=40)
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        pytest.raises(RuntimeError, match="my client"),
    ):
        list(job.map(wrongly_keyed, executor=pool, on_error="record"))
    assert (job.status, job.failed_chunks(), job.progress().completed_chunks) == ("paused", [], 2)


def test_outage_seconds_must_be_positive(store: CheckpointStore) -> None:
    """``outage_seconds`` has to be positive; ``math.inf`` waits for ever, and None is refused."""
    job = store.open_job("f", total_chunks=1)
    for value in (0, -1, None, "10", True, math.nan):
        with pytest.raises(ValueError, match="outage_seconds"):
            job.map(str, outage_seconds=value)  # type: ignore[arg-type]
    list(job.map(str, outage_seconds=math.inf))


# -- chunks that are failed already


def test_a_run_that_only_finds_failed_chunks_says_so(store: CheckpointStore) -> None:
    """A later run that finds only failed chunks warns with their number."""
    job = store.open_job("f", chunks=CHUNKS)
    work = Flaky(KeyError("x"), c2=9, c5=9)
    list(job.map(work, on_error="record"))
    for _ in range(2):
        with pytest.warns(ChunksPassedOver, match="2 chunks failed in an earlier run.*chunk 2: KeyError.*retry_failed"):
            assert list(job.map(work, on_error="record")) == []
    assert work.calls.count(2) == 1
    assert job.retry_failed() == 2


def test_more_tries_than_last_time_are_new_tries(store: CheckpointStore) -> None:
    """A chunk that used up two tries has one more where three are allowed; a mistake is not made again for that."""
    job = store.open_job("f", chunks=CHUNKS)
    work, mistake = Flaky(ValueError("no JSON"), c1=9), Flaky(KeyError("x"), c3=9)

    def both(text: str) -> str:
        mistake(text)
        return work(text)

    list(job.map(both, on_error="record", wait=0, max_attempts=2))
    assert (work.calls.count(1), mistake.calls.count(3)) == (2, 1)
    assert [record.chunk_index for record in job.failed_chunks()] == [1, 3]
    with pytest.warns(ChunksPassedOver, match="1 chunk failed"):
        list(job.map(both, on_error="record", wait=0, max_attempts=5))
    assert (work.calls.count(1), mistake.calls.count(3)) == (5, 1)
    assert [(one.chunk_index, one.attempt) for one in job.failed_chunks()] == [(1, 5), (3, 1)]
    work.times.clear()
    with pytest.warns(ChunksPassedOver, match="1 chunk failed"):
        assert [item.index for item in job.map(both, on_error="record", max_attempts=6)] == [1]
