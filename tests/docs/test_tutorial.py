"""The tutorial does what it says, word by word."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .stand_ins import write_programs
from .walk import environment, follow, steps

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.mark.slow
def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    """A newcomer who follows the tutorial from an empty folder sees what it shows. (`.ci/run` installs the package, too.)"""
    write_programs(tmp_path / ".venv" / "bin")
    typed = follow(TUTORIAL, tmp_path, environment(tmp_path, PYTHONPATH=str(ROOT)), installs=False)
    assert len(typed) >= 12


def test_the_walk_of_ci_starts(tmp_path: Path) -> None:
    """The command by which `.ci/run` walks through the tutorial finds its modules; here it walks through a page of one line."""
    (tmp_path / "page.md").write_text("```console\n$ echo walked\nwalked\n```\n", "utf-8")
    ci = (ROOT / ".ci" / "run").read_text("utf-8").replace("\\\n", "")
    line = next(line for line in ci.splitlines() if "docs.walk" in line)
    line = line.replace("$work/clone/.venv/bin/python", sys.executable).replace(
        "$work/clone/docs/tutorial.md", "page.md"
    )
    line = line.replace("$work/clone", str(ROOT))
    walked = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (walked.stdout.rpartition("$ ")[2], walked.stderr) == ("echo walked\n", "")


@pytest.mark.slow
def test_ctrl_c_in_the_tutorials_program_loses_nothing(tmp_path: Path) -> None:
    """Ctrl-C in a run of the program lets the line in work be recorded, and the next run pays only for the others."""
    for step in steps(TUTORIAL):
        if step.file_name:
            text = step.text.replace("flush=True)\n    if", "flush=True)\n    sys.stdin.readline()\n    if")
            (tmp_path / step.file_name).write_text(text, "utf-8")
    command = [sys.executable, "work.py", "1"]
    surroundings = environment(tmp_path, PYTHONPATH=str(ROOT))
    with subprocess.Popen(
        command, cwd=tmp_path, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as stopped:
        assert stopped.stdin is not None
        assert stopped.stdout is not None
        first = stopped.stdout.readline()
        stopped.send_signal(signal.SIGINT)
        stopped.stdin.write(b"\n")
        stopped.stdin.close()
        more = stopped.stdout.read()
        assert stopped.stderr is not None
        assert b"KeyboardInterrupt" in stopped.stderr.read()
    again = subprocess.run(
        command, cwd=tmp_path, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert (first, more) == (b"paid for: we choose\n", b"")
    paid = re.findall("paid for: (.*)", again.stdout)
    assert paid == ["to go", "to the moon", "in this decade", "and do the other things"]
