"""The line that goes on does what it says: with what is left, with what failed, and from the folder in which one is."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore, Job

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

REFUSING = program(__file__, "refuse_some")


@pytest.fixture
def refused(lecture: Folder) -> Folder:
    """A job of six chunks, one of which used up its tries."""
    lecture.write("refused", "3")
    lecture.run("run", "lecture.txt", *SIX, "--retries", "1", *lecture.command(REFUSING), code=1)
    return lecture


def line_of(text: str) -> list[str]:
    """The words of the line that the last line of ``show`` tells to type."""
    words, _, line = text.splitlines()[-1].partition(": checkpoint-store ")
    assert words in ("go on with", "try again with", "with the failed chunks, too")
    return line.split()


@pytest.mark.slow
def test_where_only_failed_chunks_are_left_the_line_frees_them(refused: Folder) -> None:
    """If only failed chunks are left, the printed line tries them again, for another line would do nothing."""
    shown = refused.run("show").stdout
    assert "go on with" not in shown
    refused.write("refused", "")
    refused.run(*line_of(shown))
    assert refused.json("show")["status"] == "completed"


@pytest.mark.slow
def test_where_others_are_left_there_are_two_lines(lecture: Folder) -> None:
    """``show`` prints a line that passes over the failed chunks, and a line that tries them again."""
    lecture.write("refused", "1")
    lecture.run("run", "lecture.txt", *SIX, "--retries", "1", "--only", "0-2", *lecture.command(REFUSING), code=1)
    first, second = lecture.run("show").stdout.splitlines()[-2:]
    lecture.run(*line_of(first), code=1)
    assert lecture.json("show")["completed_chunks"] == 5
    lecture.write("refused", "")
    lecture.run(*line_of(second))
    assert lecture.json("show")["status"] == "completed"


@pytest.mark.slow
def test_resume_names_files_as_they_are_named_here(refused: Folder) -> None:
    """``resume`` in the folder of the run names files without their folder, and prints a short line."""
    said = refused.run("resume", code=1).stderr
    assert str(refused.path) not in said
    job = refused.json("show")["job_id"][:8]
    assert f"try again with:  checkpoint-store retry {job} && checkpoint-store resume {job}" in said


@pytest.mark.slow
def test_resume_from_elsewhere_names_whole_paths(refused: Folder) -> None:
    """A name without its folder would be another file's there."""
    (refused.path / "elsewhere").mkdir()
    refused.path = refused.path / "elsewhere"
    said = refused.run("resume", "--store", "../.processing_state.db", code=1).stderr
    assert f"✗ {refused.path.parent / 'lecture.txt'}" in said
    assert "checkpoint-store resume" in said


@pytest.mark.slow
def test_the_map_shows_what_is_to_be_done_again(refused: Folder) -> None:
    """The map has a sign of its own for chunks to be done again, and ``--json`` has their ranges."""
    refused.run("redo", "lecture.txt", "1-2", "5")
    shown = refused.run("show").stdout
    assert "  █↻↻✗█↻\n" in shown
    assert "↻ to redo" in shown
    assert refused.json("show")["redo_ranges"] == [[1, 3], [5, 6]]


@pytest.mark.slow
def test_the_note_about_other_settings_names_an_option_that_is_not_given(lecture: Folder) -> None:
    """The note about other settings does not propose ``--on-change reuse`` to who gave it, nor unset settings."""
    lecture.run("run", "lecture.txt", *SIX)
    said = lecture.run("run", "lecture.txt", *SIX, "--model", "small", "--on-change", "reuse").stderr
    assert "--on-change reuse takes" not in said
    assert "--reuse-ignoring NAME, such as model" in said
    assert "None" not in lecture.run("show").stdout
    assert "language" in json.dumps(lecture.json("show")["config"])


def no_second_transaction(*_: Any) -> None:
    """What must not be called once a job is begun."""
    raise AssertionError("a second transaction")


@pytest.mark.slow_variants
@pytest.mark.parametrize("option", ["reuse", "restart"])
def test_a_new_job_in_place_of_another_remembers_its_command_from_its_first_moment(
    lecture: Folder, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill right after it began leaves no job that cannot be resumed: no later transaction writes the line."""
    lecture.run("run", "lecture.txt", *SIX)
    monkeypatch.setattr(Job, "set_metadata", no_second_transaction)
    lecture.run("run", "lecture.txt", *SIX, "--model", "small", "--on-change", option, "--only", "0-1")
    assert lecture.json("show")["metadata"]["command_line"]["only"] == "0-1"


@pytest.mark.slow
def test_so_does_a_job_in_place_of_one_without_results(lecture: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrected model in the first minute needs no --on-change."""
    lecture.run("run", "lecture.txt", *SIX, "--", "false", code=1)
    monkeypatch.setattr(Job, "set_metadata", no_second_transaction)
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-1", "--", "cat")
    assert lecture.json("show")["metadata"]["command_line"]["words"][-1] == "cat"


def test_no_line_goes_on_with_a_job_that_is_in_work(lecture: Folder) -> None:
    """While a runner works on a job, ``show`` tells nobody to go on with the job; later it does."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0")
    with CheckpointStore(lecture.path / ".processing_state.db") as store:
        pending = store.job("lecture.txt").pending()
        next(pending)
        shown = lecture.run("show").stdout
        assert lecture.json("show")["is_active"]
        assert "go on with" not in shown
    assert "go on with" in lecture.run("show").stdout


def test_the_line_that_goes_on_with_standard_input_takes_it_again(
    lecture: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store keeps no text: without the text on its standard input, the printed line would wait at a terminal."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"um, we choose")))
    said = lecture.run("run", "-", "--", "false", code=1).stderr
    assert said.endswith("run - -- false < FILE\n")
    assert said.startswith("standard input: 1 chunk\n✗ standard input  chunk 0: ")
