"""What a fresh reader stumbled over on the screens: lines that a table broke, plurals, Python's names, empty columns."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore

from .conftest import SIX

if TYPE_CHECKING:
    from .conftest import Folder

STORE = ".processing_state.db"
UNEVEN = """import json, os, sys
index, attempt = (int(os.environ[f"CHECKPOINT_STORE_{name}"]) for name in ("CHUNK_INDEX", "ATTEMPT"))
if attempt == 1 and index in (1, 2):
    sys.exit(3)
print(json.dumps({"no_text" if attempt == 1 and index in (3, 4) else "cleaned_text": sys.stdin.read()}))
"""
PRICED = ("--", "sh", "-c", """cat > /dev/null; echo '{"cleaned_text": "x", "cost": 0.5}'""")
FAILING = ("--", "sh", "-c", "exit 3")


def test_a_plan_prints_the_line_that_frees_failed_chunks_unbroken(lecture: Folder) -> None:
    """``plan`` prints the command that frees failed chunks unbroken at 80 columns, so that it can be pasted."""
    lecture.run("run", "lecture.txt", *SIX, "--retries", "0", "--halt", "never", *FAILING, code=1)
    said = lecture.run("plan", "lecture.txt", *SIX, *FAILING, COLUMNS="40").stdout
    job_id = lecture.json("show")["job_id"]
    assert f"  retry failed chunks with:  checkpoint-store retry {job_id[:8]}\n" in said


def test_show_prints_the_line_that_mends_a_store_unbroken(lecture: Folder) -> None:
    """Damage of the record of tries is told in one line, with what to type."""
    lecture.run("run", "lecture.txt", *SIX, "--retries", "0", "--halt", "never", *FAILING, code=1)
    with closing(sqlite3.connect(lecture.path / STORE)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE attempts SET started_at = x'00ff'")
    said = lecture.run("show", COLUMNS="60")
    (line,) = (line for line in said.stdout.splitlines() if line.startswith("  damaged"))
    assert "checkpoint-store recover --store" in line


def test_show_says_why_a_job_ended_in_the_words_of_the_command(lecture: Folder) -> None:
    """No class of the library, no argument of Python."""
    lecture.run("run", "lecture.txt", *SIX, "--max-cost", "1", *PRICED, code=75)
    said = " ".join(lecture.run("show").stdout.split())
    assert "with a higher --max-cost" in said
    assert "BudgetReached" not in said
    assert "max_cost" not in said


def test_an_error_of_the_work_keeps_its_class(folder: Folder) -> None:
    """``show`` prints the class of an exception that ended the work, which helps the author of the program."""
    with CheckpointStore(folder.path / STORE) as store:
        store.open_job("a.txt", chunks=["a"]).fail("ValueError: no")
    assert "ValueError: no" in folder.run("show").stdout


@pytest.mark.slow
def test_the_legend_names_what_the_map_shows(lecture: Folder) -> None:
    """A complete job has nothing left."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-2", *PRICED)
    assert "left" in lecture.run("show").stdout.splitlines()[-2]
    lecture.run("run", "lecture.txt", *SIX, *PRICED)
    assert lecture.run("show").stdout.splitlines()[-1].split()[1:] == ["completed"]


@pytest.mark.slow
def test_the_table_of_chunks_has_no_empty_column(lecture: Folder) -> None:
    """Where nothing was tried in vain there are no tries to tell of; a failed chunk has them all."""
    lecture.run("run", "lecture.txt", *SIX, "--only", "0-2", *PRICED)
    assert lecture.run("chunks").stdout.splitlines()[0].split() == ["CHUNKS", "COUNT", "STATUS"]
    lecture.run("run", "lecture.txt", *SIX, "--halt", "never", "--on-change", "restart", *FAILING, code=1)
    assert lecture.run("chunks").stdout.splitlines()[0].split(maxsplit=5)[3:] == ["TRIES", "SINCE", "LAST ERROR"]


@pytest.mark.slow
def test_a_run_counts_failures_in_the_plural(lecture: Folder) -> None:
    """A run counts its failures in the plural, and a run that did nothing has no line of counts."""
    said = lecture.run("run", "lecture.txt", *SIX, "--retries", "1", *FAILING, code=1).stderr
    assert "6 tried again (6 failures of COMMAND)" in said
    said = lecture.run("run", "lecture.txt", *SIX, "--max-cost", "1", *FAILING, code=1).stderr
    assert "  run  " not in said


@pytest.mark.slow
def test_a_run_counts_each_kind_of_failure(lecture: Folder) -> None:
    """A program that fails is told from an answer that has no text, and no try is left out of the count."""
    said = lecture.run("run", "lecture.txt", *SIX, "--retries", "1", *lecture.command(UNEVEN)).stderr
    assert "4 tried again (2 failures of COMMAND, 2 answers that could not be read)" in said


def test_chunks_in_the_place_of_job_are_told_so(lecture: Folder) -> None:
    """``redo 3``: a job comes first."""
    lecture.run("run", "lecture.txt", *SIX, *PRICED)
    assert "3 is taken for JOB" in " ".join(lecture.run("redo", "3", code=2).stderr.split())


def test_examples_of_help_fit_on_a_screen(folder: Folder) -> None:
    """A line that a screen of 80 columns would break stands in no help."""
    for command in ("run", "plan", "resume", "report", "datasette-metadata"):
        assert max(map(len, folder.run(command, "--help", COLUMNS="80").stdout.splitlines())) <= 80
