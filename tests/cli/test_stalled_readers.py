"""The reader of a document of --json stands still: a signal ends the command all the same."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import termios
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import full_pipe, wait_until

from checkpoint_store import CheckpointStore
from checkpoint_store.cli import stdout as stdout_module
from checkpoint_store.cli.app import _failed
from checkpoint_store.cli.ended import Terminated
from checkpoint_store.cli.stdout import begin_document

if TYPE_CHECKING:
    from .conftest import Folder


_PIPE_BYTES = 65_536


def bytes_in(pipe: Any) -> int:
    """How many bytes wait in a pipe to be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def sleeps(pid: int) -> bool:
    """Whether a process waits: it is neither at work nor in line for a processor."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2].startswith("S")


def fill(store_path: Path) -> None:
    """Make a job whose results have many times the bytes that a pipe takes."""
    with CheckpointStore(store_path, durability="process") as store:
        job = store.open_job("talk.txt", total_chunks=200)
        job.complete_many((index, {"cleaned_text": "x" * 4_000}) for index in range(200))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("words", [("results", "--json"), ("export",)], ids=" ".join)
def test_a_signal_ends_a_command_whose_reader_stands_still(
    folder: Folder, words: tuple[str, ...], number: int, code: int
) -> None:
    """Nobody reads on, and nobody has to kill it: it ends with the usual code, and says nothing behind the tear."""
    fill(folder.path / ".processing_state.db")
    with folder.process(*words) as process:
        assert process.stdout is not None
        wait_until(lambda: bytes_in(process.stdout) > _PIPE_BYTES - 6_000 and sleeps(process.pid))
        process.send_signal(number)
        assert process.wait(60) == code
        document = process.stdout.read()
    assert "Terminated" not in document[-300:]
    with pytest.raises(json.JSONDecodeError):
        json.loads(document)


def test_a_slow_reader_gets_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reader gets the whole text, even if the process is asked to end and a letter takes several bytes."""
    text, ends = "ü" * 100_000, os.pipe()
    read: list[bytes] = []

    def read_slowly() -> None:
        with open(ends[0], "rb", buffering=0) as file:
            while piece := file.read(3_000):
                read.append(piece)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    with open(ends[1], "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert stdout_module.write_patiently(text, lambda: True)
    reader.join()
    assert b"".join(read).decode() == text


def test_a_reader_that_stands_still_is_given_up_only_if_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signal the text waits for its reader, however long that takes."""
    asked = iter([False, False, True])
    reading, writing = os.pipe()
    monkeypatch.setattr(stdout_module, "READER_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(stdout_module, "READER_LOOK_SECONDS", 0.001)
    with open(reading, "rb"), open(writing, "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        assert not stdout_module.write_patiently("x" * 1_000_000, lambda: next(asked))
    assert list(asked) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt("interrupted"), Terminated(signal.SIGTERM)], ids=["^C", "TERM"])
def test_the_last_word_of_a_signal_waits_for_no_reader(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The signal came between two pieces of a document, and nobody takes the piece that tells of it."""
    monkeypatch.setattr(stdout_module, "READER_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(stdout_module, "READER_LOOK_SECONDS", 0.001)
    reading, writing = full_pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        begin_document()
        assert _failed(["checkpoint-store", "list", "--json"], error, 130) == 130
