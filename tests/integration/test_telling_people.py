"""What tells people of a loop is in trouble, a live bar or a log: no chunk that is paid for is lost, and no loop ends."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager, redirect_stderr, suppress
from typing import TYPE_CHECKING

import pytest
from conftest import full_pipe

from checkpoint_store.errors import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from checkpoint_store import CheckpointStore

CHUNKS = list("abcdef")


@contextmanager
def stderr_in_trouble(how: str) -> Iterator[None]:
    """Make standard error a stream that is full, closed at its other end, or read by nobody."""
    reader, writer = full_pipe()
    if how == "closed pipe":
        os.close(reader)
    err = os.fdopen(os.open("/dev/full", os.O_WRONLY) if how == "full disk" else writer, "w", encoding="utf-8")
    with redirect_stderr(err):
        yield
    with suppress(OSError):  # what could not be written is not written now
        err.close()
    for number in {"closed pipe": (), "full disk": (reader, writer)}.get(how, (reader,)):
        os.close(number)


@pytest.mark.slow_variants
@pytest.mark.parametrize("how", ["full disk", "closed pipe", "nobody reads"])
def test_a_bar_that_cannot_be_shown_ends_no_loop(store: CheckpointStore, how: str) -> None:
    """``progress=True`` with a terminal that is gone, or stands still: every chunk is done and yielded."""
    with stderr_in_trouble(how):
        assert store.map(str.upper, CHUNKS, file_name="talk.txt", progress=True) == list("ABCDEF")


def test_a_bar_is_shown_in_a_terminal_without_a_size(store: CheckpointStore) -> None:
    """The terminal of a container may have 0 columns and 0 lines: ``progress=True`` shows the bar there, too."""
    screen, terminal = os.openpty()
    try:
        with os.fdopen(terminal, "w", encoding="utf-8") as err, redirect_stderr(err):
            store.map(str.upper, CHUNKS, file_name="talk.txt", progress=True)
            assert b"talk.txt: 100%" in os.read(screen, 65536)
    finally:
        os.close(screen)


def test_a_bar_that_cannot_read_the_store_ends_no_loop(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts on the screen stay as they were while another process keeps the store locked."""
    job = store.open_job("talk.txt", chunks=CHUNKS)

    def busy(*_: object) -> None:
        raise StoreBusy("talk.db", 0.0)

    monkeypatch.setattr(type(job._execution.recorded), "failure_counts", busy)
    assert [item.result for item in job.map(str.upper, progress=True)] == list("ABCDEF")


class Broken(logging.Handler):
    """A handler that raises for each record, as a strict one does whose server is away."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        raise RuntimeError(f"no server takes {record.msg!r}")


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Add a broken handler to the log of the package; give the errors that were reported."""
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    log, handler = logging.getLogger("checkpoint_store"), Broken()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield reported
    log.removeHandler(handler)
    log.setLevel(before)


def test_a_log_that_raises_ends_no_loop(store: CheckpointStore, faults: list[Any]) -> None:
    """A try that is repeated is logged: the loop goes on, and the error of the handler is reported as in a thread."""
    calls: list[str] = []

    def work(chunk: str) -> str:
        calls.append(chunk)
        if len(calls) == 2:
            raise ConnectionError("once")
        return chunk.upper()

    assert store.map(work, CHUNKS, file_name="talk.txt", wait=0) == list("ABCDEF")
    assert len(calls) == len(CHUNKS) + 1
    assert {fault.exc_type for fault in faults} == {RuntimeError}
