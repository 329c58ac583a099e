"""``merge`` and ``prune``, as a person types them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX, Folder

WORDS = ("run", "lecture.txt", *SIX)


def elsewhere(lecture: Folder, name: str) -> Folder:
    """Another machine with the same file."""
    (lecture.path / name).mkdir()
    shutil.copy(lecture.path / "lecture.txt", lecture.path / name)
    return Folder(lecture.path / name)


@pytest.mark.slow
def test_two_machines_do_a_half_each(lecture: Folder) -> None:
    """The stores of two machines with half of a job each merge into a third store, which writes the whole text."""
    for name, part in (("one", "0-2"), ("two", "3-5")):
        machine = elsewhere(lecture, name)
        machine.run(*WORDS, "--only", part, *machine.command())
    done = lecture.run("merge", "one/.processing_state.db", "two/.processing_state.db")
    assert "3 chunks taken, 0 there before; 3 chunks left" in done.stderr
    assert "3 chunks taken, 0 there before; complete" in done.stderr
    report = lecture.json(*WORDS, *lecture.command())["jobs"][0]
    assert (report["done_now"], report["output_written"]) == (0, True)
    assert lecture.calls() == []
    again = lecture.json("merge", "two/.processing_state.json")
    assert again["merged"][0]["jobs"][0]["same_chunks"] == 3


@pytest.mark.slow
def test_a_contradiction_is_exit_1(lecture: Folder) -> None:
    """``merge`` names a chunk for which two stores have different results, and keeps the result of its own store."""
    machine = elsewhere(lecture, "one")
    machine.run(*WORDS, "--only", "0-2", *machine.command())
    source = "import sys; print(sys.stdin.read().lower())"
    lecture.run(*WORDS, "--only", "2-4", *lecture.command(source))
    done = lecture.run("merge", "one/.processing_state.db", code=1)
    assert "another result is kept here for 1 chunk: 2" in done.stderr


@pytest.mark.slow_variants
@pytest.mark.parametrize("other", ["missing.db", ".", "lecture.txt", ".processing_state.db"])
def test_what_cannot_be_merged_is_a_usage_error(lecture: Folder, other: str) -> None:
    """A store that cannot be merged ends with exit code 2 and the reason."""
    lecture.run(*WORDS, *lecture.command())
    done = lecture.run("merge", other, code=2)
    assert other in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("order", ["a.db bad.db b.db", "bad.db a.db b.db"])
def test_a_store_that_cannot_be_merged_does_not_stop_the_others(folder: Folder, order: str) -> None:
    """The stores of two machines are merged, the third is named, and the document tells of each of the three."""
    folder.write("bad.db", "no store")
    for name in "ab":
        with CheckpointStore(folder.path / f"{name}.db", state_file=None) as store:
            store.open_job(name, chunks=[name]).complete(0, name)
    document = folder.json("merge", *order.split(), code=2)
    assert [Path(each["path"]).name for each in document["merged"]] == ["a.db", "b.db"]
    assert [(each["path"], each["type"]) for each in document["not_merged"]] == [("bad.db", "StoreTargetError")]
    assert document["error"] == document["not_merged"][0]["error"]
    assert {job["file_name"] for job in folder.json("list")["jobs"]} == {"a", "b"}
    again = folder.run("merge", *order.split(), code=2)
    assert again.stderr.count("bad.db") == 1
    assert again.stderr.count("1 there before; complete") == 2


def test_prune_says_what_goes_and_deletes_it_with_yes_only(lecture: Folder) -> None:
    """Without --yes nothing is written; with it, what was said goes."""
    lecture.run(*WORDS, *lecture.command())
    lecture.run(*WORDS, "--fresh", "--force", *lecture.command())
    aside = lecture.write(".processing_state.db.corrupt-20200101T000000.000000Z", "x" * 100)
    before = files(lecture.path)
    dry = lecture.run("prune", "--keep-last", 1)
    assert "lecture.txt  completed, 6 of 6 chunks" in dry.stdout
    assert f"file  {aside.name}" in dry.stdout
    assert "would delete 1 job, " in dry.stderr
    assert "nothing is deleted without --yes" in dry.stderr
    assert files(lecture.path) == before
    said = lecture.json("prune", "--keep-last", 1)
    done = lecture.json("prune", "--keep-last", 1, "--yes")
    assert done == said | {"dry_run": False}
    assert not aside.exists()
    assert len(lecture.json("list")["jobs"]) == 1
    assert lecture.json("prune", "--keep-last", 1)["jobs"] == []


@pytest.mark.slow
def test_prune_says_where_a_later_run_pays_again(lecture: Folder) -> None:
    """The newest job of a file is what makes another run of the file cost nothing; a superseded job is not."""
    lecture.run(*WORDS, *lecture.command())
    lecture.run(*WORDS, "--fresh", "--force", *lecture.command())
    assert "pay again" not in lecture.run("prune", "--keep-last", 1).stderr
    said = lecture.run("prune", "--keep-last", 0).stderr
    assert "the newest jobs of their files among these: 1; to run such a file again is to pay again" in said


def test_prune_by_age(lecture: Folder) -> None:
    """What changed in so many days stays."""
    lecture.run(*WORDS, *lecture.command())
    assert lecture.json("prune", "--older-than", 1)["jobs"] == []
    assert len(lecture.json("prune", "--older-than", 0)["jobs"]) == 1


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "option", [["--keep-last", -1], ["--older-than", -1], ["--older-than", "nan"], ["--keep-last", "x"]]
)
def test_a_mistaken_option_deletes_nothing(lecture: Folder, option: list[object]) -> None:
    """A mistaken option ends prune with exit code 2 before a job is deleted."""
    lecture.run(*WORDS, *lecture.command())
    lecture.run("prune", *option, "--yes", code=2)
    assert len(lecture.json("list")["jobs"]) == 1


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """The files of a folder, by size and time."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}
