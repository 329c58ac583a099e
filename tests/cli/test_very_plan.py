"""``run`` on a file that was cut off once, or edited and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

WORDS = ("run", "lecture.txt", *SIX)


@pytest.mark.slow
def test_a_run_with_a_cut_off_input_costs_nothing_afterwards(lecture: Folder) -> None:
    """The whole text again: nothing is left to do, and plan says so beforehand."""
    whole = lecture.read("lecture.txt")
    lecture.run(*WORDS, *lecture.command())
    lecture.write("lecture.txt", whole[:100])
    lecture.run(*WORDS, "--on-change", "reuse", *lecture.command())
    calls = len(lecture.calls())
    lecture.write("lecture.txt", whole)
    plan = lecture.json("plan", "lecture.txt", *SIX, *lecture.command())["plans"][0]
    assert (plan["action"], plan["chunks_to_do"]) == ("complete", 0)
    assert "nothing left to do" in lecture.run(*WORDS, *lecture.command()).stderr
    assert (len(lecture.calls()), len(lecture.json("list")["jobs"])) == (calls, 2)


def test_a_command_that_was_mistyped_is_corrected_without_a_question(lecture: Folder) -> None:
    """Nothing was done by the first one, so nothing is refused."""
    lecture.run(*WORDS, "--", "no-such-program-here", code=1)
    lecture.run(*WORDS, *lecture.command())
    assert len(lecture.calls()) == 6
