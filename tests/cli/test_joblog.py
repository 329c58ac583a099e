"""``--joblog``: a line for each try, in the columns of GNU parallel."""

from __future__ import annotations

import csv
import fcntl
import os
import resource
import shlex
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.run import joblog
from checkpoint_store.cli.run.command.outcome import CommandCall
from checkpoint_store.cli.screen import Screen

from .conftest import SIX
from .test_interrupts import WAITING_COMMAND, is_alive, until, wait_for

if TYPE_CHECKING:
    from .conftest import Folder

COLUMNS = ["Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"]
HEADER = "\t".join(COLUMNS) + "\n"
WORDS = ("run", "lecture.txt", *SIX, "--joblog", "log.tsv")
# Exits with 3 at paragraph 1, is killed at paragraph 2, prints nothing at paragraph 3, and answers the others.
TROUBLED = program(__file__, "troubled")


def lines(folder: Folder, name: str = "log.tsv") -> list[dict[str, str]]:
    """Return the lines of a log; each has every column, and nothing is quoted."""
    text = folder.read(name)
    assert text.startswith(HEADER)
    assert text.endswith("\n")
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert all(list(row) == COLUMNS and None not in row.values() for row in rows)
    return rows


def endings(folder: Folder) -> list[tuple[int, int, int]]:
    """Return chunk, exit value and signal of each line, ordered."""
    return sorted((int(row["Seq"]), int(row["Exitval"]), int(row["Signal"])) for row in lines(folder))


@pytest.mark.parametrize("retries", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_try_has_a_line(lecture: Folder, retries: int) -> None:
    """With several workers and retries: exit values, signals, bytes and times are those of the real processes."""
    before = time.time()
    command = lecture.command(TROUBLED)
    lecture.run(*WORDS, "--workers", 3, "--retries", retries, "--halt", "never", *command, code=1)
    failed = [(1, 3, 0), (2, 0, 9), (3, -1, 0)] * (retries + 1)
    assert endings(lecture) == sorted([(0, 0, 0), *failed, (4, 0, 0), (5, 0, 0)])
    for row in lines(lecture):
        assert row["Host"] == ":"
        assert before - 1 <= float(row["Starttime"]) <= time.time()
        assert 0 < float(row["JobRuntime"]) <= time.time() - before
        size = len("Paragraph 0 says one thing and another.")
        answered = row["Exitval"] == "0" and row["Signal"] == "0"
        assert (int(row["Send"]), int(row["Receive"])) == (size, size + 1 if answered else 0)
        assert shlex.split(row["Command"]) == ["CHECKPOINT_STORE_FILE=lecture.txt", *command[1:]]


def test_the_log_is_0600(lecture: Folder) -> None:
    """Others cannot read a new log, whatever the umask; one that is there keeps its mode."""
    mask = os.umask(0)
    try:
        lecture.run(*WORDS)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((lecture.path / "log.tsv").stat().st_mode) == 0o600
    (lecture.path / "log.tsv").chmod(0o644)
    lecture.run(*WORDS, "--fresh", "--force")
    assert stat.S_IMODE((lecture.path / "log.tsv").stat().st_mode) == 0o644
    assert [row["Command"] for row in lines(lecture)] == ["CHECKPOINT_STORE_FILE=lecture.txt built-in 2"] * 12


@pytest.mark.slow
def test_a_resumed_run_appends(lecture: Folder) -> None:
    """Killed in the middle and resumed, there is one header, no torn line, and each try that ended has its line."""
    process = lecture.process(*WORDS, *lecture.command(WAITING_COMMAND))
    wait_for(lecture.path / "waiting", process)
    assert endings(lecture) == [(0, 0, 0), (1, 0, 0)]  # written as each ends, and not at the end of the run
    process.kill()
    process.communicate()
    lecture.write("release", "")
    until(lambda: not is_alive(int(lecture.read("waiting"))))
    torn = lecture.read("log.tsv") + "2\t:\t17957"
    lecture.write("log.tsv", torn)
    lecture.run("resume")
    assert endings(lecture) == [(index, 0, 0) for index in range(6)]
    assert lecture.read("log.tsv").count("Seq") == 1


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "text", ["", "Seq\tHo", HEADER, f"{HEADER}2\t:\t17957"], ids=["empty", "torn header", "header", "torn line"]
)
def test_a_log_that_was_just_begun_goes_on(lecture: Folder, text: str) -> None:
    """An empty file, half a header, a whole one, and half a line of an earlier run all become a log."""
    lecture.write("log.tsv", text)
    lecture.run(*WORDS)
    assert len(lines(lecture)) == 6


def test_two_files_share_a_log(lecture: Folder) -> None:
    """Each line names its file; a plus before the name, as parallel wants it for appending, changes nothing."""
    lecture.write("it's two.txt", "Two.")
    lecture.run("run", "lecture.txt", "it's two.txt", *SIX, "--joblog", "+log.tsv")
    files = [shlex.split(row["Command"])[0] for row in lines(lecture)]
    assert files == ["CHECKPOINT_STORE_FILE=lecture.txt"] * 6 + ["CHECKPOINT_STORE_FILE=it's two.txt"]


def test_two_runs_that_begin_a_log_write_one_header(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one waits until the first has written the header of the empty file, and then appends."""
    path = folder.write("log.tsv", "")
    has_opened = threading.Event()
    monkeypatch.setattr(joblog, "give_to_owner", lambda *_: has_opened.set())
    log = joblog.JobLog(path, ("clean",), [], Screen())

    def begin() -> None:
        with log.opened(store):
            log.write(CommandCall("0", "talk.txt", 1))

    with CheckpointStore(folder.path / "talks.db") as store:
        second = threading.Thread(target=begin)
        with path.open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            second.start()
            assert has_opened.wait(60)
            second.join(0.2)
            assert second.is_alive()
            first.write(HEADER)
        second.join()
    assert [row["Command"] for row in lines(folder)] == ["CHECKPOINT_STORE_FILE=talk.txt clean"]
    assert folder.read("log.tsv").count("Seq") == 1


def test_a_command_of_several_lines_is_one_line(lecture: Folder) -> None:
    """Line ends, tabs and what steers a screen are written so that a shell reads the same words, and nothing else."""
    source = "import sys\nif True:\n\tprint(sys.stdin.read())  # \x1b[31m"
    lecture.run(*WORDS, "--", sys.executable, "-c", source, "\u202e")
    command = lines(lecture)[0]["Command"]
    assert not set(command) & set("\n\t\x1b\u202e")
    assert r"import sys\x0aif True:\x0a\x09print" in command


@pytest.mark.parametrize(
    ("command", "options", "expected"),
    [
        (("sleep", "60"), ("--timeout", "0.1"), ("-1", "9")),
        (("./absent",), (), ("127", "0")),
        (("./lecture.txt",), (), ("126", "0")),
    ],
    ids=["too slow", "not there", "no program"],
)
def test_how_a_try_went(lecture: Folder, command: tuple[str, ...], options: tuple[str, ...], expected: object) -> None:
    """-1 is a try that took too long; a program that cannot be started has the code that a shell gives it."""
    lecture.run(*WORDS, *options, "--", *command, code=1)
    assert [(row["Exitval"], row["Signal"]) for row in lines(lecture)] == [expected]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent/log.tsv", "there is no folder absent"),
        ("folder", "Is a directory"),
        ("notes.txt", "no job log"),
        ("link", "symbolic link"),
        ("pipe", "no regular file"),
        ("lecture.txt", "input or an output"),
        ("lecture.cleaned.txt", "input or an output"),
        ("-", "no file"),
    ],
)
def test_what_is_no_log_is_refused(lecture: Folder, name: str, reason: str) -> None:
    """Exit 2 before any work begins: COMMAND is not called, no store is made, and what is there stays as it was."""
    (lecture.path / "folder").mkdir()
    lecture.write("notes.txt", "mine")
    (lecture.path / "link").symlink_to("elsewhere.tsv")
    os.mkfifo(lecture.path / "pipe")
    command = lecture.command()
    before = lecture.files()
    stderr = lecture.run("run", "lecture.txt", "--joblog", name, *command, code=2).stderr
    assert "joblog" in stderr
    assert reason in stderr
    assert (lecture.files(), lecture.calls(), lecture.read("notes.txt")) == (before, [], "mine")


def test_the_store_is_no_log(lecture: Folder) -> None:
    """A name that the store keeps for itself is refused, also where no such file is there yet."""
    for name in (".processing_state.db", ".processing_state.json", ".processing_state.db-wal"):
        stderr = lecture.run("run", "lecture.txt", "--joblog", name, *lecture.command(), code=2).stderr
        assert "joblog" in stderr
    assert lecture.calls() == []
    lecture.run("run", "lecture.txt")


@pytest.mark.slow
def test_a_secret_of_the_command_is_in_no_log(lecture: Folder) -> None:
    """A COMMAND that holds a secret is refused as without a log, before it is logged: no log is begun."""
    secret = "sk-proj-" + "a1B2c3D4" * 6
    command = lecture.command()
    lecture.run(*WORDS, *command, secret, code=2)
    assert not (lecture.path / "log.tsv").exists()
    lecture.run(*WORDS, *command)
    before = lecture.read("log.tsv")
    lecture.run(*WORDS, *command, secret, code=2)  # the store is there now
    assert lecture.read("log.tsv") == before


@pytest.mark.slow
def test_a_log_that_cannot_be_written_costs_no_chunk(lecture: Folder) -> None:
    """The disk is full for the log: the run says so once, does every chunk, and the log has whole lines only."""
    command = lecture.command()
    row = "\t".join(["0", ":", "1.000", "     1.000", "1", "1", "0", "0", "x" * 1000]) + "\n"
    limit = 4 << 20
    lecture.write("log.tsv", HEADER + row * ((limit - len(HEADER)) // len(row)))
    earlier = len(lines(lecture))
    room = limit - (lecture.path / "log.tsv").stat().st_size
    lecture.write("log.tsv", lecture.read("log.tsv") + row[:-1][: room - 20] + "\n")  # room for 19 characters more
    process = lecture.process(
        *WORDS, *command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert stderr.count("the job log cannot be written: File too large; the run goes on") == 1
    assert "lines are missing at its end" in stderr
    assert len(lecture.calls()) == 6
    assert len(lines(lecture)) == earlier + 1
    lecture.run(*WORDS, "--fresh", "--force", *command)
    assert len(lines(lecture)) == earlier + 7


def test_plan_takes_the_line_and_makes_no_log(lecture: Folder) -> None:
    """The line of run can be typed with plan; it does nothing."""
    command = lecture.command()
    before = lecture.files()
    lecture.run("plan", *WORDS[1:], "--halt", "soon", *command)
    assert lecture.files() == before
