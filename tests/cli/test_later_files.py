"""A run of several files that ended early: ``resume`` goes on with one of them, and says which were never begun."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.run.memory import LaterFiles

from .conftest import Folder

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--chunk-size", "10", "--overlap", "0")
PRICED = ("--", "sh", "-c", """cat >> calls; echo '{"cleaned_text": "x", "cost": 1}'""")


@pytest.fixture
def stopped(folder: Folder) -> Folder:
    """Of the files of a run, a.txt is complete, b c.txt paused, and d.txt and e.txt not begun."""
    for name in ("a.txt", "b c.txt", "d.txt", "e.txt"):
        folder.write(name, "One one.\n\nTwo two." if name == "b c.txt" else "One.")
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        folder.run("run", "a.txt", *SMALL, *PRICED)
        folder.run("run", "b c.txt", *SMALL, "--only", "0", *PRICED)
        job = store.job("b c.txt")
        job.pause()
        memory = dict(job.metadata["command_line"])
        del memory["only"]
        later = LaterFiles.of([folder.path / "d.txt", folder.path / "e.txt"]).as_memory()
        job.set_metadata({"command_line": memory | later})
    return folder


def not_begun(said: str) -> str | None:
    """The line that begins what was never begun."""
    found = [line.partition("begin ")[2].partition(":  ")[2] for line in said.splitlines() if "of the same run" in line]
    return found[0] if found else None


@pytest.mark.slow
def test_resume_names_the_files_that_were_never_begun(stopped: Folder) -> None:
    """``resume`` prints the line that begins the files that its run never reached; typed, it leaves nothing to do."""
    said = stopped.run("resume").stderr
    assert "✓ b c.txt  2 chunks done" in said
    assert "d.txt, e.txt of the same run were not begun; begin them with:  checkpoint-store run d.txt e.txt" in said
    again = stopped.run("resume").stderr
    assert "is complete: there is nothing to go on with" in again
    line = not_begun(again)
    assert line == not_begun(said) is not None
    stopped.run(*shlex.split(line)[1:])
    assert {job["shown_status"] for job in stopped.json("list")["jobs"]} == {"completed"}
    assert not_begun(stopped.run("resume", "b c.txt").stderr) is None


@pytest.mark.slow
def test_a_program_reads_which_files_were_never_begun(stopped: Folder) -> None:
    """The document of ``resume --json`` has the files that were never begun, even if nothing was left to resume."""
    names = [str(stopped.path / "d.txt"), str(stopped.path / "e.txt")]
    assert stopped.json("resume")["summary"]["files_not_begun"] == names
    stopped.run("run", "d.txt", *SMALL, *PRICED)
    assert stopped.json("resume", "b c.txt")["summary"]["files_not_begun"] == names[1:]


@pytest.mark.slow
def test_an_older_job_of_a_file_counts_where_it_is_complete(stopped: Folder) -> None:
    """A file that an earlier run began and that this one did not come to is left; one that is complete is not."""
    with CheckpointStore(stopped.path / ".processing_state.db") as store:
        for name in ("d.txt", "e.txt"):
            job = store.open_job(name, chunks=["a", "b"])
            job.complete(0, {"cleaned_text": "x"})
        job.complete(1, {"cleaned_text": "x"})
        stopped.run("run", "b c.txt", *SMALL, "--only", "0", *PRICED)  # opened after them
        opened = store.job("b c.txt")
        memory = {name: value for name, value in opened.metadata["command_line"].items() if name != "only"}
        later = LaterFiles.of([stopped.path / "d.txt", stopped.path / "e.txt"]).as_memory()
        opened.set_metadata({"command_line": memory | later})
    assert stopped.json("resume", "b c.txt")["summary"]["files_not_begun"] == [str(stopped.path / "d.txt")]


@pytest.mark.slow
def test_from_another_folder_the_line_goes_to_the_files(stopped: Folder) -> None:
    """From another folder, the line that begins the other files first changes to the folder of the run."""
    (stopped.path / "sub").mkdir()
    inner = Folder(stopped.path / "sub")
    line = not_begun(inner.run("resume", "--store", "../.processing_state.db").stderr)
    assert line is not None
    place, run = line.split(" && ")
    assert place == f"cd {shlex.quote(str(stopped.path))}"
    stopped.run(*shlex.split(run)[1:])
    assert len(stopped.json("list")["jobs"]) == 4


def test_a_run_remembers_what_is_behind_each_file(folder: Folder) -> None:
    """A job of a run remembers the files behind it, even if a budget paused each file; the last file has none."""
    for name in ("a.txt", "b.txt", "c.txt"):
        folder.write(name, "One one.\n\nTwo two.")
    document = folder.json("run", "a.txt", "b.txt", "c.txt", *SMALL, "--max-cost", "1", *PRICED, code=75)
    assert document["summary"]["files_not_begun"] == []

    def later(name: str) -> Any:
        return folder.json("show", name)["metadata"]["command_line"].get("later")

    files = [str(folder.path / name) for name in ("a.txt", "b.txt", "c.txt")]
    assert [later(name) for name in ("a.txt", "b.txt", "c.txt")] == [files[1:], files[2:], None]
    folder.run("run", "b.txt", *SMALL, *PRICED)
    assert later("b.txt") is None


def test_a_run_of_a_thousand_files_remembers_few_names(tmp_path: Path) -> None:
    """A job of it stays small, and says how many there are."""
    later = LaterFiles.of([tmp_path / f"{number}.txt" for number in range(1_000)])
    memory = later.as_memory()
    assert (len(memory["later"]), memory["later_count"]) == (20, 1_000)
    assert LaterFiles.remembered(memory) == later
    assert LaterFiles.remembered({"later": 3, "later_count": "x"}).count == 0
