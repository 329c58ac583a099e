"""A folder with its store is copied, moved or renamed: resume goes on there, and pays for no finished chunk again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from .conftest import SIX, Folder, write_lecture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def part_done(tmp_path: Path) -> Folder:
    """A folder with a job of six chunks, four of which are done."""
    (tmp_path / "before").mkdir()
    folder = write_lecture(Folder(tmp_path / "before"))
    folder.run("run", "lecture.txt", "--only", "0-3", *SIX, *folder.command())
    return folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("carry", [shutil.copytree, shutil.move])
def test_resume_goes_on_in_a_folder_that_was_copied_or_moved(
    part_done: Folder, carry: Callable[[Path, Path], object]
) -> None:
    """The file of the new folder is read, the output is written there, and the four chunks are paid for once."""
    now = Folder(part_done.path.with_name("now"))
    carry(part_done.path, now.path)
    now.run("resume")
    assert len(now.calls()) == 6
    assert now.read("lecture.cleaned.txt").count("PARAGRAPH") == 6
    assert [job["file_name"] for job in now.json("list")["jobs"]] == ["lecture.txt"]
    assert not (part_done.path / "lecture.cleaned.txt").exists()


@pytest.mark.slow
def test_resume_in_a_copy_writes_no_file_of_the_folder_that_was_copied(tmp_path: Path) -> None:
    """Output and log were named by their whole paths: the copy writes its own, also where it has the record of both."""
    before, now = Folder(tmp_path / "before"), Folder(tmp_path / "now")
    before.path.mkdir()
    write_lecture(before)
    files = {"--output": before.path / "out.txt", "--joblog": before.path / "log.tsv", "--title": before.path}
    options = [word for pair in files.items() for word in pair]
    before.run("run", "lecture.txt", *SIX, *options, *before.command())
    before.run("redo", "lecture.txt", "--chunks", "0,1")
    shutil.copytree(before.path, now.path)
    written = [before.read("out.txt"), before.read("log.tsv")]
    now.run("resume")
    assert [before.read("out.txt"), before.read("log.tsv")] == written
    assert now.read("out.txt").count("PARAGRAPH") == 6
    assert len(now.read("log.tsv").splitlines()) == len(written[1].splitlines()) + 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["u\u0308ber den Fluss.txt", "\u00fcber den Fluss.txt"], ids=["NFD", "NFC"])
def test_resume_finds_a_file_whose_name_is_written_in_another_form(tmp_path: Path, name: str) -> None:
    """The store has the composed form of a name, and the disk the form in which the name was written there."""
    (tmp_path / "before").mkdir()
    before, now = Folder(tmp_path / "before"), Folder(tmp_path / "now")
    write_lecture(before)
    (before.path / "lecture.txt").rename(before.path / name)
    before.run("run", name, "--only", "0-1", *SIX, *before.command())
    before.run("resume", "--only", "2-3")
    before.path.rename(now.path)
    now.run("resume")
    assert len(now.calls()) == 6


def test_resume_pays_for_nothing_where_the_store_was_moved_alone(part_done: Folder) -> None:
    """The file of the job is not beside the store; the file in the earlier folder would be another job."""
    now = Folder(part_done.path.with_name("now"))
    now.path.mkdir()
    (part_done.path / ".processing_state.db").rename(now.path / ".processing_state.db")
    assert "lecture.txt: no such file" in now.run("resume", code=2).stderr
    assert len(part_done.calls()) == 4


def test_resume_pays_for_nothing_where_the_store_was_moved_to_the_file(folder: Folder) -> None:
    """The file that the last run read has another name for the store now, so that it would be another job."""
    talks, stores = Folder(folder.path / "talks"), Folder(folder.path / "stores")
    for each in (talks, stores):
        each.path.mkdir()
    write_lecture(talks)
    talks.run("run", "lecture.txt", "--only", "0-3", *SIX, "--store", "../stores/a.db", *talks.command())
    (stores.path / "a.db").rename(talks.path / "a.db")
    assert "Move the store back" in talks.run("resume", "--store", "a.db", code=2).stderr
    assert len(talks.calls()) == 4
