"""What ``resume`` repeats of the last run, what it leaves out, and when it frees failed chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, Job

from .conftest import SIX
from .test_interrupts import paragraphs

if TYPE_CHECKING:
    from .conftest import Folder

STORE = ".processing_state.db"


@pytest.mark.slow
def test_a_part_is_not_repeated(lecture: Folder) -> None:
    """After a run with --only, resume does all that is left, and says so; the next resume has nothing to say."""
    command = lecture.command()
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-1", *command)
    done = lecture.run("resume", "--only", "2,5")
    assert "its last run" not in done.stderr
    assert paragraphs(lecture) == [0, 1, 2, 5]
    done = lecture.run("resume")
    assert "its last run worked on --only 2,5; this run works on all that is left" in done.stderr
    assert paragraphs(lecture) == [0, 1, 2, 5, 3, 4]
    assert "only" not in lecture.json("show")["metadata"]["command_line"]


def test_a_part_that_the_file_does_not_have_is_refused(lecture: Folder) -> None:
    """A part that the file does not have ends ``resume`` with exit code 2, as it does ``run``."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-1", *lecture.command())
    assert "no chunk 9" in lecture.run("resume", "--only", "9", code=2).stderr


@pytest.mark.slow
def test_a_budget_is_dropped(lecture: Folder) -> None:
    """``--max-cost none`` goes on without the budget of the last run, and the next resume has none either."""
    priced = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "cost": 0.25}))"""
    lecture.run("run", "lecture.txt", *SIX, "--max-cost", 0.5, *lecture.command(priced), code=75)
    assert "is not a number above 0" in lecture.run("resume", "--max-cost", "nothing", code=2).stderr
    assert lecture.json("resume", "--max-cost", "none")["jobs"][0]["completed_chunks"] == 6
    assert "--max-cost" not in lecture.json("show")["metadata"]["command_line"]["words"]
    lecture.run("resume", "--max-cost", "none")  # also where there was none


@pytest.mark.slow
def test_a_cost_may_stand_in_a_field_called_none(lecture: Folder) -> None:
    """``resume --cost none`` takes the cost from the field ``none``; only a limit is dropped by that word."""
    priced = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "none": 0.25}))"""
    lecture.run(
        "run", "lecture.txt", *SIX, "--only", "0", "--max-cost", 0.5, "--cost", "none", *lecture.command(priced)
    )
    lecture.run("resume", "--cost", "none", code=75)
    assert lecture.json("show")["metadata"]["command_line"]["words"].count("--cost") == 1


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", ["edited", "gone", "output"])
def test_failed_chunks_are_freed_after_the_check(lecture: Folder, spoilt: str) -> None:
    """Where the input was edited or is gone, or the output is in the way, resume --failed frees nothing."""
    lecture.run("run", "lecture.txt", *SIX, "--halt", "never", *lecture.command("import sys; sys.exit(3)"), code=1)
    with CheckpointStore(lecture.path / STORE) as store:
        store.job("lecture.txt").complete(0, {"cleaned_text": "a result"})
    if spoilt == "edited":
        lecture.write("lecture.txt", "Something else.")
    elif spoilt == "gone":
        (lecture.path / "lecture.txt").unlink()
    else:
        lecture.write("lecture.cleaned.txt", "mine")
    lecture.run("resume", "--failed", code=2)
    assert lecture.json("show")["failed_chunks"] == 5


def test_a_new_job_remembers_in_one_transaction(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed right after it has opened a new job can be resumed: nothing is written afterwards."""

    def not_called(*_: Any) -> None:
        raise AssertionError("a second transaction")

    monkeypatch.setattr(Job, "set_metadata", not_called)
    lecture.run("run", "lecture.txt", *SIX)
    assert lecture.json("show")["metadata"]["command_line"]["words"]
    lecture.run("run", "lecture.txt", *SIX, "--fresh", "--force")
    lecture.run("run", "lecture.txt", *SIX, "--force")  # the line that it remembers already


def test_a_secret_in_the_command_is_told_as_such(lecture: Folder) -> None:
    """A secret of the plan is refused, though the line is remembered with the same call."""
    secret = "sk-proj-" + "a1B2c3D4" * 6
    assert "config" in lecture.run("run", "lecture.txt", *SIX, *lecture.command(), secret, code=2).stderr
