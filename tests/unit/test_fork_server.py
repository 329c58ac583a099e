"""A program in a fork of the server is a program like any other: the tests that start one need not know."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, TESTS, Children
from fork_server import ForkServer

if TYPE_CHECKING:
    from pathlib import Path

ways = pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])


@ways
def test_a_program_finds_what_it_is_given(children: Children, tmp_path: Path, *, fresh: bool) -> None:
    """A program in a fork finds its arguments, folder, standard input and session, and is the main module."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "print(sys.argv, __name__, __file__, sys.path[0], os.getcwd(), os.getpgrp() == os.getsid(0) == os.getpid())\n"
        "print(sys.stdin.readline(), vars(sys.modules['__main__']) is globals(), sys.warnoptions)\n"
    )
    process = children.start(program, "a word", fresh=fresh)
    said = children.finish(process, "hello\n")
    place = str(tmp_path)
    first = f"['{program}', 'a word'] __main__ {program} {place} {place} True\n"
    assert said == f"{first}hello\n True ['error']\n"


@pytest.mark.slow_variants
@ways
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("print('fine')", 0),
        ("import sys; sys.exit(3)", 3),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import warnings; warnings.warn('a warning is an error')", 1),
        ("import threading; threading.Timer(0.05, lambda: __import__('os')._exit(7)).start()", 7),
    ],
)
def test_a_program_ends_as_it_does(children: Children, source: str, code: int, *, fresh: bool) -> None:
    """The exit code of a fork tells how its program ended: by itself, by an exception or by a signal."""
    process = children.start(source, fresh=fresh)
    children.finish(process, code=code)
    assert process.poll() == code


@ways
def test_a_program_that_has_ended_is_there_until_it_is_waited_for(children: Children, *, fresh: bool) -> None:
    """An ended program keeps its process id until it is waited for, so no signal for it reaches another process."""
    process = children.start("import sys; sys.stdin.read()", fresh=fresh)
    assert process.poll() is None
    assert process.stdin is not None
    process.stdin.close()
    assert process.stdout is not None
    assert process.stdout.read() == ""
    os.kill(process.pid, 0)
    assert process.wait(60) == 0


@pytest.mark.slow
def test_forks_are_told_apart(children: Children) -> None:
    """Each of several programs that run at once has its own output and its own end, in whatever order they are asked."""
    started = [children.start("import sys; n = int(sys.argv[1]); print(n); sys.exit(n)", number) for number in range(5)]
    for number, process in reversed(list(enumerate(started))):
        assert children.finish(process, code=number) == f"{number}\n"


@pytest.mark.slow
def test_a_program_can_be_hung_up_on_although_nohup_runs_the_tests(tmp_path: Path) -> None:
    """What ignores SIGHUP passes that on to what it starts; a program of a test is a program of a terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        server = ForkServer([ROOT, TESTS])
    finally:
        signal.signal(signal.SIGHUP, before)
    with closing(server):
        hung_up = "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"
        Children(tmp_path, lambda: server).run(hung_up, code=-signal.SIGHUP)
