"""Several names of one FILE, in one line or in several: its chunks are paid for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to"])
def test_a_second_name_in_the_line_is_passed_over(lecture: Folder, kind: str) -> None:
    """``run *.txt`` where one is a link to another: the notice names both; a link is never chosen for its file."""
    getattr(lecture.path / "a link.txt", kind)(lecture.path / "lecture.txt")
    files = ("lecture.txt", "a link.txt") if kind == "hardlink_to" else ("a link.txt", "lecture.txt")
    done = lecture.run("run", *files, *SIX, *lecture.command())
    assert "a link.txt is another name of lecture.txt; passed over" in done.stderr
    assert len(lecture.calls()) == 6
    assert [job["file_name"] for job in lecture.json("list")["jobs"]] == ["lecture.txt"]


def test_a_link_to_itself_is_refused_as_what_it_is(lecture: Folder) -> None:
    """The link is there, so the refusal does not say that there is no file: exit 2."""
    (lecture.path / "loop.srt").symlink_to("loop.srt")
    done = lecture.run("run", "loop.srt", *SIX, *lecture.command(), code=2)
    assert "loop.srt cannot be read: Too many levels of symbolic links" in done.stderr


def test_copies_are_files_of_their_own(lecture: Folder) -> None:
    """The same text in two files is two jobs, and two outputs."""
    lecture.write("copy.txt", lecture.read("lecture.txt"))
    lecture.run("run", "lecture.txt", "copy.txt", *SIX)
    assert {"lecture.cleaned.txt", "copy.cleaned.txt"} <= lecture.files()


def test_a_name_that_leads_nowhere_is_refused(lecture: Folder) -> None:
    """A link to nothing is no second name: exit 2, and nothing is done."""
    (lecture.path / "link.txt").symlink_to("absent.txt")
    done = lecture.run("run", "lecture.txt", "link.txt", *SIX, *lecture.command(), code=2)
    assert "link.txt" in done.stderr
    assert lecture.calls() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("order", [("a link.txt", "lecture.txt"), ("lecture.txt", "a link.txt")])
def test_another_name_in_a_later_line_is_paid_for_once(lecture: Folder, kind: str, order: tuple[str, str]) -> None:
    """Each name has a job and an output of its own; the second takes over what the first paid for, as its plan says."""
    getattr(lecture.path / "a link.txt", kind)(lecture.path / "lecture.txt")
    first, second = order
    lecture.run("run", first, *SIX, *lecture.command())
    (plan,) = lecture.json("plan", second, *SIX, *lecture.command())["plans"]
    assert (plan["action"], plan["kept"], plan["chunks_to_do"]) == ("reuse", 6, 0)
    done = lecture.run("run", second, *SIX, *lecture.command())
    assert f"{second} is another name of {first}, whose results it takes over" in done.stderr
    assert len(lecture.calls()) == 6
    assert {"lecture.cleaned.txt", "a link.cleaned.txt"} <= lecture.files()
