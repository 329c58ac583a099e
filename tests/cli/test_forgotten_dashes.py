"""A COMMAND without the two dashes before it is noticed, whatever comes of its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from each_case import each_case

if TYPE_CHECKING:
    from .conftest import Folder


def hint(folder: Folder, *words: str) -> str:
    """Return what is printed for a command line that is refused; nothing is begun."""
    before = folder.files()
    stderr = " ".join(folder.run(*words, code=2).stderr.split())
    assert folder.files() == before
    return stderr


@each_case("verb", ["run", "plan"])
@each_case(
    ("words", "line"),
    [
        (("lecture.txt", "env", "-m", "x"), "lecture.txt -- env -m x"),
        (("lecture.txt", "cat"), "lecture.txt -- cat"),
        (("lecture.txt", "env", "cat", "lecture.txt"), "lecture.txt -- env cat lecture.txt"),
        (("lecture.txt", "--raw", "cat"), "lecture.txt --raw -- cat"),
        (("--model", "cat", "lecture.txt", "cat"), "--model cat lecture.txt -- cat"),
        (("lecture.txt", "./clean.sh", "-x"), "lecture.txt -- ./clean.sh -x"),
        (("lecture.txt", "./clean.sh"), "lecture.txt -- ./clean.sh"),
    ],
)
def test_the_right_line_is_shown(lecture: Folder, verb: str, words: tuple[str, ...], line: str) -> None:
    """An option of COMMAND that run does not have, a word that is no file, and a program that is a file all show it."""
    lecture.write("clean.sh", "#!/bin/sh\ncat\n").chmod(0o755)
    assert f"COMMAND comes after --: checkpoint-store {verb} {line}" in hint(lecture, verb, *words)


def test_a_file_that_is_not_there_is_no_command(lecture: Folder) -> None:
    """No other line is shown for a word that no program is, and for the value of an option."""
    assert "comes after" not in hint(lecture, "run", "lecture.txt", "absent.txt")
    assert "comes after" not in hint(lecture, "run", "absent.txt", "--model", "cat")


def test_texts_may_be_executable(lecture: Folder) -> None:
    """An executable text is no program: on some file systems every file is executable."""
    lecture.write("other.txt", "Other.").chmod(0o755)
    lecture.run("run", "lecture.txt", "other.txt")


def test_the_refusal_of_another_setting_says_where_its_options_belong(lecture: Folder) -> None:
    """A refusal for another setting says that the run's options stand before the dashes, if there is a COMMAND."""
    lecture.run("run", "lecture.txt", "--", "cat")
    with_command = lecture.run("run", "lecture.txt", "--model", "x", "--", "cat", code=2).stderr
    assert "Nothing was done. Write the option before the --.\n" in with_command
    assert "before the --" not in lecture.run("run", "lecture.txt", "--model", "x", code=2).stderr
