"""The futures of a loop's own threads: no result is lost, none is waited for in vain, and what is cancelled never runs."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store.loop.executors.local import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

LONG_SECONDS = 60.0


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Four threads that do the work."""
    made = Threads(4)
    yield made
    made.shutdown()


def wait_for_all(threads: Threads, futures: list[Future[Any]]) -> None:
    """Wait as a loop does: for one after the other."""
    left = futures
    while left:
        assert threads.wait(left, LONG_SECONDS)
        left = [future for future in left if not future.done()]


def test_results_and_errors_come_home(threads: Threads) -> None:
    """Each future has what its own work came to."""
    error = ValueError("no")

    def work(number: int) -> int:
        if number == 2:
            raise error
        return number

    futures = [threads.submit(work, number) for number in range(4)]
    assert [(future.done(), future.running()) for future in futures] == [(False, False)] * 4
    threads.hand_over()
    wait_for_all(threads, futures)
    assert [future.exception() for future in futures] == [None, None, error, None]
    assert [future.result() for future in futures if future.exception() is None] == [0, 1, 3]
    with pytest.raises(ValueError, match="no"):
        futures[2].result()


def test_what_ended_before_the_wait_is_not_waited_for(threads: Threads) -> None:
    """A loop does not wait for futures that ended before its wait."""
    ended = threading.Barrier(3)
    futures = [threads.submit(ended.wait, LONG_SECONDS) for _ in range(2)]
    threads.hand_over()
    ended.wait(LONG_SECONDS)
    wait_for_all(threads, futures)
    assert threads.wait(futures, LONG_SECONDS)
    assert not threads.wait([], 0.0)


def test_no_end_is_missed_in_many_rounds(threads: Threads) -> None:
    """However the ends of the work and the looks of the loop fall together, the loop wakes up."""
    for number in range(600):
        futures = [threads.submit(str, number) for _ in range(1 + number % 5)]
        threads.hand_over()
        wait_for_all(threads, futures)
        assert [future.result() for future in futures] == [str(number)] * len(futures)


def test_what_is_at_work_is_not_said_to_have_ended(threads: Threads) -> None:
    """The wait is over after its time; the future is running, and cannot be cancelled."""
    began, may_end = threading.Event(), threading.Event()

    def work() -> str:
        began.set()
        assert may_end.wait(LONG_SECONDS)
        return "x"

    future = threads.submit(work)
    threads.hand_over()
    assert began.wait(LONG_SECONDS)
    assert not threads.wait([future], 0.01)
    assert (future.running(), future.cancel(), future.cancelled()) == (True, False, False)
    may_end.set()
    wait_for_all(threads, [future])
    assert future.result() == "x"


def test_work_that_was_cancelled_before_a_thread_took_it_is_never_done() -> None:
    """After a second Ctrl-C nothing more is paid for."""
    threads = Threads(1)
    began, may_end = threading.Event(), threading.Event()
    called: list[int] = []

    def first() -> None:
        began.set()
        assert may_end.wait(LONG_SECONDS)

    futures = [threads.submit(first), threads.submit(called.append, 1), threads.submit(called.append, 2)]
    threads.hand_over()
    assert began.wait(LONG_SECONDS)
    assert futures[1].cancel()
    assert (futures[1].done(), futures[1].cancelled()) == (True, True)
    may_end.set()
    wait_for_all(threads, futures)
    threads.shutdown()
    assert called == [2]
    with pytest.raises(CancelledError):
        futures[1].result()
