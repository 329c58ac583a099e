"""``on_event``: records of what happens in a loop, in the loop's thread, for those who draw their own screens."""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    BudgetReached,
    CheckpointStore,
    ChunkFailed,
    InvalidArgumentError,
    InvalidResultError,
    Job,
    JobPaused,
    LoopEvent,
    current_attempt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children, Opener

CHUNKS = ["a", "b", "c", "d"]
PAID = {"text": "A", "cost": 0.5}


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of four chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


class Costly(Exception):  # as services name theirs
    """A failed try that was billed."""

    cost = 0.25


class Refused(Exception):  # the same
    """An error that every chunk would meet."""

    status_code = 401


def told(events: list[LoopEvent]) -> list[tuple[str, int | None, int | None]]:
    return [(event.kind, event.index, event.attempt) for event in events]


def test_each_chunk_is_told_of_when_it_starts_and_when_it_is_complete(job: Job) -> None:
    """The events of a chunk have its index, the number of its try, its cost and its duration."""
    events: list[LoopEvent] = []

    def hook(event: LoopEvent) -> None:
        events.append(event)
        if event.kind == "completed":
            assert job.is_completed(event.index or 0)

    seen_by_work: list[int] = []

    def work(text: str) -> dict[str, Any]:
        seen_by_work.append(len(events))
        return PAID

    list(job.map(work, on_event=hook))
    assert told(events) == [(kind, index, 1) for index in range(4) for kind in ("started", "completed")]
    assert seen_by_work == [1, 3, 5, 7]
    assert all(event.cost == 0.5 and event.seconds is not None and event.seconds >= 0 for event in events[1::2])
    assert {(event.cost, event.seconds, event.error, event.key) for event in events[::2]} == {(None, None, None, None)}


def test_a_try_that_fails_is_retried_and_then_failed(job: Job) -> None:
    """The events of a failing try have its cost, its duration and its error without secrets."""
    events: list[LoopEvent] = []

    def work(text: str) -> str:
        if text == "b":
            raise Costly("no, Bearer sk-proj-T9x4Qm2Zr7Kb1Vw8Np5LcY3HjD6")
        return text

    list(job.map(work, on_event=events.append, wait=0, max_attempts=2, on_error="record"))
    with pytest.raises(ChunkFailed):
        list(job.map(work, on_event=events.append, max_attempts=2))
    of_one = [event for event in events if event.index == 1]
    assert told(of_one) == [("started", 1, 1), ("retried", 1, 1), ("started", 1, 2), ("failed", 1, 2)]
    assert [event.cost for event in of_one] == [None, 0.25, None, 0.25]
    assert of_one[1].seconds is not None
    assert of_one[1].error is not None
    assert of_one[1].error.startswith("Costly: no, ")
    assert "sk-proj" not in of_one[1].error
    assert "paused" not in {event.kind for event in events}


def test_a_pause_is_told_last(store: CheckpointStore) -> None:
    """After what was in hand is recorded, with the reason; once, also where the hook itself asks for the pause."""
    job = store.open_job("long.srt", chunks=[str(number) for number in range(2_000)])
    events: list[LoopEvent] = []

    def hook(event: LoopEvent) -> None:
        events.append(event)
        if event.kind == "completed" and event.index == 1:
            job.pause()

    with pytest.raises(JobPaused):
        list(job.map(lambda text: time.sleep(0.005) or text, on_event=hook))
    done = job.progress().completed_chunks
    assert [event.kind for event in events] == ["started", "completed"] * done + ["paused"]
    last = events[-1]
    assert (last.index, last.attempt, last.error) == (None, None, "somebody asked for it")
    assert done < 2_000


@pytest.mark.parametrize(
    ("work", "options", "error", "reason"),
    [
        (lambda _: PAID, {"max_cost": 1.1}, BudgetReached, "BudgetReached"),
        (lambda _: (_ for _ in ()).throw(Refused("key")), {}, Refused, "Refused: key"),
    ],
    ids=["budget", "refused"],
)
def test_a_loop_that_pauses_by_itself_says_why(
    job: Job, work: Callable[[str], Any], options: dict[str, Any], error: type[Exception], reason: str
) -> None:
    """The error that the loop raises is in its last event."""
    events: list[LoopEvent] = []
    with pytest.raises(error):
        list(job.map(work, on_event=events.append, **options))
    assert events[-1].kind == "paused"
    assert reason in (events[-1].error or "")


def test_a_loop_that_is_left_tells_of_it(job: Job) -> None:
    """A loop that is left with chunks to do gives the event ``paused``; a loop left at its last chunk does not."""
    events: list[LoopEvent] = []
    items = job.map(str.upper, on_event=events.append)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert told(events) == [("started", 0, 1), ("completed", 0, 1), ("paused", None, None)]
    del events[:]
    for item in job.map(str.upper, on_event=events.append):
        if item.index == 3:
            break
    assert [event.kind for event in events] == ["started", "completed"] * 3


def test_a_result_that_cannot_be_stored_is_a_failed_try(job: Job) -> None:
    """The event of an unstorable result has the error and the cost, and not the value, which is in the exception."""
    events: list[LoopEvent] = []
    with pytest.raises(InvalidResultError):
        list(job.map(lambda _: {"words": {"precious"}, "cost": 0.5}, on_event=events.append))
    assert told(events) == [("started", 0, 1), ("failed", 0, 1)]
    assert events[1].cost == 0.5
    assert "InvalidResultError" in (events[1].error or "")
    assert "precious" not in (events[1].error or "")


@pytest.mark.slow
def test_a_late_result_is_told_of(job: Job) -> None:
    """A try that took too long is retried or failed; its result, which comes all the same, completes the chunk."""
    events: list[LoopEvent] = []
    goes_on = threading.Event()

    def hook(event: LoopEvent) -> None:
        events.append(event)
        if event.kind in ("retried", "failed"):
            goes_on.set()

    def work(text: str) -> str:
        if text == "a" and current_attempt().number == 1:
            assert goes_on.wait(60)
        return text

    list(job.map(work, workers=4, timeout_seconds=0.3, wait=3600, on_error="record", on_event=hook))
    of_late = [event for event in events if event.index == 0]
    assert [(event.kind, event.attempt) for event in of_late] == [("started", 1), ("retried", 1), ("completed", 1)]
    assert (of_late[2].seconds or 0) >= 0.3
    assert "TimeoutError" in (of_late[1].error or "")


def test_a_chunk_that_another_runner_was_quicker_with_is_complete(job: Job, open_store: Opener) -> None:
    """The event of a chunk that another runner completed first is ``completed``, so no screen shows it at work."""
    events: list[LoopEvent] = []
    other = open_store().job(job.job_id)

    def work(text: str) -> str:
        other.complete(CHUNKS.index(text), "quicker")
        if text == "c":
            raise ValueError("in vain")
        return text

    yielded = [item.index for item in job.map(work, on_event=events.append, wait=0)]
    assert yielded == []
    assert [event.kind for event in events] == ["started", "completed"] * 4


def test_every_try_that_starts_ends_once(store: CheckpointStore) -> None:
    """Over threads and failures of any kind, a screen that draws what is in work is right in every moment."""
    chance = random.Random(7)
    job = store.open_job("many.srt", chunks=[str(number) for number in range(80)])
    events: list[LoopEvent] = []
    threads: set[int] = set()

    def hook(event: LoopEvent) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    def work(text: str) -> dict[str, Any]:
        if chance.random() < 0.5:
            raise chance.choice([ValueError(text), ConnectionError(text), KeyError(text), Costly(text)])
        return {"text": text, "cost": 0.5}

    list(job.map(work, workers=4, wait=0, on_error="record", on_event=hook, ordered=True))
    in_work: dict[int, int] = {}
    for event in events:
        assert event.index is not None
        assert event.attempt is not None
        if event.kind == "started":
            assert event.index not in in_work
            in_work[event.index] = event.attempt
        else:
            assert in_work.pop(event.index) == event.attempt
    assert in_work == {}
    assert threads == {threading.get_ident()}
    kinds = [event.kind for event in events]
    assert job.last_run is not None
    assert kinds.count("completed") == job.last_run.completed_chunks == job.progress().completed_chunks
    assert kinds.count("retried") == job.last_run.retry_count > 0
    assert kinds.count("failed") == len(job.failed_chunks()) > 0
    assert sum(event.cost or 0 for event in events) == pytest.approx(job.last_run.cost)


@pytest.mark.slow
def test_an_executor_that_does_not_take_a_chunk_loses_no_event(job: Job) -> None:
    """The same try starts again in the new pool, by the same number."""
    made: list[ThreadPoolExecutor] = []

    def pool() -> ThreadPoolExecutor:
        made.append(ThreadPoolExecutor(1, initializer=None if len(made) else _fail))
        return made[-1]

    events: list[LoopEvent] = []
    list(job.map(str.upper, executor=pool, on_event=events.append, on_error="record"))
    assert len(made) == 2
    assert [event.index for event in events if event.kind == "completed"] == [0, 1, 2, 3]
    assert all(event.attempt in (1, 2) for event in events)


def _fail() -> None:
    raise OSError("this pool never works")


def test_an_error_of_the_hook_is_logged_and_ends_nothing(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which event, and why; every chunk is done, and later events are told."""
    kinds: list[str] = []

    def hook(event: LoopEvent) -> None:
        kinds.append(event.kind)
        raise RuntimeError("the screen is gone")

    with caplog.at_level(logging.WARNING, "checkpoint_store"):
        assert len(list(job.map(str.upper, on_event=hook, workers=2))) == 4
    assert sorted(kinds) == ["completed"] * 4 + ["started"] * 4
    assert caplog.text.count("on_event raised for 'started': RuntimeError: the screen is gone") == 4
    assert job.status == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["once", "whenever it is called"])
@pytest.mark.parametrize("kind", ["started", "completed", "retried"])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_ends_a_program_takes_its_course_out_of_the_hook(
    store: CheckpointStore, kind: str, workers: int, again: bool
) -> None:
    """KeyboardInterrupt in it ends the loop as anywhere else: what is in hand is recorded, nothing is in doubt."""
    job = store.open_job("talk.srt", chunks=list("abcdefghijkl"))
    calls: list[str] = []
    told: list[LoopEvent] = []
    has_raised = threading.Event()

    def hook(event: LoopEvent) -> None:
        if told or (event.kind == kind and event.index == 1):
            told.append(event) if again else None
            has_raised.set()
            raise KeyboardInterrupt

    def work(text: str) -> str:
        calls.append(text)
        if text == "b" and calls.count("b") == 1:
            raise ValueError(text)
        assert workers == 1 or text == "b" or has_raised.wait(60)  # in flight while the loop ends
        return text.upper()

    with pytest.raises(KeyboardInterrupt):
        list(job.map(work, on_event=hook, workers=workers, wait=0))
    assert job.status == "paused"
    assert (job.in_doubt_chunks(), job.failed_chunks()) == ([], [])
    list(job.map(work))
    assert list(job.results()) == list("ABCDEFGHIJKL")
    assert len(calls) == 13


class Together:
    """An executor in which two pieces of work end at the same moment."""

    def __init__(self) -> None:
        self._waiting: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        self._waiting.append(Future())
        future = self._waiting[-1]
        if len(self._waiting) == 2:
            for one in self._waiting:
                one.set_exception(ValueError("both"))
        return future


def test_what_ends_a_program_leaves_nothing_of_what_ended_with_it_unrecorded(job: Job) -> None:
    """Where two tries fail at the same moment, both are recorded before the hook is told of the first."""

    def hook(event: LoopEvent) -> None:
        if event.kind == "retried":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(job.map(str.upper, executor=Together(), workers=2, wait=0, on_event=hook))  # type: ignore[arg-type]
    assert [record.chunk_index for record in job.errors()] == [0, 1]
    assert job.in_doubt_chunks() == []


def test_a_killed_program_was_told_of_nothing_that_is_not_durable(children: Children, open_store: Opener) -> None:
    """What its screen showed as completed is complete after SIGKILL."""
    process = children.start(program(__file__, "show_completed"))
    shown = [int(children.next_line(process)) for _ in range(50)]
    process.kill()
    shown += [int(line) for line in (process.stdout or []) if line.endswith("\n")]
    job = open_store().latest_job()
    assert job is not None
    assert all(job.is_completed(index) for index in shown)


@each_case("name", ["on_event", "stop_when", "tokens", "cost", "wait", "retry_on", "stop_on"])
def test_a_function_that_nobody_would_await_is_refused(job: Job, name: str) -> None:
    """Before the first call, by ``map`` and ``amap``: a call of it would do nothing, and a coroutine counts as true."""

    async def nobody_awaits(*_: object) -> None:
        """Do nothing."""

    def nobody_iterates(*_: object) -> Any:
        yield

    for function in (nobody_awaits, nobody_iterates):
        for loop in (job.map, job.amap):
            with pytest.raises(InvalidArgumentError, match=f"{name}=.*a plain function"):
                loop(pytest.fail, **{name: function})
    assert job.progress().completed_chunks == 0


def test_the_hook_must_be_a_function(job: Job) -> None:
    """Anything else is refused before the first call."""
    with pytest.raises(InvalidArgumentError, match="on_event='print' is no function"):
        job.map(pytest.fail, on_event="print")  # type: ignore[arg-type]


def test_store_map_tells_too(store: CheckpointStore) -> None:
    """The loop in one line has the same hook."""
    events: list[LoopEvent] = []
    store.map(str.upper, ["a"], file_name="f", on_event=events.append)
    assert told(events) == [("started", 0, 1), ("completed", 0, 1)]


def test_an_event_is_a_frozen_record(job: Job) -> None:
    """An event can be compared, pickled and written as JSON, and cannot be changed."""
    events: list[LoopEvent] = []
    list(job.map(str.upper, on_event=events.append))
    event = events[-1]
    assert pickle.loads(pickle.dumps(event)) == event
    assert json.loads(json.dumps(dataclasses.asdict(event)))["kind"] == "completed"
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.kind = "failed"  # type: ignore[misc]
