"""The line that goes on with a part (``--only``) keeps to the part: the rest may be in work on another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX
from .test_interrupts import paragraphs

if TYPE_CHECKING:
    from .conftest import Folder

STORE = ".processing_state.db"
GO_ON = "go on with: checkpoint-store "


def offered(said: str) -> list[str]:
    """The words of the line that a command offers."""
    (line,) = [line for line in said.splitlines() if line.startswith(GO_ON)]
    return line.removeprefix(GO_ON).split()


@pytest.fixture
def stopped(lecture: Folder) -> Folder:
    """A machine that has done chunk 0 of its part 0-2; its COMMAND is mended by now."""
    one_call = "import os, sys\nopen('calls.log', 'x')\nprint(sys.stdin.read())"
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-2", "--halt", "now,fail=1", *lecture.command(one_call), code=1)
    (lecture.path / "calls.log").unlink()
    lecture.command()
    return lecture


@pytest.mark.slow
def test_show_offers_the_rest_of_the_part(stopped: Folder) -> None:
    """Typed as it stands, it pays for chunks of the part alone; once those are done, show offers what is left."""
    words = offered(stopped.run("show").stdout)
    assert words[-2:] == ["--only", "0-2"]
    stopped.run(*words)
    assert paragraphs(stopped) == [1, 2]
    words = offered(stopped.run("show").stdout)
    assert "--only" not in words
    assert "this run works on all that is left\n" in stopped.run(*words).stderr  # nothing is left of the part
    assert paragraphs(stopped) == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_redo_offers_the_part(stopped: Folder) -> None:
    """A chunk of the part that is to be done again is left."""
    stopped.run(*offered(stopped.run("show").stdout))
    words = offered(stopped.run("redo", "lecture.txt", "--chunks", "1").stdout)
    assert words[-2:] == ["--only", "0-2"]
    stopped.run(*words)
    assert paragraphs(stopped) == [1, 2, 1]


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "metadata",
    [
        {"command_line": {"words": [], "folder": "/"}},
        {"command_line": "theirs"},
        {"command_line": {"words": ["talk.txt"], "folder": "/", "only": 3}},
        {},
    ],
)
def test_no_line_is_offered_that_would_be_refused(folder: Folder, metadata: dict[str, object]) -> None:
    """What a program says under the same name is no command."""
    with CheckpointStore(folder.path / STORE) as store:
        store.open_job("talk.txt", total_chunks=2, metadata=metadata).complete(0, "x")
    assert "go on with" not in folder.run("show").stdout
    assert "go on as you began the job" in folder.run("redo", "talk.txt", "--chunks", "0").stderr
    assert "go on as you began the job" in folder.run("resume", code=2).stderr


def test_a_mistaken_part_shows_the_usage_of_resume(lecture: Folder) -> None:
    """The usage below the error is that of the command that was typed."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0", *lecture.command())
    said = lecture.run("resume", "--only", "0-9", code=2).stderr
    assert "Usage: checkpoint-store resume [OPTIONS] [JOB]" in said.replace(
        "python3 -m checkpoint_store", "checkpoint-store"
    )
    assert "--only 0-9: lecture.txt has the chunks 0 to 5, and no chunk 9" in said
