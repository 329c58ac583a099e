"""A plan opens while a loop over another plan of its file waits with calls in flight, and these calls open plans, too."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.execution.loops import deadlocks

from .claims_tools import CLAIM

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children

    from checkpoint_store import CheckpointStore, LoopEvent

PLANS = [list("abc"), list("axy"), list("abz")]


def open_plan(store: CheckpointStore, number: int) -> Any:
    """Open one of the plans."""
    return store.open_job("talk.txt", chunks=PLANS[number], on_change="reuse")


def test_calls_of_two_loops_that_open_a_third_plan_do_not_wait_for_each_other(store: CheckpointStore) -> None:
    """Each call in flight would wait for the other's end: the one that begins to wait last goes on at once."""
    texts = (["a", "b"], ["A", "x"])  # no text is in both: a loop takes over what the other plan has at its beginning
    both_have_an_item, through = threading.Barrier(3), threading.Semaphore(0)

    def work(text: str) -> str:
        if text in "bx":
            both_have_an_item.wait(60)
            open_plan(store, 2)
            through.release()
        return text.upper()

    loops = [store.open_job("talk.txt", chunks=each, on_change="reuse").map(work, workers=2) for each in texts]
    for loop in loops:
        next(loop)
    both_have_an_item.wait(60)
    assert all(through.acquire(timeout=60) for _ in loops)
    assert [[item.result for item in loop] for loop in loops] == [["B"], ["X"]]


@pytest.mark.slow
def test_a_call_in_flight_that_waits_for_a_thread_may_let_that_thread_open_a_plan(store: CheckpointStore) -> None:
    """The thread would wait for the call, which waits for the thread."""
    has_item, is_through = threading.Event(), threading.Event()

    def work(text: str) -> str:
        if text != "a":
            has_item.wait(60)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(open_plan, store, 1).result()
            is_through.set()
        return text.upper()

    loop = open_plan(store, 0).map(work, workers=2, only=range(2))
    next(loop)
    has_item.set()
    assert is_through.wait(60)
    assert [item.result for item in loop] == ["B"]


@pytest.mark.slow
def test_the_work_of_a_third_loop_that_waits_for_an_opening_ends_no_wait(store: CheckpointStore) -> None:
    """The calls that the opening waits for end by themselves: their results are taken over."""
    is_waiting = threading.Event()

    def work(text: str) -> str:
        if text != "a":
            is_waiting.wait(60)
        return text.upper()

    def open_in_a_thread(_: str) -> list[list[int]]:
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(open_plan, store, 2)
            threading.Timer(0.3, is_waiting.set).start()  # some looks later
            return [list(left) for left in opening.result().remaining()]

    loop = open_plan(store, 0).map(work, workers=2, only=range(2))
    next(loop)
    other = store.open_job("another.txt", chunks=["q"])
    assert [item.result for item in other.map(open_in_a_thread)] == [[[2]]]
    assert [item.result for item in loop] == ["B"]


def test_an_opening_goes_on_without_a_call_that_does_not_end(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The program may hold a lock that the call needs. The log says that the chunk may be paid for again."""
    monkeypatch.setattr(deadlocks, "_WAIT_SECONDS_MAX", 0.0)
    lock = threading.Lock()

    def work(text: str) -> str:
        if text != "a":
            with lock:
                return text.upper()
        return text.upper()

    with lock:
        loop = open_plan(store, 0).map(work, workers=2, only=range(2))
        next(loop)
        assert open_plan(store, 1).remaining() == [range(1, 3)]
    assert [item.result for item in loop] == ["B"]
    assert "opens without the results of the calls in flight" in caplog.text


def test_events_of_a_loop_come_in_its_own_thread_when_another_thread_opens_a_plan(store: CheckpointStore) -> None:
    """The opening records the results of the calls; the loop tells of them when it goes on, before it yields them."""
    told: list[tuple[str, int | None, str]] = []
    has_item = threading.Event()

    def note(event: LoopEvent) -> None:
        told.append((event.kind, event.index, threading.current_thread().name))

    def work(text: str) -> str:
        if text != "a":
            has_item.wait(60)
        return text.upper()

    def in_a_thread(call: Callable[[], object]) -> None:
        thread = threading.Thread(target=call, name="opening")
        thread.start()
        thread.join(60)

    loop = open_plan(store, 0).map(work, workers=3, on_event=note)
    next(loop)
    has_item.set()
    in_a_thread(lambda: open_plan(store, 1))
    assert store.jobs(file_name="talk.txt")[1].remaining() == []
    next(loop)
    assert sorted(str(index) for kind, index, _ in told if kind == "completed") == ["0", "1", "2"]
    assert {thread for _, _, thread in told} == {threading.current_thread().name}
    list(loop)


def test_an_opening_says_which_other_program_works_on_another_plan_of_the_file(
    store: CheckpointStore, children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    """The opening of a plan names the programs alone that still work: they pay for the same chunks."""
    job_id = open_plan(store, 0).job_id
    other = children.start(CLAIM, job_id, 1, "waits")
    assert other.stdout is not None
    other.stdout.readline()
    with caplog.at_level(logging.WARNING, "checkpoint_store"):
        open_plan(store, 1)
        children.finish(other, "\n")
        open_plan(store, 2)
    (line,) = caplog.messages
    assert f"process {other.pid} " in line
    assert line.endswith(f"store.job({job_id!r}).pause()")
