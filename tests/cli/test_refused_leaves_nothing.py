"""A command that refuses leaves the folder as it was: no store, no lock, no state file, no empty log."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.app import MODULES
from checkpoint_store.cli.stand_in import stand_in

from .conftest import Folder, write_lecture

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = tuple(MODULES)
CAT = ("--", "cat")
SECRET = "sk-proj-" + "a1B2c3D4" * 6
STORE = ".processing_state.db"
REFUSED_RUNS = {
    "an output of somebody": ((*CAT,), "Nothing was done"),
    "two outputs of somebody": (("other.txt", *CAT), "other.cleaned.txt is there"),
    "an output that is the store": (("--output", STORE, *CAT), "belongs to the store"),
    "an output that is the state file": (("--output", ".processing_state.json", *CAT), "belongs to the store"),
    "an output in no folder": (("--output", "no/where.txt", *CAT), "there is no folder"),
    "a log that is the store": (("--output", "o.txt", "--joblog", STORE, *CAT), "belongs to the store"),
    "a log in no folder": (("--output", "o.txt", "--joblog", "no/log", *CAT), "there is no folder"),
    "a log that is an input": (("--output", "o.txt", "--joblog", "lecture.txt", *CAT), "is an input"),
    "a secret": (("--output", "o.txt", *CAT, f"--header={SECRET}"), "secret"),
    "a secret by its name": (("--output", "o.txt", *CAT, "--api-key=hunter2hunter2"), "secret"),
    "no such field to ignore": (("--output", "o.txt", "--on-change", "reuse", "--reuse-ignoring", "x", *CAT), "'config.KEY'"),
    "no such chunk": (("--output", "o.txt", "--only", "7", *CAT), "no chunk 7"),
    "no such file": (("missing.txt", *CAT), "missing.txt"),
    "no number": (("--max-cost", "AMOUNT", *CAT), "is not a number above 0"),
    "no number above 0": (("--timeout", "0", *CAT), "0 is not a number above 0"),
}  # fmt: skip


@pytest.fixture
def occupied(folder: Folder) -> Folder:
    """Two lectures, whose outputs are files of somebody's."""
    write_lecture(folder)
    folder.write("other.txt", "Something else.")
    folder.write("lecture.cleaned.txt", "mine")
    folder.write("other.cleaned.txt", "mine")
    return folder


def contents(folder: Folder) -> dict[str, str | None]:
    """All files, with what is in them."""
    return {path.name: path.read_text("utf-8") if path.is_file() else None for path in folder.path.iterdir()}


@each_case("case", REFUSED_RUNS)
@each_case("verb", ["run", "plan"])
def test_a_run_that_is_refused_begins_no_store(occupied: Folder, verb: str, case: str) -> None:
    """Nothing was done, so nothing is there."""
    words, message = REFUSED_RUNS[case]
    before = contents(occupied)
    done = occupied.try_to_run(verb, "lecture.txt", *words)
    if verb == "run":
        assert (done.code, message in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert contents(occupied) == before


def test_a_run_of_several_files_begins_a_store_for_those_that_are_not_refused(occupied: Folder) -> None:
    """A file whose output is in the way is refused, and the run does the other files."""
    (occupied.path / "other.cleaned.txt").unlink()
    said = occupied.run("run", "lecture.txt", "other.txt", code=2).stderr
    assert "lecture.cleaned.txt is there" in said
    assert [job["file_name"] for job in occupied.json("list")["jobs"]] == ["other.txt"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::checkpoint_store.StoreRecovered")  # it is told, and so it is meant to be
def test_a_state_file_is_still_taken_in(folder: Folder) -> None:
    """Where only the state file survived, a run goes on with its job, also where its output has to be looked at."""
    write_lecture(folder)
    folder.run("run", "lecture.txt", "--chunk-size", "60", "--only", "0-2")
    for name in folder.files() - {".processing_state.json", "lecture.txt"}:
        (folder.path / name).unlink()
    folder.write("lecture.cleaned.txt", "mine")
    folder.run("run", "lecture.txt", "--chunk-size", "60", "--force")
    (job,) = folder.json("list")["jobs"]
    assert (job["status"], job["completed_chunks"]) == ("completed", 6)


@each_case("command", COMMANDS)
@each_case("words", [("--store", "new.db"), ("JOB", "--store", "new.db"), ("--store", "no/new.db")], ids=" ".join)
def test_a_command_without_a_store_begins_none(tmp_path: Path, command: str, words: tuple[str, ...]) -> None:
    """Whatever it says, and whether JOB is given or not."""
    folder = Folder(tmp_path)
    folder.write("bad.json", "no state")
    more = {
        "release": ("--runner", "1"),
        "redo": ("--chunks", "0"),
        "report": ("-o", "page.html"),
        **dict.fromkeys(("import", "merge", "restore", "backup"), ("bad.json",)),
        **dict.fromkeys(("delete", "prune"), ("--yes",)),
    }
    before = contents(folder)
    folder.try_to_run(command, *more.get(command, ()), *words)
    assert contents(folder) == before


KILLED_AT_FIRST_LOOK = """import os, signal, sys
from pathlib import Path
from checkpoint_store.cli.stand_in import open_or_create
open_or_create(sys.argv[1], lambda trial: os.kill(os.getpid(), signal.SIGKILL))"""


@pytest.mark.slow
def test_what_a_killed_first_look_left_is_removed_by_the_next_run(lecture: Folder) -> None:
    """A run that is killed before it makes its store leaves a folder with copies; the next run removes that folder."""
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_FIRST_LOOK, lecture.path / STORE], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(lecture.path.glob(".*stand-in*"))
    lecture.run("run", "lecture.txt", *CAT)
    assert list(lecture.path.glob(".*stand-in*")) == []


def test_the_first_look_of_another_run_stays(lecture: Folder) -> None:
    """A run that begins beside another one takes nothing away from it."""
    with stand_in(lecture.path / "another.db", lecture.path) as trial:
        lecture.run("run", "lecture.txt", *CAT)
        assert trial.path.is_file()
