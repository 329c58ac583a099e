"""``run --json`` says in the command's own words why a run was paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

ASKS = "import os, signal, sys\nos.kill(os.getppid(), signal.SIGTERM)\nprint(sys.stdin.read())"


def test_a_signal_is_named_as_the_reason(lecture: Folder) -> None:
    """SIGTERM lets a run finish what is in hand: exit code 75, and the reason is the signal."""
    document = lecture.json("run", "lecture.txt", *SIX, *lecture.command(ASKS), code=75)
    report = document["jobs"][0]
    assert report["completed_chunks"] >= 1
    assert (report["run"]["ended"], report["run"]["reason"]) == ("paused", "a signal asked for a pause")
    assert "ends with 75" in " ".join(lecture.run("--help").stdout.split())


def test_halt_is_named_as_the_reason(lecture: Folder) -> None:
    """What --halt ends was not paused by anybody."""
    words = ("--retries", 0, "--halt", "soon")
    document = lecture.json("run", "lecture.txt", *SIX, *words, *lecture.command("import sys; sys.exit(1)"), code=1)
    assert document["jobs"][0]["run"]["reason"] == "--halt ended it"
