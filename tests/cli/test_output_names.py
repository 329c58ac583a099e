"""The name of the file to write, typed where a command takes a job: the message says how that file is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("export", "out.json"), "comes after the job: checkpoint-store export JOB out.json"),
        (("export", "-o", "out.json"), "comes after the job: checkpoint-store export JOB PATH"),
        (("report", "out.html"), "checkpoint-store report -o out.html"),
        (("results", "out.json"), "end the line with: --json > out.json"),
        (("results", "lecture.txt", "out.txt"), "end the line with: > out.txt"),
        (("chunks", "out.csv"), "end the line with: > out.csv"),
        (("list", "--output", "jobs.json"), "end the line with: > PATH"),
        (("backup", "lecture.txt", "copy.db"), "its name is the one argument: checkpoint-store backup copy.db"),
        (("backup", "-o", "copy.db"), "its name is the one argument: checkpoint-store backup PATH"),
        (("run", "lecture.txt", "-o", "out.txt"), "prints what is there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_line_that_writes_the_file_is_named(lecture: Folder, words: tuple[str, ...], hint: str) -> None:
    """Nothing is written, and the hint is the last line."""
    lecture.run("run", "lecture.txt", *SIX)
    before = lecture.files()
    assert lecture.run(*words, code=2).stderr.rstrip().endswith(hint)
    assert lecture.files() == before


def test_a_name_that_is_like_that_of_a_job_gets_no_such_hint(lecture: Folder) -> None:
    """Who mistypes the name of a job is told of that job alone."""
    lecture.run("run", "lecture.txt", *SIX)
    assert lecture.run("export", "lectur.txt", code=2).stderr.rstrip().endswith("Did you mean lecture.txt?")


def test_a_store_as_the_extra_word_is_still_taken_for_the_store(lecture: Folder) -> None:
    """``list other.db`` names the store to look into, and no file to write."""
    assert lecture.run("list", "other.db", code=2).stderr.rstrip().endswith("write --store other.db")
