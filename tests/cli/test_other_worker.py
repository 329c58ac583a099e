"""The built-in cleaner in the place of COMMAND, or the other way round: that is what changed, and not the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("is_command_first", [True, False])
def test_a_command_more_or_less_is_no_change_of_the_text(lecture: Folder, *, is_command_first: bool) -> None:
    """A change between COMMAND and the built-in cleaner is called a change of the cleaner, not of the text."""
    command = lecture.command()
    first, second = (command, []) if is_command_first else ([], command)
    lecture.run("run", "lecture.txt", *SIX, *first)
    for told in (
        lecture.run("run", "lecture.txt", *SIX, *second, code=2).stderr,
        lecture.run("plan", "lecture.txt", *SIX, *second).stdout,
    ):
        assert "config.cleaner: " in told
        assert "the text" not in told.replace("whose text", "")
    lecture.write("lecture.txt", lecture.read("lecture.txt").replace("a", "o", 1))
    assert "\n  the text\n" in lecture.run("run", "lecture.txt", *SIX, *first, code=2).stderr
