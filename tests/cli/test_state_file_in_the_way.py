"""Something else has the name of the state file: a run says so before it pays, and loses no text for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Folder

STATE = ".processing_state.json"
PLANTING = """import os, sys
text, name = sys.stdin.read(), os.environ["PLANTED"]
if "Paragraph 5" in text and os.path.isfile(name): os.remove(name)
if "Paragraph 5" in text: os.mkdir(name)
print(text)"""


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkdir, "a folder"), (os.mkfifo, "a pipe"), (lambda path: path.symlink_to("nowhere"), "a symlink")],
)
def test_a_run_is_refused_before_it_pays(lecture: Folder, make: Callable[[Path], None], kind: str) -> None:
    """Exit 2: the message says what it is, and to move it away; no store is begun."""
    make(lecture.path / STATE)
    command = lecture.command()
    before = lecture.files()
    said = lecture.run("run", "lecture.txt", *SIX, *command, code=2).stderr
    assert said.rstrip().endswith(f"cannot be used as a state file: it is {kind}, and not a regular file; move it away")
    assert (lecture.files(), lecture.calls()) == (before, [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("name", [STATE, ".processing_state.bak"])
def test_a_finished_run_writes_its_text(lecture: Folder, name: str) -> None:
    """Somebody makes a folder of that name while the run works: the text and the state file are written all the same."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(PLANTING), PLANTED=name)
    assert "Paragraph 5" in lecture.read("lecture.cleaned.txt")
    assert '"status": "completed"' in lecture.read(STATE)
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(PLANTING), PLANTED=name)
