"""``run`` while standard error cannot be written, or nobody reads it: each answer that was paid for is recorded."""

from __future__ import annotations

import os
import pty
import signal
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest
from conftest import full_pipe, program, wait_until

from checkpoint_store.cli import notices
from checkpoint_store.cli.app import run_command_line
from checkpoint_store.cli.notices import Notices
from checkpoint_store.cli.run import work

from .conftest import SIX
from .test_interrupts import WAITING_COMMAND, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder

TWO = ("--chunk-size", "130", "--overlap", "0")
TALKING = program(__file__, "talk_and_answer")


def paid_calls(folder: Folder) -> int:
    """Return how many calls of the talking COMMAND were paid for."""
    return len(folder.read("paid.log").split())


def broken_stderr(how: str) -> TextIO:
    """Return a stream that nothing can be written to."""
    if how == "full disk":
        return Path("/dev/full").open("w", encoding="utf-8")
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


@pytest.mark.slow_variants
@pytest.mark.parametrize("more", [(), ("--retries", "2")], ids=["first failure", "retries"])
@pytest.mark.parametrize("how", ["full disk", "closed pipe"])
def test_words_that_cannot_be_shown_fail_no_chunk(
    lecture: Folder, how: str, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``2> run.log`` on a full disk, ``2>&1 | head``: one call for each chunk, and the run ends as ever."""
    monkeypatch.chdir(lecture.path)
    words = ["run", "lecture.txt", *TWO, *more, *lecture.command(TALKING), "10"]
    with broken_stderr(how) as err, redirect_stderr(err):
        assert run_command_line(["checkpoint-store", *words]) == 0
    assert paid_calls(lecture) == 2
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow_variants
@pytest.mark.parametrize("more", [(), ("--retries", "2")], ids=["first failure", "retries"])
def test_a_fault_of_the_program_ends_the_run_and_fails_no_chunk(
    lecture: Folder, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every chunk would meet it: it is not tried again at the price of another call, whatever its class is."""

    def fault(*_: object) -> None:
        raise OSError("a fault of the program")

    words = ("run", "lecture.txt", *TWO, *more, *lecture.command(TALKING), "10")
    with monkeypatch.context() as patch:
        patch.setattr(work, "_result", fault)
        assert "a fault of the program" in lecture.run(*words, code=2).stderr
    assert paid_calls(lecture) == 1
    assert lecture.json("show")["failed_chunks"] == 0
    lecture.run(*words)


def test_the_text_reaches_stdout_although_stderr_is_closed(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """``run --output - 2> >(head -1)``: the whole text, and exit 0."""
    monkeypatch.chdir(lecture.path)
    words = ["run", "lecture.txt", *SIX, "--output", "-"]
    with (
        broken_stderr("closed pipe") as err,
        Path("text").open("w", encoding="utf-8") as out,
        redirect_stderr(err),
        redirect_stdout(out),
    ):
        assert run_command_line(["checkpoint-store", *words]) == 0
    assert lecture.read("text").count("Paragraph") == 6


@pytest.mark.slow_variants
@pytest.mark.parametrize("words", [("show", "nojob"), ("show", "--nonsense")], ids=" ".join)
def test_an_error_that_nobody_reads_keeps_its_exit_code(
    lecture: Folder, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``show nojob 2>&1 | true`` ends with 2, as a command whose error is read."""
    lecture.run("run", "lecture.txt", *SIX)
    monkeypatch.chdir(lecture.path)
    with broken_stderr("closed pipe") as err, redirect_stderr(err):
        assert run_command_line(["checkpoint-store", *words]) == 2


@pytest.mark.slow
def test_a_process_whose_stderr_is_full_ends_with_its_own_exit_code(folder: Folder) -> None:
    """Python's own flush at the end finds nothing left to write."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = folder.process("show", "nojob", stderr=full)
        process.communicate()
    assert process.returncode == 2


@pytest.mark.slow
def test_a_terminal_that_closes_pauses_the_run(lecture: Folder) -> None:
    """SIGHUP, and words of COMMAND for a terminal that is gone: exit 75, and the chunk in hand is recorded."""
    lecture.write("hold", "")
    words = ("run", "lecture.txt", *TWO, *lecture.command(TALKING), "10")
    screen, terminal = pty.openpty()
    with lecture.process(*words, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        wait_for(lecture.path / "paid.log", process)
        os.close(screen)
        process.send_signal(signal.SIGHUP)
        (lecture.path / "hold").unlink()
    assert process.returncode == 75
    assert paid_calls(lecture) == lecture.json("show")["completed_chunks"] == 1


@pytest.mark.slow
def test_a_reader_that_stands_still_keeps_no_answer_unrecorded(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped ``less``: all chunks are done and the text is written before it goes on, and it gets every word."""
    monkeypatch.chdir(lecture.path)
    read: list[bytes] = []
    reader, writer = os.pipe()

    def read_when_all_is_done() -> None:
        wait_until((lecture.path / "lecture.cleaned.txt").exists)
        with open(reader, "rb", buffering=0) as file:
            while piece := file.read(65_536):
                read.append(piece)

    thread = threading.Thread(target=read_when_all_is_done)
    thread.start()
    words = ["run", "lecture.txt", *TWO, *lecture.command(TALKING), "100000"]
    with os.fdopen(writer, "w", encoding="utf-8") as err, redirect_stderr(err):
        assert run_command_line(["checkpoint-store", *words]) == 0
    thread.join()
    text = b"".join(read).decode()
    assert text.count("w" * 100_000) == 2
    assert "2 chunks done" in text[text.rindex("w" * 100_000) :]


@pytest.mark.slow
def test_a_signal_ends_a_run_whose_notices_nobody_reads(lecture: Folder) -> None:
    """SIGTERM finishes the chunk in hand and pauses, although the screen stands still (Ctrl-S)."""
    reader, writer = full_pipe()
    with lecture.process("run", "lecture.txt", *SIX, *lecture.command(WAITING_COMMAND), stderr=writer) as process:
        wait_for(lecture.path / "waiting", process)
        process.send_signal(signal.SIGTERM)
        lecture.write("release", "")
    assert process.returncode == 75
    os.close(writer)
    os.close(reader)
    assert lecture.json("show")["completed_chunks"] == 3


@contextmanager
def unread(patch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard error a pipe that nobody reads, and give its other end; no look at a reader takes time."""
    patch.setattr(notices, "READER_LOOK_SECONDS", 0.001)
    patch.setattr(notices, "READER_PATIENCE_SECONDS", 0.0)
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as err, redirect_stderr(err):
        yield reader
    os.close(reader)


def read_all(reader: int, said: Notices) -> bytes:
    """Read until nothing is left to write."""
    text = b""
    while said.is_behind:
        text += os.read(reader, 1 << 20)
    return text + os.read(reader, 1 << 20)


def test_only_the_last_words_are_kept_for_a_reader_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A COMMAND that talks all night fills no memory, and the reader learns how the work ended."""
    said = Notices()
    with unread(monkeypatch) as reader, said.at_work():
        for _ in range(100):
            said.write(f"{'w' * 50_000}\n")
        said.write("done\n")
        text = read_all(reader, said)
    assert text.count(b"w" * 50_000) < 30
    assert b"notices that nobody read are left out here" in text
    assert text.endswith(b"done\n")


def test_a_command_that_is_to_end_waits_for_no_reader_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader had its time; a word after that is kept for it, and costs no more time."""
    said = Notices()
    said.hurry()
    with unread(monkeypatch) as reader:
        said.write("w" * 1_000_000)
        said.write("the last word")
        assert said.is_behind
        assert read_all(reader, said).endswith(b"the last word")
