"""A job log that two runs share, on a disk that is full, and with lines that are long: whole lines only."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.run import joblog
from checkpoint_store.cli.run.command.outcome import CommandCall
from checkpoint_store.cli.screen import Screen

from .conftest import SIX
from .test_joblog import HEADER, WORDS, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder


class Disk:
    """Has room for so many bytes more; a write for which there is not enough takes what fits, as write(2) does."""

    def __init__(self) -> None:
        self.room = sys.maxsize

    def write(self, file: int, data: bytes) -> int:
        fits = data[: self.room]
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(fits)
        return os.write(file, fits)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of the log."""
    found = Disk()

    class Os:
        def __getattr__(self, name: str) -> object:
            return found.write if name == "write" else getattr(os, name)

    monkeypatch.setattr(joblog, "os", Os())
    return found


@pytest.fixture
def logs(folder: Folder) -> Iterator[list[joblog.JobLog]]:
    """The same log as two runs have it open."""
    with ExitStack() as stack:
        store = stack.enter_context(CheckpointStore(folder.path / "talks.db"))
        both = [joblog.JobLog(folder.path / "log.tsv", (f"run-{number}",), [], Screen()) for number in range(2)]
        for log in both:
            stack.enter_context(log.opened(store))
        yield both


def call(index: int) -> CommandCall:
    return CommandCall(str(index), "talk.txt", 1)


def test_no_half_line_stands_before_the_line_of_another_run(
    folder: Folder, disk: Disk, logs: list[joblog.JobLog]
) -> None:
    """A line that did not fit on a full disk leaves no half line before the line of another run."""
    one, other = logs
    one.write(call(0))
    disk.room = 20
    one.write(call(1))
    assert [row["Seq"] for row in lines(folder)] == ["0"]
    disk.room = sys.maxsize
    other.write(call(2))
    one.write(call(3))
    assert [row["Seq"] for row in lines(folder)] == ["0", "2", "1", "3"]


def test_lines_that_fit_are_kept_and_the_rest_is_written_later(
    folder: Folder, disk: Disk, logs: list[joblog.JobLog], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three lines that wait there is room for one and a half; the user is told once."""
    log = logs[0]
    log.write(call(0))
    size = (folder.path / "log.tsv").stat().st_size - len(HEADER)
    disk.room = 0
    log.write(call(1))
    log.write(call(2))
    disk.room = size * 3 // 2
    log.write(call(3))
    assert [row["Seq"] for row in lines(folder)] == ["0", "1"]
    disk.room = sys.maxsize
    log.write(call(4))
    assert [row["Seq"] for row in lines(folder)] == ["0", "1", "2", "3", "4"]
    assert capsys.readouterr().err.count("No space left on device; the run goes on") == 1


def test_a_run_that_is_stopped_while_it_writes_keeps_no_other_run_waiting(
    folder: Folder, logs: list[joblog.JobLog], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-Z in the wrong moment: the answers of the other run are recorded, and their lines are written later."""
    monkeypatch.setattr(joblog, "_LOCK_SECONDS_MAX", 0.0)
    with (folder.path / "log.tsv").open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        logs[0].write(call(0))
        logs[0].write(call(1))
        assert lines(folder) == []
    logs[0].write(call(2))
    assert [row["Seq"] for row in lines(folder)] == ["0", "1", "2"]
    assert capsys.readouterr().err.count("another run keeps it locked; the run goes on") == 1


def test_the_end_of_a_run_waits_for_a_run_that_writes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that are kept since a lock was met have their last chance then."""
    log = joblog.JobLog(folder.path / "log.tsv", ("run-0",), [], Screen())
    with CheckpointStore(folder.path / "talks.db") as store, ExitStack() as stack:
        with log.opened(store):
            theirs = stack.enter_context((folder.path / "log.tsv").open("rb"))
            fcntl.flock(theirs, fcntl.LOCK_EX)
            monkeypatch.setattr(joblog, "_LOCK_SECONDS_MAX", 0.0)
            log.write(call(0))
            monkeypatch.setattr(joblog, "_LOCK_SECONDS_MAX", 60.0)
            monkeypatch.setattr(joblog.time, "sleep", lambda _: fcntl.flock(theirs, fcntl.LOCK_UN))
        assert [row["Seq"] for row in lines(folder)] == ["0"]


def test_what_another_program_appends_is_never_cut_off(folder: Folder, disk: Disk, logs: list[joblog.JobLog]) -> None:
    """GNU parallel takes no lock: where it appended in the meantime, the half line stays."""
    write, theirs = disk.write, "9\t:\t1.000\t     1.000\t1\t1\t0\t0\ttheirs\n"

    def write_and_append(file: int, data: bytes) -> int:
        done = write(file, data)
        with (folder.path / "log.tsv").open("a") as log:
            log.write(theirs)
        return done

    disk.room = 20
    disk.write = write_and_append  # type: ignore[method-assign]
    logs[0].write(call(0))
    assert folder.read("log.tsv").endswith(theirs)


def test_half_a_header_is_no_log(lecture: Folder, disk: Disk) -> None:
    """A disk without room for the header of the job log is exit 2 before any work; the next run begins the log."""
    disk.room = 3
    assert "No space left on device" in lecture.run(*WORDS, *lecture.command(), code=2).stderr
    assert (lecture.read("log.tsv"), lecture.calls()) == ("", [])
    disk.room = sys.maxsize
    lecture.run(*WORDS, *lecture.command())
    assert len(lines(lecture)) == 6


def test_a_long_torn_line_is_taken_off(lecture: Folder) -> None:
    """The words of COMMAND may be a prompt of 100 KB: a torn line of that length goes, and the one before it stays."""
    whole = "\t".join(["0", ":", "1.000", "     1.000", "1", "1", "0", "0", "x" * 100_000]) + "\n"
    lecture.write("log.tsv", HEADER + whole + "1\t:\t1.000\t" + "y" * 100_000)
    lecture.run(*WORDS)
    assert lines(lecture)[0]["Command"] == "x" * 100_000
    assert len(lines(lecture)) == 7


def test_names_that_are_no_text_are_logged(folder: Folder) -> None:
    """Tabs, line ends and bytes that are no UTF-8 in FILE and COMMAND: one line each, and every column is whole."""
    name = "a\tb\nc\udcff.txt"
    (folder.path / name).write_text("One.")
    words = folder.command("import sys\nprint(sys.stdin.read())")
    folder.run("run", name, *SIX, "--joblog", "log.tsv", *words, "x\udcffy")
    (row,) = lines(folder)
    assert row["Command"].startswith(r"CHECKPOINT_STORE_FILE=$'a\x09b\x0ac\xff.txt' ")
    assert row["Command"].endswith(r"$'x\xffy'")
