"""Chunks that are to be done again are told apart from those without a result, wherever chunks are counted."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from conftest import program

from checkpoint_store import CheckpointStore

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

PAID = program(__file__, "paid_command")
KEPT = "3 chunks are to be done again; each keeps its earlier result until the new result is there"


@pytest.fixture
def marked(lecture: Folder) -> Folder:
    """A job of six chunks: 0 and 1 are complete, 2 to 4 are to be done again, and 5 has no result."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-4", *lecture.command(PAID))
    lecture.run("redo", "lecture.txt", "2-4")
    return lecture


@pytest.mark.slow
def test_chunks_tells_what_is_done_again_from_what_is_left(marked: Folder) -> None:
    """The row of a chunk to redo says so, and the line below what becomes of its earlier result."""
    said = marked.run("chunks")
    assert [line.split()[:3] for line in said.stdout.splitlines()[1:]] == [
        ["0-1", "2", "completed"],
        ["2-4", "3", "to-redo"],
        ["5", "1", "pending"],
    ]
    assert said.stderr.strip() == KEPT
    document = marked.json("chunks")
    assert document["counts"] == {
        "pending": 1,
        "to-redo": 3,
        "running": 0,
        "completed": 2,
        "failed": 0,
        "in-doubt": 0,
    }
    assert [row["redo"] for row in document["chunks"]] == [False, True, False]
    assert [row["redo"] for row in csv.DictReader(io.StringIO(marked.run("chunks", "--csv").stdout))] == [
        *("False", "True", "False")
    ]
    assert [row["start"] for row in marked.json("chunks", "--status", "to-redo")["chunks"]] == [2]


@pytest.mark.slow
def test_a_chunk_that_fails_while_it_is_redone_still_says_that_its_result_is_kept(marked: Folder) -> None:
    """A failed try is no loss of the earlier result; its row says both."""
    with CheckpointStore(marked.path / ".processing_state.db") as store:
        for _ in range(3):
            store.jobs()[0].fail_chunk(3, "no answer")
    rows = {row["start"]: (row["status"], row["redo"]) for row in marked.json("chunks")["chunks"]}
    assert rows[3] == ("failed", True)
    assert rows[2] == rows[4] == ("to-redo", True)
    assert KEPT in marked.run("chunks").stderr


@pytest.mark.slow
def test_a_run_says_at_its_first_line_what_it_does_again(marked: Folder) -> None:
    """Who marked three chunks sees that the run is about to do them."""
    said = marked.run("run", "lecture.txt", *SIX, *marked.command(PAID)).stderr
    assert said.splitlines()[0] == "lecture.txt: 6 chunks, 2 done before, 4 left, 3 to redo"
    marked.run("redo", "lecture.txt", "0-2")
    paused = marked.run("run", "lecture.txt", *SIX, "--max-cost", "3.2", *marked.command(PAID), code=75).stderr
    assert KEPT in paused


@pytest.mark.slow
def test_list_and_show_count_what_is_done_again(marked: Folder) -> None:
    """A column of its own, and in a job without such chunks none."""
    head, row = marked.run("list", COLUMNS="160").stdout.splitlines()
    assert "TO REDO" in head
    assert row[: head.index("TO REDO") + len("TO REDO")].endswith(" 3")
    assert next(csv.DictReader(io.StringIO(marked.run("list", "--csv").stdout)))["redo_chunks"] == "3"
    assert "3 to redo" in marked.run("show", "--follow").stdout.splitlines()[0]
    marked.run("run", "lecture.txt", *SIX, *marked.command(PAID))
    assert "TO REDO" not in marked.run("list", COLUMNS="160").stdout


def test_a_plan_says_what_it_does_again(marked: Folder) -> None:
    """Before the money is spent once more."""
    said = marked.run("plan", "lecture.txt", *SIX, *marked.command(PAID)).stdout
    assert " ".join(said.split()).count(f"to redo {KEPT}") == 1
    assert marked.json("plan", "lecture.txt", *SIX, *marked.command(PAID))["plans"][0]["redo_chunks"] == 3


def test_chunks_of_a_job_without_chunks_names_the_job(folder: Folder) -> None:
    """Each line is understood alone."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job("empty.txt", chunks=[])
    assert folder.run("chunks").stderr.strip() == f"job {job.job_id[:8]} has no chunks"


@pytest.mark.slow
def test_tries_of_a_redone_chunk_are_those_since_its_result(marked: Folder) -> None:
    """The try that gave the earlier result is none of those after which the chunk failed."""
    failing = marked.command("import sys; sys.exit('no answer')")
    said = marked.run("run", "lecture.txt", *SIX, "--only", "2", "--retries", "1", *failing, code=1).stderr
    assert "chunk 2, after 2 tries: " in said
    assert "  2 tries, " in marked.run("errors").stdout
    row = next(row for row in marked.json("chunks")["chunks"] if row["start"] == 2)
    assert (row["attempt"], row["tries"], row["redo"]) == (3, 2, True)
    assert [line.split()[3] for line in marked.run("chunks").stdout.splitlines() if line.startswith("2 ")] == ["2"]
