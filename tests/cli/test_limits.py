"""``run`` with limits on calls and time, and what it says at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX)
PRICED = """import json, sys; print(json.dumps({"cleaned_text": sys.stdin.read(), "cost": 0.25, "usage": {"total_tokens": 7}}))"""
SLOW = """import sys, time; time.sleep(3.2); print(sys.stdin.read())"""


@pytest.mark.slow
def test_a_deadline_pauses_the_run(lecture: Folder) -> None:
    """Exit 75: the chunk in hand is finished, the rest is left, and the same command goes on."""
    done = lecture.run(*WORDS, "--deadline", 3, *lecture.command(SLOW), code=75)
    assert "the --deadline of 3 s is reached" in done.stderr
    assert "its run has reached its deadline" in lecture.json("show")["error_message"]
    assert "--deadline 3" in done.stderr
    assert (lecture.json("show")["completed_chunks"], lecture.json("show")["status"]) == (1, "paused")
    lecture.run(*WORDS, *lecture.command(PRICED, "command.py"))
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow
def test_a_deadline_is_that_of_all_files(lecture: Folder) -> None:
    """The second file does not begin once the first has used up the time."""
    lecture.write("second.txt", "Another talk.\n")
    done = lecture.run("run", "lecture.txt", "second.txt", *SIX, "--deadline", 3, *lecture.command(SLOW), code=75)
    assert "second.txt  not begun" in done.stderr


def test_calls_are_limited(lecture: Folder) -> None:
    """Six at 600 a minute take six tenths of a second, whatever the number of workers."""
    start = time.monotonic()
    report = lecture.json(*WORDS, "--workers", 6, "--max-calls-per-minute", 600, *lecture.command(PRICED))["jobs"][0]
    assert time.monotonic() - start >= 0.6
    assert report["run"]["waited_for_limits_seconds"] > 0.1


@pytest.mark.slow
def test_a_run_says_what_it_did(lecture: Folder) -> None:
    """Chunks, the times of the work, cost and tokens: on the screen, and in --json."""
    done = lecture.run(*WORDS, *lecture.command(PRICED))
    assert "  run    6 chunks in " in done.stderr
    assert "work p50 " in done.stderr
    assert "cost 1.5; tokens 42" in done.stderr
    again = lecture.json(*WORDS, "--fresh", "--force", *lecture.command(PRICED))["jobs"][0]
    assert (again["run"]["completed_chunks"], again["run"]["tokens"], again["run"]["ended"]) == (6, 42.0, "completed")
    nothing = lecture.json(*WORDS, *lecture.command(PRICED))["jobs"][0]
    assert (nothing["run"], nothing["run_summary"]) == (None, None)


@each_case("option", ["--deadline", "--max-calls-per-minute", "--max-cost", "--timeout"])
@each_case("value", [0, -1, "inf", "nan", "x"])
def test_a_limit_that_is_none_is_refused(lecture: Folder, option: str, value: object) -> None:
    """Exit 2, and no store is made."""
    command = lecture.command(PRICED)
    before = lecture.files()
    assert option in lecture.run(*WORDS, option, value, *command, code=2).stderr
    assert lecture.files() == before


def test_a_limit_on_calls_is_for_a_command(lecture: Folder) -> None:
    """The built-in cleaner calls nobody."""
    done = lecture.run("run", "lecture.txt", "--max-calls-per-minute", 5, code=2)
    assert "--max-calls-per-minute is for a COMMAND" in done.stderr
