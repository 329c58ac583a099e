"""A loop that waits long for another process says so; it tells to take chunks only from a process that stands still."""

from __future__ import annotations

import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.execution.claims import long_wait
from checkpoint_store.execution.claims.long_wait import LongWait

from .claims_tools import CLAIM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Children

    from checkpoint_store import CheckpointStore


@contextmanager
def answers_once_logged(words: str, answer: Callable[[], None]) -> Iterator[None]:
    """Call a function when these words stand in the log for the first time."""
    answers = [answer]

    class Answers(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage() and answers:
                answers.pop()()

    handler = Answers()
    logging.getLogger("checkpoint_store").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("checkpoint_store").removeHandler(handler)


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["map", "pending"])
def test_a_long_wait_for_a_stopped_runner_is_logged(
    store: CheckpointStore,
    children: Children,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loop: str,
) -> None:
    """The log names the chunk, the runner and the calls that help; the loop goes on once the runner does."""
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    job = store.open_job("talk.srt", total_chunks=2)
    process = children.start(CLAIM, "talk.srt", 1, "completes")
    assert children.next_line(process) == "0"
    process.send_signal(signal.SIGSTOP)

    def go_on() -> None:
        process.send_signal(signal.SIGCONT)
        children.finish(process, "go\n")

    with answers_once_logged("waits for", go_on):
        if loop == "map":
            list(job.map(lambda index: index))
        else:
            for chunk in job.pending(wait=True):
                chunk.complete(chunk.index)
    assert job.result(0) == "late"
    (runner,) = [record for record in caplog.messages if "waits for" in record]
    assert "waits for 1 chunk, from chunk 0 on, that runner 1 has at work" in runner
    assert f"Runner 1 is process {process.pid}, which was stopped" in runner
    assert "job.release_runner(1) frees its chunks" in runner


def test_a_long_call_of_another_process_is_no_reason_to_take_its_chunk(
    store: CheckpointStore,
    children: Children,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No warning, and no advice that has a chunk paid for twice: whoever follows it takes the chunk of a healthy run."""
    caplog.set_level(logging.INFO, "checkpoint_store")
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    job = store.open_job("talk.srt", total_chunks=2)
    process = children.start(CLAIM, "talk.srt", 1, "completes")
    assert children.next_line(process) == "0"
    with answers_once_logged("waits for", lambda: children.finish(process, "go\n")):
        list(job.map(lambda index: index))
    (record,) = [record for record in caplog.records if "waits for" in record.getMessage()]
    assert (record.levelname, "release_runner" in record.getMessage()) == ("INFO", False)


@pytest.mark.slow
def test_a_loop_of_this_process_is_never_named(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads share a runner: to release it would end the loop of the other thread."""
    caplog.set_level(logging.INFO, "checkpoint_store")
    monkeypatch.setattr(long_wait, "_LONG_WAIT_SECONDS", 0.0)
    job = store.open_job("talk.srt", total_chunks=2)
    waits = LongWait.note
    looks = threading.Semaphore(0)
    monkeypatch.setattr(LongWait, "note", lambda self, held: (waits(self, held), looks.release()))
    begun = threading.Event()

    def work(index: int) -> int:
        if index == 0:
            begun.set()
            assert all(looks.acquire(timeout=30) for _ in range(3))  # the other loop has waited for a while
        return index

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: list(job.map(work)))
        assert begun.wait(30)
        list(job.map(work))
        first.result()
    assert job.progress().completed_chunks == 2
    assert [message for message in caplog.messages if "waits for" in message] == []
