"""``job.map`` and ``store.map``: the whole loop, and every way in which it can end."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from conftest import wait_until
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    InvalidArgumentError,
    Job,
    MapItem,
    MissingExtra,
    WorkerDied,
    current_attempt,
)
from checkpoint_store.loop import schedule

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

from .map_tools import CHUNKS, Flaky, upper

request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of twelve chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


# -- what it gives


@pytest.mark.slow_variants
@pytest.mark.parametrize("options", [{"workers": 2}, {"timeout_seconds": 60.0}], ids=["workers", "time limit"])
def test_the_threads_see_the_context_variables_of_the_caller(job: Job, options: dict[str, Any]) -> None:
    """Each call has a copy of the caller's context, as with ``amap`` or ``asyncio.to_thread``."""

    def read(_: str) -> str:
        before = request_id.get()
        request_id.set("changed by a call")
        return before

    token = request_id.set("42")
    try:
        assert {item.result for item in job.map(read, **options)} == {"42"}
        assert request_id.get() == "42"
    finally:
        request_id.reset(token)


@pytest.mark.parametrize("workers", [1, 3])
def test_map_does_what_is_left_and_yields_it(job: Job, workers: int) -> None:
    """``map`` does each chunk that is left once, yields what is recorded, and completes the job."""
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
    """``map`` of a finished job calls nothing and leaves its status."""
    list(job.map(upper))
    assert list(job.map(pytest.fail, workers=3)) == []
    assert job.status == "completed"


def test_map_of_no_chunks_is_done(store: CheckpointStore) -> None:
    """An empty input is a completed job."""
    assert store.map(upper, [], file_name="empty") == []


def test_map_gives_the_index_where_only_the_number_is_known(store: CheckpointStore) -> None:
    """With ``total_chunks`` alone, ``map`` gives its function the index."""
    job = store.open_job("numbered", total_chunks=4)
    assert [item.result for item in job.map(lambda index: index * index)] == [0, 1, 4, 9]


def test_store_map_returns_all_results_in_order_those_of_earlier_runs_too(store: CheckpointStore) -> None:
    """``store.map`` returns all results in order, those of earlier runs too."""
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


@pytest.mark.slow
def test_ordered_work_is_bounded_too(store: CheckpointStore) -> None:
    """While the first chunk hangs, the others do not pile up without end."""
    job = store.open_job("many", total_chunks=600)
    begun: list[int] = []
    begun_meanwhile = 0

    def work(index: int) -> int:
        nonlocal begun_meanwhile
        begun.append(index)
        if index == 0:
            wait_until(lambda: len(begun) > 256)
            while len(begun) > begun_meanwhile:  # the others still begin
                begun_meanwhile = len(begun)
                time.sleep(0.2)
        return index

    assert [item.index for item in job.map(work, workers=3, ordered=True)] == list(range(600))
    assert 256 < begun_meanwhile < 400
    assert len(begun) == 600


@pytest.mark.slow
def test_ordered_work_goes_on_to_the_retry_that_all_of_it_waits_for(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordered loop makes the next try at its lowest chunk, for which all other results wait."""
    monkeypatch.setattr(schedule, "_REORDERED_RESULTS_MAX", 4)
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
    list(job.map(lambda _: keys.append(current_attempt().attempt_key) or "done"))
    assert keys[0] == keys[1] != keys[2]


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
    """``progress=True`` without tqdm is refused at the call, with the line that installs tqdm."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(MissingExtra, match=r"progress=True needs tqdm: pip install 'checkpoint-store\[progress\]'"):
        job.map(pytest.fail, progress=True)
    assert job.running_chunks() == []


# -- bad options


@each_case(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", True),
        ("workers", 1.5),
        ("workers", 10**400),
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
    """``map`` refuses a bad option at the call itself, before the first step of its loop."""
    with pytest.raises(InvalidArgumentError) as caught:
        job.map(pytest.fail, **{name: value})
    assert caught.value.name == name
    assert job.running_chunks() == []


def test_an_option_that_does_not_exist_is_a_mistake(job: Job) -> None:
    """An option that does not exist is refused, as with any function."""
    with pytest.raises(TypeError, match="speed"):
        job.map(upper, speed=3)  # type: ignore[call-arg]


def test_an_executor_that_was_shut_down_fails_no_chunk(job: Job) -> None:
    """The error says so; what was in hand is recorded, and the rest is free."""
    pool = ThreadPoolExecutor(2)
    with pytest.raises(WorkerDied, match="was shut down"):
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
    """The work goes to whatever object has a method ``submit``."""
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
