"""``redo``: complete chunks are done again by the next run, and each earlier result stays until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, JobStatus

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

# Says which call it was, and what that cost.
PAID = program(__file__, "paid_command")


def texts(folder: Folder) -> list[str]:
    """The result of each chunk."""
    return [one["cleaned_text"] for one in folder.json("results", "lecture.txt", "--field", "cleaned_text")]


@pytest.fixture
def done(lecture: Folder) -> Folder:
    """A complete job of six chunks, by calls 1 to 6."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command(PAID))
    return lecture


def test_a_redo_and_the_line_that_it_prints(done: Folder) -> None:
    """Until that is typed, everything that shows the job says that chunks are left, and what they hold."""
    said = done.run("redo", "lecture.txt", "--chunks", "1-2,4")
    assert "3 chunks of job" in said.stderr
    assert "each earlier result stays until the new result is there" in said.stderr
    assert said.stdout.startswith("go on with: checkpoint-store resume ")
    shown = done.run("show").stdout
    assert "3 of 6 chunks" in shown
    assert "to redo  3 chunks" in shown
    assert [row["status"] for row in done.json("chunks", "lecture.txt")["chunks"]] == [
        *("completed", "to-redo", "completed", "to-redo", "completed")
    ]
    assert texts(done) == [f"call {number}" for number in range(1, 7)]
    assert done.json("plan", "lecture.txt", *SIX, *done.command(PAID))["plans"][0]["chunks_to_do"] == 3
    done.run(*said.stdout.removeprefix("go on with: checkpoint-store").split())
    assert texts(done) == ["call 1", "call 7", "call 8", "call 4", "call 9", "call 6"]
    assert "call 9" in done.read("lecture.cleaned.txt")
    job = done.json("show")
    assert (job["status"], job["totals"]["cost"], job["replaced_cost"], job["redo_chunks"]) == (
        "completed",
        4.5,
        1.5,
        0,
    )
    assert done.json("list")["jobs"][0]["cost"] == 4.5


@pytest.mark.slow
def test_resume_does_what_is_left_of_a_job_that_was_set_to_completed(done: Folder) -> None:
    """A program may set that status while chunks are to be done again."""
    done.run("redo", "lecture.txt", "1")
    with CheckpointStore(done.path / ".processing_state.db") as store:
        store.jobs()[0].set_status(JobStatus.COMPLETED)
    done.run("resume", "lecture.txt")
    assert texts(done)[1] == "call 7"


@pytest.mark.slow
def test_delete_counts_what_is_to_be_done_again(done: Folder) -> None:
    """Each of these chunks has a result, which was paid for: it would go, too."""
    done.run("redo", "lecture.txt", "0-5")
    assert "and its 6 results; nothing is deleted" in done.run("delete", "lecture.txt").stderr


@pytest.mark.slow
def test_a_redo_in_json(done: Folder) -> None:
    """A program reads what is to be done again, and how to do it; asked twice, nothing changes."""
    first = done.json("redo", "lecture.txt", "--chunks", "3")
    assert (first["marked_chunks"], first["redo_chunks"]) == (1, [3])
    assert first["resume"] == f"checkpoint-store resume {first['job_id'][:8]}"
    again = done.run("redo", "lecture.txt", "--chunks", "3").stderr
    assert "nothing changed" in again
    assert done.json("redo", "lecture.txt", "--chunks", "2-3")["redo_chunks"] == [2, 3]


def test_a_job_that_a_program_began(folder: Folder) -> None:
    """Chunks are named by their keys, too, and the way to go on is the program's."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("folder", chunks={"a.txt": "1", "b.txt": "2"})
        for chunk in job.pending():
            chunk.complete("x")
    said = folder.run("redo", "folder", "--key", "b.txt")
    assert "the program that opened it" in said.stderr
    assert said.stdout == ""
    assert folder.json("redo", "folder", "--key", "a.txt", "--chunks", "1")["redo_chunks"] == [0, 1]


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the chunks to do again: JOB 3-7, --chunks 3-7 or --key KEY"),
        (("--chunks", "3-9"), "9 is not a chunk of job"),
        (("--chunks", "0-999999999"), "its chunks are 0 to 5"),
        (("2", "0-999999999"), "its chunks are 0 to 5"),
        (("--chunks", "x"), "'x' is no range of chunks"),
        (("--key", "a.txt"), "a.txt"),
    ],
)
def test_what_cannot_be_redone_is_named(done: Folder, words: tuple[str, ...], message: str) -> None:
    """``redo`` refuses a chunk that it cannot redo with its value and what helps, and marks no chunk."""
    assert message in " ".join(done.run("redo", "lecture.txt", *words, code=2).stderr.split())
    assert done.json("show")["redo_chunks"] == 0


def test_a_chunk_that_is_left_is_named(lecture: Folder) -> None:
    """The error names the chunk that is left, in the words of the command, and says that the others are not marked."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-1", *lecture.command(PAID))
    said = " ".join(lecture.run("redo", "lecture.txt", "--chunks", "1-2", code=2).stderr.split())
    assert "chunk 2 of job" in said
    assert "is not complete: the next run does it anyway. No chunk was marked." in said
    assert lecture.json("show")["redo_chunks"] == 0


@pytest.mark.slow
def test_a_sequential_job_names_what_belongs_to_a_chunk(lecture: Folder) -> None:
    """The ranges can be typed as they stand there."""
    lecture.run("run", "lecture.txt", *SIX, "--sequential", *lecture.command(PAID))
    said = " ".join(lecture.run("redo", "lecture.txt", "--chunks", "3", code=2).stderr.split())
    assert "--chunks 3 leaves out chunk 4" in said
    assert "from the first one on: 3-5" in said
    assert lecture.json("redo", "lecture.txt", "--chunks", "3-5")["redo_chunks"] == [3, 4, 5]
