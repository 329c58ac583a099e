"""The usual store lies in the working folder: a run in another folder says which store has results of its file."""

from __future__ import annotations

import pytest

from .conftest import SIX, Folder

NOTICE = "has results for 6 chunks of this file; to go on there, stop this run and add --store "


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "file", ["../lecture.txt", "talks/lecture.txt"], ids=["in the folder above", "in a folder below"]
)
def test_a_run_says_which_store_has_its_file(lecture: Folder, file: str) -> None:
    """Before it begins a store of its own; the option in the notice goes on there, and pays for nothing."""
    sub = Folder(lecture.path / "sub")
    (sub.path / "talks").mkdir(parents=True)
    first = file if file.startswith("talks") else "lecture.txt"
    if first == file:
        (lecture.path / "lecture.txt").rename(sub.path / first)
    lecture.run("run", f"sub/{first}" if first == file else first, *SIX)
    said = sub.run("run", file, *SIX, "--output", "out.txt").stderr
    assert said.startswith(f"{file}: the store {lecture.path / '.processing_state.db'} {NOTICE}")
    option = said.partition("add ")[2].partition("\n")[0].split()
    report = sub.json("run", file, *SIX, "--output", "again.txt", *option)
    assert (report["jobs"][0]["done_before"], report["jobs"][0]["done_now"]) == (6, 0)
    assert NOTICE not in sub.run("run", file, *SIX, "--output", "out.txt").stderr


def test_a_store_without_the_file_is_not_named(lecture: Folder) -> None:
    """Another file may be worked on in each folder."""
    lecture.run("run", "lecture.txt", *SIX)
    sub = Folder(lecture.path / "sub")
    sub.path.mkdir()
    sub.write("lecture.txt", lecture.read("lecture.txt"))
    assert "--store" not in sub.run("run", "lecture.txt", *SIX).stderr
