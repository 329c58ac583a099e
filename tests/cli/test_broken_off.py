"""An error of the store in the middle of several files: what was done before it is told all the same."""

from __future__ import annotations

import json
import sys
from shlex import quote
from typing import TYPE_CHECKING

import pytest
from conftest import program

from .conftest import ROOT, SIX

if TYPE_CHECKING:
    from .conftest import Folder

# At the second talk, or at the third chunk of the fourth one.
SPOILING = program(__file__, "spoil_store")
REMOVING = program(__file__, "remove_store")


@pytest.fixture
def talks(folder: Folder) -> Folder:
    """Three talks, the second of which spoils the store."""
    for name, text in (("a.txt", "One."), ("b.txt", "This will spoil it."), ("c.txt", "Three.")):
        folder.write(name, text)
    return folder


def test_a_program_reads_of_the_files_before_it(talks: Folder) -> None:
    """The document of a run that broke off has the error, the record of each file, and the sums."""
    done = talks.json("run", "a.txt", "b.txt", "c.txt", *talks.command(SPOILING), code=2)
    assert (done["type"], done["exit_code"]) == ("StoreDamaged", 2)
    assert "trigger" in done["error"]
    jobs = [(job["file_name"], job["outcome"], job["broken_off_by"], job["cost"]) for job in done["jobs"]]
    assert jobs == [
        ("a.txt", "complete", None, 0.5),
        ("b.txt", "stopped", "StoreDamaged", None),
        ("c.txt", "not begun", None, None),
    ]
    summary = done["summary"]
    assert [summary[name] for name in ("files", "complete", "stopped", "not_begun", "cost")] == [3, 1, 1, 1, 0.5]
    assert summary["go_on_with"].endswith(" command.py")


def test_a_person_reads_the_error_once_and_the_sum(talks: Folder) -> None:
    """A person reads the error once, the sum, and the line that goes on."""
    said = talks.run("run", "a.txt", "b.txt", "c.txt", *talks.command(SPOILING), code=2).stderr
    assert said.count("is damaged: ") == 1
    assert "checkpoint-store: b.txt: " in said
    assert "3 files  1 complete, 1 stopped, 1 not begun" in said
    assert "go on with:  python3 -m checkpoint_store run a.txt b.txt c.txt" in said


def test_where_no_job_is_begun_the_error_is_all(talks: Folder) -> None:
    """A run whose first file meets a broken store prints the document of any error, and nothing else."""
    talks.write(".processing_state.db", "no store")
    done = talks.try_to_run("run", "b.txt", "c.txt", "--json", *talks.command(SPOILING))
    assert set(json.loads(done.stdout)) == {"error", "type", "exit_code"}
    assert done.code == 2


@pytest.mark.slow
def test_an_error_of_the_store_in_the_only_file_tells_what_was_done(talks: Folder) -> None:
    """What is done and paid for is safe, and so said, with the line that goes on."""
    talks.write("d.txt", "\n\n".join(f"This is number {number}." for number in range(4)))
    words = ("d.txt", "--chunk-size", "20", "--overlap", "0", *talks.command(SPOILING))
    said = talks.run("run", *words, code=2).stderr
    assert said.count("is damaged: ") == 1
    assert "  2 of 4 chunks done and safe, 2 left\n" in said
    assert "  cost   1\n" in said
    assert "go on with:  python3 -m checkpoint_store run d.txt" in said
    assert "writes the text once it can be" not in said


def test_a_program_reads_what_was_done_of_the_only_file(talks: Folder) -> None:
    """The error, and beside it the record of the file."""
    talks.write("d.txt", "\n\n".join(f"This is number {number}." for number in range(4)))
    words = ("d.txt", "--chunk-size", "20", "--overlap", "0", *talks.command(SPOILING))
    done = talks.json("run", *words, code=2)
    assert (done["type"], done["exit_code"]) == ("StoreDamaged", 2)
    (job,) = done["jobs"]
    told = [job[name] for name in ("outcome", "done_now", "completed_chunks", "total_chunks", "cost")]
    assert told == ["stopped", 2, 2, 4, 1]


def test_the_only_run_is_not_said_to_share_the_work(lecture: Folder) -> None:
    """Somebody removes the store: the results are those of this run, and no other run is named."""
    said = lecture.run("run", "lecture.txt", *SIX, *lecture.command(REMOVING), code=2).stderr
    assert "the file is no longer there" in said
    assert "  2 of 6 chunks done, 4 left\n" in said
    assert "recorded in a store that is not at its place any more: .processing_state.db\n" in said
    assert "safe" not in said
    assert "takes in those that are kept" not in said
    assert "run again with:  python3 -m checkpoint_store run lecture.txt" in said
    assert "another run" not in said


@pytest.mark.slow
def test_a_job_that_was_deleted_meanwhile_has_nothing_safe(lecture: Folder) -> None:
    """The run does not call chunks safe whose results were deleted with their job."""
    delete = f"PYTHONPATH={quote(str(ROOT))} {sys.executable} -m checkpoint_store delete lecture.txt --yes >&2"
    source = f"[ $CHECKPOINT_STORE_CHUNK_INDEX != 2 ] || {delete}; cat"
    words = ("run", "lecture.txt", *SIX, "--", "sh", "-c", source)
    said = lecture.run(*words, code=2).stderr
    assert "it was deleted, or pruned" in said
    assert "0 of 6 chunks done, 6 left" in said
    (report,) = lecture.json(*words, code=2)["jobs"]
    assert (report["completed_chunks"], report["done_now"]) == (0, 2)
