"""``run --timeout``: what counts as the time of a COMMAND."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from conftest import wait_until

from checkpoint_store.cli.run.command.answer import AnswerReader
from checkpoint_store.cli.run.command.outcome import CommandFailedError, CommandKilledError
from checkpoint_store.cli.run.command.worker import Command
from checkpoint_store.cli.transcripts.split import TextChunk

from .conftest import SIX
from .test_workers import hanging, pids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Folder

PRICED_ONCE = """import os, sys, time; text = sys.stdin.read(); open("calls", "a").write("x")
if "Paragraph 0" not in text: time.sleep(60)
print('{"cleaned_text": "x", "cost": 1}')"""
_VARIABLES = {"CHECKPOINT_STORE_CHUNK_INDEX": "0", "CHECKPOINT_STORE_FILE": "x.txt"}


@pytest.mark.slow
@pytest.mark.parametrize("stops_both", [True, False])
def test_a_timeout_does_not_count_the_time_of_a_pause(lecture: Folder, stops_both: bool) -> None:
    """After a container was paused for longer than --timeout, the answer of COMMAND is taken, not paid for again."""
    run = hanging(lecture, 1, "--timeout", 1.5)
    stopped = [run.pid, *(pids(lecture) if stops_both else [])]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    lecture.write("release", "")
    time.sleep(3.5)  # longer than the time limit
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    _, stderr = run.communicate()
    assert (run.returncode, len(lecture.calls())) == (0, 6), stderr


@pytest.mark.parametrize(
    ("script", "timeout_seconds", "answer"), [("sleep 0.7; wc -c", 30, "300000"), ("exec sleep 60", 0.2, None)]
)
def test_a_timeout_with_a_long_chunk(script: str, timeout_seconds: float, answer: str | None) -> None:
    """A COMMAND that is slow to read a long text gets all of it; one that does not read it is ended in time."""
    command = Command(("sh", "-c", script), AnswerReader(), timeout_seconds=timeout_seconds)
    if answer is None:
        with pytest.raises(CommandFailedError, match=r"took longer than 0\.2 s"):
            command(TextChunk("x" * 300_000), _VARIABLES)
    else:
        assert command(TextChunk("x" * 300_000), _VARIABLES)[0]["cleaned_text"].strip() == answer


@pytest.fixture
def left_running(tmp_path: Path) -> Iterator[Path]:
    """The name of a file for the number of a process that COMMAND leaves behind; the process is ended."""
    path = tmp_path / "pid"
    yield path
    os.kill(int(path.read_text("utf-8")), signal.SIGKILL)


def leaving(path: Path, rest: str) -> tuple[str, ...]:
    """Return a COMMAND that starts a server, which holds its stdout and outlives it, and then does the rest."""
    return ("sh", "-c", f"cat > /dev/null; setsid sleep 60 & echo $! > {path}; {rest}")


@pytest.mark.slow
def test_a_server_that_command_leaves_behind_costs_no_answer(left_running: Path) -> None:
    """COMMAND has answered and ended well: its answer is taken when --timeout is over, and not paid for again."""
    command = Command(leaving(left_running, "echo answer; echo word >&2"), AnswerReader(), timeout_seconds=0.3)
    fields, words = command(TextChunk("text"), _VARIABLES)
    assert (fields["cleaned_text"].strip(), words) == ("answer", "word")


@pytest.mark.slow
def test_a_run_says_that_it_waits_for_a_process_that_command_left_behind(tmp_path: Path) -> None:
    """The process may print the rest of the answer, so it is waited for; people learn once what holds the run up."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        (tmp_path / "go").touch()

    script = f"(while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo answer) & exit 0"
    command = Command(("sh", "-c", script), AnswerReader(), say=say)
    assert command(TextChunk("text"), _VARIABLES)[0]["cleaned_text"].strip() == "answer"
    (text,) = said
    assert text.startswith(
        "'sh' has ended, and a process that it left in the background holds its output: the run waits"
    )


@pytest.mark.slow
def test_a_server_that_command_leaves_behind_hides_no_exit_code(left_running: Path) -> None:
    """COMMAND has ended by itself, and has not taken too long."""
    command = Command(leaving(left_running, "exit 3"), AnswerReader(), timeout_seconds=0.3)
    with pytest.raises(CommandFailedError, match="ended with exit code 3"):
        command(TextChunk("text"), _VARIABLES)


@pytest.mark.slow_variants
@pytest.mark.parametrize("holds", ["", "exec 2> /dev/null; "])
def test_half_an_answer_is_no_answer(holds: str) -> None:
    """COMMAND has ended, and a process of its session still prints when --timeout is over: it is ended, and may be billed."""
    script = f"(printf 'First half '; {holds}sleep 60; echo 'second half') & exit 0"
    command = Command(("sh", "-c", script), AnswerReader(), timeout_seconds=0.3)
    with pytest.raises(
        CommandFailedError, match=r"took longer than 0\.3 s and was ended; more time: --timeout"
    ) as failed:
        command(TextChunk("text"), _VARIABLES)
    assert failed.value.may_be_billed


def test_half_an_answer_is_none_after_a_kill(tmp_path: Path) -> None:
    """The second Ctrl-C ends a process that still prints although COMMAND has ended: nothing is recorded."""
    begun = tmp_path / "begun"
    script = f"(printf 'First half '; touch {begun}; exec sleep 60) & echo $$ > {begun}.pid; exit 0"
    command = Command(("sh", "-c", script), AnswerReader())
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(command, TextChunk("text"), _VARIABLES)
        wait_until(lambda: begun.exists() and has_ended(tmp_path / "begun.pid"))
        command.kill()
        with pytest.raises(CommandKilledError):
            call.result(20)


def has_ended(path: Path) -> bool:
    """Whether the child process whose number is in a file has ended."""
    number = path.read_text("utf-8").strip() if path.exists() else ""
    return bool(number) and os.waitid(os.P_PID, int(number), os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@pytest.mark.slow
@pytest.mark.parametrize("timeout_seconds", [None, 50])
def test_a_server_that_command_leaves_behind_delays_no_kill(left_running: Path, timeout_seconds: float | None) -> None:
    """The second Ctrl-C ends the call although a process in another session holds the stdout of COMMAND."""
    command = Command(leaving(left_running, "sleep 60"), AnswerReader(), timeout_seconds=timeout_seconds)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(command, TextChunk("text"), _VARIABLES)
        wait_until(lambda: left_running.exists() and left_running.read_text("utf-8"))
        command.kill()
        with pytest.raises(CommandKilledError):
            call.result(20)


@pytest.mark.slow
def test_what_took_too_long_may_be_billed(lecture: Folder) -> None:
    """With --max-cost, a COMMAND that was ended by --timeout keeps its reservation until its chunk is done."""
    words = ("--timeout", 0.5, "--retries", 5, "--max-cost", 2)
    done = lecture.run("run", "lecture.txt", *SIX, *words, *lecture.command(PRICED_ONCE), code=75)
    assert "--max-cost 2 is reached: 1 spent, 1 more in doubt" in done.stderr
    assert lecture.read("calls") == "xx"
