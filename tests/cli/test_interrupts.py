"""Ctrl-C, SIGTERM and SIGKILL, on real processes: no chunk is lost, and none is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from .conftest import SIX, Folder

if TYPE_CHECKING:
    from collections.abc import Callable

# Answers at once, but waits at "Paragraph 2" until a file called "release" is there; says that it waits.
WAITING_COMMAND = program(__file__, "waiting_command")
NOTICE = "finishing what is in hand"


def until(condition: Callable[[], Any]) -> Any:
    """Wait for what is about to happen; the test's own time limit ends a wait in vain."""
    while not (value := condition()):
        time.sleep(0.01)
    return value


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has made a file; a process that ends without it is a failure at once."""
    until(lambda: path.exists() or process.poll() is not None)
    assert path.exists(), process.communicate()


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Waiting:
    """A run whose third chunk is in COMMAND's hands."""

    def __init__(self, folder: Folder, words: tuple[str, ...] = (), **more: Any) -> None:
        self.folder = folder
        command = folder.command(WAITING_COMMAND)
        self.words = ("run", "lecture.txt", *words, *SIX, *command)
        self.process = folder.process(*self.words, **more)
        wait_for(folder.path / "waiting", self.process)

    @property
    def child(self) -> int:
        """COMMAND's process id."""
        return int(self.folder.read("waiting"))

    def release(self) -> None:
        """Let COMMAND go on."""
        self.folder.write("release", "")

    def heard(self) -> str:
        """Read stderr up to the line that says that the first signal was heard."""
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if NOTICE in line:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def end(self) -> tuple[str, int]:
        """Return the rest of stderr and the exit code."""
        _, stderr = self.process.communicate()
        return stderr, self.process.returncode


def paragraphs(folder: Folder) -> list[int]:
    """Return the number of each paragraph that COMMAND was given, in order.

    A run that is killed before it has passed the text on leaves a COMMAND that was given nothing.
    """
    return [int(call.split()[1]) for call in folder.calls() if call]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_once_finishes_the_chunk_in_hand_and_pauses(lecture: Folder, number: signal.Signals) -> None:
    """The chunk is recorded, nothing more is begun, exit 75, and the line printed goes on with the rest."""
    run = Waiting(lecture)
    run.process.send_signal(number)
    run.heard()
    run.release()
    stderr, code = run.end()
    assert code == 75
    assert "3 of 6 chunks done and safe" in stderr
    assert stderr.rstrip().endswith(f"run lecture.txt --chunk-size 60 --overlap 0 -- {sys.executable} -S command.py")
    assert lecture.json("show")["status"] == "paused"
    lecture.run(*run.words)
    assert paragraphs(lecture) == [0, 1, 2, 3, 4, 5]
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ignored_signal_stays_ignored(lecture: Folder, number: signal.Signals) -> None:
    """A script that starts a run with ``&`` ignores Ctrl-C for it, nohup a hangup: the run goes on to its end."""
    run = Waiting(lecture, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    run.process.send_signal(number)
    run.release()
    assert run.end()[1] == 0
    assert paragraphs(lecture) == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_twice_stops_at_once(lecture: Folder) -> None:
    """COMMAND is killed, exit 130, what was acknowledged is there, and only the chunk in hand is done again."""
    run = Waiting(lecture)
    run.process.send_signal(signal.SIGINT)
    run.heard()
    time.sleep(0.2)  # two signals within a tenth of a second are one press
    run.process.send_signal(signal.SIGINT)
    stderr, code = run.end()
    assert code == 130
    assert "stopped at once after" in stderr
    assert "2 of 6 chunks done and safe" in stderr
    until(lambda: not is_alive(run.child))
    assert lecture.json("show")["status"] == "paused"
    run.release()
    lecture.run(*run.words)
    assert paragraphs(lecture) == [0, 1, 2, 2, 3, 4, 5]


@pytest.mark.slow
def test_two_signals_of_one_press_are_one(lecture: Folder) -> None:
    """A launcher that passes on the Ctrl-C which the terminal sent as well does not stop the run at once."""
    code = "import os, signal, sys; [os.kill(int(sys.argv[1]), signal.SIGINT) for _ in range(2)]"
    run = Waiting(lecture)
    subprocess.run([sys.executable, "-c", code, str(run.process.pid)], check=True)
    run.heard()
    run.release()
    assert run.end()[1] == 75


@pytest.mark.slow
def test_the_next_file_is_not_begun(lecture: Folder) -> None:
    """After Ctrl-C the files that are left are named as not begun."""
    lecture.write("other.txt", "Other.")
    run = Waiting(lecture, ("other.txt",))
    # other.txt comes second on the command line
    run.process.send_signal(signal.SIGINT)
    run.heard()
    run.release()
    stderr, code = run.end()
    assert code == 75
    assert "other.txt  not begun" in stderr
    assert paragraphs(lecture) == [0, 1, 2]


@pytest.mark.slow
def test_the_built_in_cleaner_is_interrupted_too(folder: Folder) -> None:
    """The built-in cleaner stops between two chunks with the exit codes of a COMMAND, and the next run goes on."""
    folder.write("long.txt", "\n\n".join(f"Paragraph {number}." for number in range(5_000)))
    words = ("run", "long.txt", "--chunk-size", "16", "--overlap", "0")
    process = folder.process(*words)
    wait_for(folder.path / ".processing_state.json", process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 75
    job = folder.json("show")
    assert job["status"] == "paused"
    assert 0 <= job["completed_chunks"] < job["total_chunks"]


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_does_not_reach_the_command(lecture: Folder) -> None:
    """A terminal sends SIGINT to everything in its foreground; COMMAND goes on, its answer is recorded."""
    in_terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    argv = [sys.executable, "-c", in_terminal, sys.executable, "-m", "checkpoint_store", "run", "lecture.txt", *SIX]
    argv += lecture.command(WAITING_COMMAND)
    process = lecture.process(args=argv, stdin=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lecture.path / "waiting", process)
    process.stdin.write("\x03")
    process.stdin.flush()
    screen = ""
    while "finishing what is in hand" not in screen:
        screen += process.stdout.read(1)
    lecture.write("release", "")
    rest, _ = process.communicate()
    assert process.returncode == 75
    assert "3 of 6 chunks done and safe" in screen + rest
    assert paragraphs(lecture) == [0, 1, 2]
    assert lecture.json("show")["completed_chunks"] == 3


@pytest.mark.slow
def test_a_kill_loses_no_acknowledged_chunk(lecture: Folder) -> None:
    """After SIGKILL in the middle of a chunk the next run does that chunk and the rest, and nothing else."""
    run = Waiting(lecture)
    run.process.kill()
    run.end()
    until(lambda: lecture.json("show")["completed_chunks"] == 2)
    run.release()
    until(lambda: not is_alive(run.child))
    report = lecture.json(*run.words)
    assert (report["jobs"][0]["done_before"], report["jobs"][0]["done_now"]) == (2, 4)
    assert paragraphs(lecture) == [0, 1, 2, 2, 3, 4, 5]
    assert lecture.read("lecture.cleaned.txt") == lecture.read("lecture.txt").upper() + "\n"


def killed_after_three_chunks(folder: Folder, words: tuple[str, ...]) -> bool:
    """Kill a run when COMMAND has been called three times more; return whether it was still running."""
    enough = len(folder.calls()) + 3
    process = folder.process(*words)
    until(lambda: process.poll() is not None or len(folder.calls()) >= enough)
    running = process.poll() is None
    process.kill()
    process.communicate()
    return running


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(folder: Folder) -> None:
    """Killed again and again, the run ends with every chunk; only one that was in hand is done a second time."""
    count, kills = 15, 0
    folder.write("long.txt", "\n\n".join(f"Paragraph {number} of them." for number in range(count)))
    words = ("run", "long.txt", "--chunk-size", "30", "--overlap", "0", *folder.command())
    while killed_after_three_chunks(folder, words):
        kills += 1
    folder.run(*words)
    calls = paragraphs(folder)
    assert kills > 0
    assert sorted(set(calls)) == list(range(count))
    assert len(calls) <= count + kills
    assert folder.read("long.cleaned.txt") == folder.read("long.txt").upper() + "\n"


@pytest.mark.slow
def test_two_runs_at_once_end_with_every_chunk_once(lecture: Folder) -> None:
    """A second run of the same line beside the first spoils nothing: one result for each chunk, both end well."""
    words = ("run", "lecture.txt", *SIX, *lecture.command())
    both = [lecture.process(*words) for _ in range(2)]
    for process in both:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
    job = lecture.json("show")
    assert (job["status"], job["completed_chunks"]) == ("completed", 6)
    assert len(lecture.json("list")["jobs"]) == 1
    assert json.loads(lecture.read(".processing_state.json"))["completed_chunks"] == list(range(6))
    assert "lecture.cleaned.txt" in lecture.files()
