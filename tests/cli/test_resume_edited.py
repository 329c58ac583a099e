"""``resume`` where the file was edited since: the line that it prints keeps what can be kept."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

STOPS_AT_5 = "import sys; text = sys.stdin.read(); sys.exit(1) if 'Paragraph 5' in text else print(text)"


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["in its folder", "in another folder"])
def test_the_line_that_resume_prints_keeps_the_results(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch, *, is_elsewhere: bool
) -> None:
    """``resume`` has no --on-change: the printed ``run`` line has it, works where it is typed, and keeps 4 results."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(STOPS_AT_5), code=1)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 1", "Chapter 1").replace(" 5 ", " 6 "))
    where = lecture.path
    if is_elsewhere:
        where = lecture.path / "else where"
        where.mkdir()
    done = type(lecture)(where).run("resume", "--store", lecture.path / ".processing_state.db", code=2)
    said = done.stderr.partition("--on-change is an option of run: ")[2]
    monkeypatch.chdir(where)  # so that it is put back
    words = shlex.split(said.replace("\n", " "))
    if is_elsewhere:
        assert words[:3] == ["cd", str(lecture.path), "&&"]
        words = words[3:]
    assert words.index("run") + 1 == words.index("--on-change")
    os.chdir(lecture.path)
    report = lecture.json(*words[words.index("run") :])["jobs"][0]
    assert (report["done_before"], report["done_now"]) == (4, 2)


@pytest.mark.slow
def test_a_run_names_its_own_option_alone(lecture: Folder) -> None:
    """Under ``run`` the option is typed behind the same line: no second line is needed."""
    words = ("run", "lecture.txt", *SIX, *lecture.command())
    lecture.run(*words)
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("Paragraph 1", "Chapter 1"))
    said = lecture.run(*words, code=2).stderr
    assert "--on-change reuse" in said
    assert "option of run" not in said
