"""How a loop ends: in time, by a pause, by a signal."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conftest import program, wait_until

from checkpoint_store import CheckpointStore, Job, JobPaused

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener
from .map_tools import CHUNKS, Flaky


@pytest.fixture
def job(store: CheckpointStore) -> Job:
    """A job of twelve chunks."""
    return store.open_job("talk.srt", chunks=CHUNKS)


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


def test_work_that_hangs_everywhere_pauses_the_job(job: Job) -> None:
    """A service that lets every call hang fails no chunk and no job, also where the calls keep a pool of the caller."""
    hangs = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        try:
            with pytest.raises(TimeoutError, match=r"has taken all .* give each call a time limit of its own"):
                list(job.map(lambda _: hangs.wait(60), executor=pool, timeout_seconds=0.1, wait=0))
        finally:
            hangs.set()
    assert (job.status, job.failed_chunks()) == ("paused", [])


@pytest.mark.slow
def test_a_late_result_is_recorded(job: Job) -> None:
    """A result that comes after its time-out was paid for: it is recorded, and its chunk is not called again."""
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


@pytest.mark.slow
def test_a_late_result_is_yielded_once(store: CheckpointStore) -> None:
    """A late result is yielded once, even if the next try at its chunk comes to an equal result."""
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


@pytest.mark.slow
def test_a_program_ends_although_a_thread_hangs(children: Children) -> None:
    """The exit waits for no thread of ours."""
    assert (
        children.run(program(__file__, "thread_hangs")) == "['a', None, 'c']\nTimeoutError: it took longer than 1 s\n"
    )


@pytest.mark.slow
def test_a_hanging_place_of_a_callers_executor_blames_no_other_chunk(job: Job) -> None:
    """What waits for its place has not begun: it is not timed out for it."""
    go = threading.Event()

    def work(text: str) -> str:
        if text == CHUNKS[0]:
            go.wait(60)
        return text

    with ThreadPoolExecutor(2) as pool:
        list(job.map(work, executor=pool, timeout_seconds=1, on_error="record", max_attempts=1))
        assert [record.chunk_index for record in job.failed_chunks()] == [0]
        assert job.progress().completed_chunks == 11
        go.set()
    assert job.progress().completed_chunks == 12  # what it came to was paid for


@pytest.mark.slow
def test_no_time_passes_for_what_waits_for_a_place(job: Job) -> None:
    """More workers than the executor has places: a chunk's time begins with its work."""
    with ThreadPoolExecutor(1) as pool:
        items = list(
            job.map(lambda _: time.sleep(0.2) or "done", executor=pool, workers=12, timeout_seconds=2, max_attempts=1)
        )
    assert (len(items), job.status) == (12, "completed")


def test_an_executor_whose_every_place_hangs_ends_the_loop(job: Job) -> None:
    """A loop ends with ``TimeoutError`` if every place of its executor hangs, instead of waiting for ever."""
    go = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(TimeoutError, match="2 at a time"):
            list(job.map(lambda _: go.wait(60), executor=pool, timeout_seconds=0.2, on_error="record"))
        assert job.progress().completed_chunks == 0
        go.set()


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


@pytest.mark.slow
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
    with pytest.raises(ZeroDivisionError):
        for _ in loop:
            _ = 1 / 0
    loop.close()
    assert job.progress().completed_chunks == len(calls) < 100
    assert (job.status, job.running_chunks(), job.in_doubt_chunks()) == ("paused", [], [])


SIGNALS = program(__file__, "wait_in_map")


ENDS_BY = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGHUP: 128 + signal.SIGHUP}


# -- signals


@pytest.mark.slow
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


@pytest.mark.slow
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
    """A signal handler of the program's own is called in place of ours, and the loop goes on."""
    process = children.start(SIGNALS, 1, "own handler")
    children.next_line(process)
    process.send_signal(signal.SIGINT)
    assert children.next_line(process) == "mine"
    (tmp_path / "go").touch()
    printed = children.finish(process).splitlines()
    assert printed[-1] == "end 10 completed 10 0"


def test_one_ctrl_c_ends_every_loop_of_the_process(children: Children) -> None:
    """A loop in the body of another one, and a loop in another thread, whose caller gets JobPaused."""
    assert (
        children.run(program(__file__, "press_in_three_loops"))
        == "True\nTrue\npaused paused paused True True True\n['A']\n"
    )


@pytest.mark.slow
def test_ctrl_c_works_after_a_loop_that_another_thread_closed(children: Children) -> None:
    """The handlers are put back at the first signal, and what it would have done it does."""
    assert children.run(program(__file__, "close_in_thread"), code=-signal.SIGTERM) == "interrupted\n"


def test_a_child_that_is_forked_in_a_loop_ends_by_sigterm_at_once(children: Children) -> None:
    """A child that is forked in a loop ends by SIGTERM at once, so a broken pool does not hang its program."""
    assert children.run(program(__file__, "fork_and_terminate")) == "['ended']\n"


@pytest.mark.slow
def test_map_works_in_any_thread(children: Children) -> None:
    """Signals are for the main thread; elsewhere nothing is changed."""
    assert children.run(program(__file__, "map_in_threads")) == "paused\ncompleted\n"
