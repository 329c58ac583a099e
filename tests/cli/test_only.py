"""``run --only``: this machine does a part of the chunks, and another one the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from .conftest import SIX
from .test_planning import PRICED

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX)


def test_only_some_chunks_are_done(lecture: Folder) -> None:
    """Exit 0: what was asked for is done. The text is not written before the others are done, too."""
    done = lecture.run(*WORDS, "--only", "0-2,5", *lecture.command())
    assert "the chunks of --only are done" in done.stderr
    assert "4 of 6 chunks done and safe, 2 left" in done.stderr
    assert lecture.json("show")["completed_ranges"] == [[0, 3], [5, 6]]
    assert not (lecture.path / "lecture.txt.cleaned.txt").exists()
    report = lecture.json(*WORDS, "--only", "3-4", *lecture.command())["jobs"][0]
    assert (report["left_to_others"], report["output_written"], report["status"]) == (0, True, "completed")


def test_a_part_that_was_done_before_is_nothing_to_do(lecture: Folder) -> None:
    """Killed at the very end and run again, nothing is paid for, and the exit code is that of success."""
    lecture.run(*WORDS, "--only", "1", *lecture.command())
    report = lecture.json(*WORDS, "--only", "1", *lecture.command())["jobs"][0]
    assert (report["done_now"], report["left_to_others"], report["exit_code"]) == (0, 5, 0)


def test_a_failure_in_a_part_shows_how_to_go_on_with_the_part(lecture: Folder) -> None:
    """The command that goes on has the same --only."""
    done = lecture.run(*WORDS, "--only", "2-3", *lecture.command("import sys; sys.exit(3)"), code=1)
    assert "--only 2-3" in done.stderr


@each_case(
    ("only", "says"),
    [
        ("0-6", "has the chunks 0 to 5, and no chunk 6"),
        ("4-2", "ends before it begins; write 2-4"),
        ("a", "'a' is no range of chunks such as 0-499"),
        ("1,,2", "'' is no range of chunks"),
        ("", "'' is no range of chunks"),
        ("-1", "'-1' is no range of chunks"),
        ("٣", "is no range of chunks"),
    ],
)
def test_a_mistaken_range_is_refused(lecture: Folder, only: str, says: str) -> None:
    """Nothing is begun, and no store is made."""
    done = lecture.run(*WORDS, f"--only={only}", *lecture.command(), code=2)
    assert says in " ".join(done.stderr.split())
    assert not (lecture.path / ".processing_state.db").exists()


def test_a_mistaken_range_leaves_no_job_log(lecture: Folder) -> None:
    """A usage error on an existing store begins no job log."""
    lecture.run(*WORDS, "--only", "0", *lecture.command())
    assert "no chunk 7" in lecture.run(*WORDS, "--only", "7", "--joblog", "new.log", *lecture.command(), code=2).stderr
    assert not (lecture.path / "new.log").exists()


def test_only_is_for_one_file(lecture: Folder) -> None:
    """Chunks are numbered in each file."""
    lecture.write("second.txt", "Another talk.\n")
    done = lecture.run("run", "lecture.txt", "second.txt", "--only", "0", *lecture.command(), code=2)
    assert "--only names chunks of one FILE, and 2 are given" in done.stderr


def test_plan_takes_the_line_of_run(lecture: Folder) -> None:
    """The same words after ``plan`` say what the job is, whichever part of it is to be done."""
    assert lecture.json("plan", *WORDS[1:], "--only", "0-2", *lecture.command())["plans"][0]["total_chunks"] == 6


@pytest.mark.slow
def test_a_plan_of_a_part_counts_the_part(lecture: Folder) -> None:
    """What the part will cost is known before a machine is rented for it."""
    priced = lecture.command(PRICED)
    lecture.run(*WORDS, "--only", "0,1", *priced)
    part = lecture.json("plan", *WORDS[1:], "--only", "1-3", *priced)["plans"][0]
    assert (part["action"], part["chunks_to_do"], part["estimated_cost"]) == ("resume", 2, 0.5)
    shown = lecture.run("plan", *WORDS[1:], "--only", "1-3", *priced).stdout
    assert "to do  2 of the 3 chunks of --only 1-3\n" in shown
    report = lecture.json(*WORDS, "--only", "1-3", *priced)["jobs"][0]
    assert (report["done_now"], report["cost_now"]) == (2, 0.5)
    new = lecture.json("plan", *WORDS[1:], "--fresh", "--only", "1-3", *priced)["plans"][0]
    assert (new["chunks_to_do"], new["estimated_cost"]) == (3, 0.75)


def test_a_plan_refuses_a_part_that_the_file_does_not_have(lecture: Folder) -> None:
    """The plan and the run say the same."""
    says = "--only 6: lecture.txt has the chunks 0 to 5, and no chunk 6"
    for command in ("plan", "run"):
        assert says in lecture.run(command, *WORDS[1:], "--only", "6", *lecture.command(), code=2).stderr
