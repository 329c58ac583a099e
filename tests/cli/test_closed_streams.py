"""The command where standard streams are closed: a daemon, cron, a container without a terminal."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.cli import main

from .conftest import SIX
from .test_interrupts import WAITING_COMMAND, wait_for

if TYPE_CHECKING:
    from .conftest import Folder

NOTICE = b"finishing what is in hand"


@pytest.mark.slow
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_no_notice_ends_up_in_a_file(lecture: Folder, closed: tuple[int, ...]) -> None:
    """Paused by SIGTERM: what is said to a stream that is closed is in no file, and the store is sound."""

    def close() -> None:
        for number in closed:
            os.close(number)

    words = ("run", "lecture.txt", *SIX, "--joblog", "log.tsv", *lecture.command(WAITING_COMMAND))
    process = lecture.process(*words, preexec_fn=close)
    wait_for(lecture.path / "waiting", process)
    links = {str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in closed}
    assert links == {os.devnull}
    process.send_signal(signal.SIGTERM)
    lecture.write("release", "")
    process.communicate()
    assert process.returncode == 75
    assert [path.name for path in lecture.path.iterdir() if NOTICE in path.read_bytes()] == []
    lecture.run("check")


def with_closed_output(folder: Folder, *words: str) -> tuple[int, str]:
    """Run the command as Python runs it behind ``>&-``, and return the exit code and what was said on stderr."""
    err = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(err):
        patch.chdir(folder.path)
        patch.setattr(sys, "argv", ["checkpoint-store", *words])
        patch.setattr(sys, "stdout", None)
        code = main()
    return code, err.getvalue()


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["chunks"], ["chunks", "--csv"], ["results"], ["export", "lecture.txt"]]
)
def test_results_that_nobody_got_are_an_error(lecture: Folder, words: list[str]) -> None:
    """``results > file`` with a slip, ``>&-``: exit 2, as on a full disk, and no word that the store is at fault."""
    lecture.run("run", "lecture.txt", *SIX)
    assert with_closed_output(lecture, *words) == (
        2,
        "checkpoint-store: standard output cannot be written: it is closed\n",
    )


def test_the_text_of_a_run_whose_output_is_closed_is_safe(lecture: Folder) -> None:
    """All is paid for and recorded: the message says that, and no error of Python's is in it."""
    code, said = with_closed_output(lecture, "run", "lecture.txt", *SIX, "--output", "-")
    assert code == 2
    assert "standard output could not be written: it is closed. Every result is safe" in said
    assert "6 of 6 chunks done and safe" in said
    code, said = with_closed_output(lecture, "run", "lecture.txt", *SIX, "--json")
    assert (code, lecture.json("show")["status"]) == (2, "completed")
    assert "standard output cannot be written: it is closed" in said


def test_a_command_that_prints_nothing_needs_no_output(lecture: Folder) -> None:
    """A run under cron writes the text into a file, and ends as done."""
    assert with_closed_output(lecture, "run", "lecture.txt", *SIX)[0] == 0
    assert "Paragraph 5" in lecture.read("lecture.cleaned.txt")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_an_input_that_is_closed_is_an_error(lecture: Folder, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """``run -`` behind ``<&-`` says so, and its exit code is not that of a failed chunk."""
    monkeypatch.setattr(sys, "stdin", None)
    assert lecture.run(command, "-", code=2).stderr == (
        "checkpoint-store: standard input cannot be read: it is closed\n"
    )
