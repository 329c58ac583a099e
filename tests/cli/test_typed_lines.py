"""Each line that a screen or a page tells people to type works as it stands: here the store's path has blanks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from checkpoint_store import CheckpointStore, errors, report
from checkpoint_store.cli.messages import message_of
from tests.report.pages import facts

from .conftest import ROOT, SIX, Folder, write_lecture

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Done

STORE = "../the other place/it's a store.db"
LINE = re.compile(
    r"(?:cd \S+ && )?(?:python3 -m checkpoint_store|checkpoint-store) (?:[^'\"\n,;()]|'[^']*'|\"[^\"]*\")+"
)
FAILS_AT_TWO = """
[ "$CHECKPOINT_STORE_CHUNK_INDEX" = 2 ] && [ ! -e mended ] && echo no answer >&2 && exit 1
cat > /dev/null; echo '{"cleaned_text": "said", "cost": 1}'
"""
COMMAND = ("--", "sh", "work.sh")


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """The folder of the person, with a lecture; the store is to be in the folder beside it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "the other place").mkdir()
    here = write_lecture(Folder(tmp_path / "here"))
    here.write("work.sh", FAILS_AT_TWO)
    return here


def lines(text: str) -> list[str]:
    """The lines of the command that stand in a text, without what surrounds them."""
    return [found.rstrip(" .") for found in LINE.findall(text)]


def paste(here: Folder, line: str, code: int = 0) -> Done:
    """Type a line as it stands, as a shell reads it; the last of its commands ends with this exit code."""
    done, folder = None, here
    *first, last = line.split(" && ")
    for part in (*first, last):
        words = shlex.split(part)
        if words[0] == "cd":
            folder = Folder(folder.path / words[1])
            continue
        arguments = words[1:] if words[0] == "checkpoint-store" else words[3:]
        done = folder.run(*arguments, code=code if part is last else 0)
    assert done is not None
    return done


def run(here: Folder, *words: object, code: int = 0) -> Done:
    """Run the lecture with a COMMAND that cannot do chunk 2 until somebody mends it."""
    return here.run("run", "lecture.txt", *SIX, *words, "--store", STORE, *COMMAND, code=code)


def test_the_lines_of_a_run_with_a_failed_chunk(here: Folder) -> None:
    """What to look at, and what to type once it is mended."""
    said = run(here, "--retries", "1", code=1).stderr
    see, again = lines(said)
    assert "no answer" in paste(here, see).stdout
    here.write("mended", "")
    assert "6 chunks done" in paste(here, again).stderr


@pytest.mark.slow
def test_the_lines_of_a_paused_run_with_a_failed_chunk(here: Folder) -> None:
    """The failed chunk has a line of its own, and what is left another one."""
    run(here, "--retries", "1", "--only", "0-3", code=1)
    said = run(here, "--retries", "1", "--max-cost", "4", code=75).stderr
    see, free, again = lines(said)
    assert "no answer" in paste(here, see).stdout
    assert "will be tried again" in paste(here, free).stderr
    assert "nothing to free" in paste(here, free).stderr
    assert "AMOUNT is not a number above 0" in paste(here, again, code=2).stderr
    here.write("mended", "")
    assert "6 chunks done" in paste(here, again.replace("AMOUNT", "9")).stderr


@pytest.mark.slow
@pytest.mark.parametrize("again", ["show", "show --failed", "redo", "plan", "page"])
def test_the_lines_of_those_who_look(here: Folder, again: str) -> None:
    """show, redo, plan and the page offer lines that name the store, too."""
    run(here, "--retries", "1", "--only", "0-3", code=1)
    here.write("mended", "")
    if again == "page":
        with CheckpointStore(here.path / STORE, read_only=True) as store:
            told = facts(report.write(store, here.path / "page.html"))["lines"]
        (here.path / "elsewhere").mkdir()  # where a page is looked at is any folder
        assert "said" in paste(Folder(here.path / "elsewhere"), told["results"]).stdout
        assert "1 failed and passed over" in paste(Folder(here.path / "elsewhere"), told["resume"], code=1).stderr
        assert "1 chunk of job" in paste(Folder(here.path / "elsewhere"), told["retry"]).stderr
    elif again == "plan":
        words = ("plan", "lecture.txt", *SIX, "--store", STORE, *COMMAND)
        (line,) = lines(here.run(*words).stdout)
        assert "1 chunk of job" in paste(here, line.partition(" frees")[0]).stderr
    elif again == "redo":
        said = here.run("redo", "--chunks", "0", "--store", STORE).stdout
        assert "1 failed and passed over" in paste(here, *lines(said), code=1).stderr
    else:
        first, second = lines(here.run("show", "--store", STORE).stdout)
        line, code = (second, 0) if again == "show --failed" else (first, 1)
        assert "lecture.txt" in paste(here, line, code=code).stderr


def test_the_lines_of_a_store_without_a_job(here: Folder) -> None:
    """What is left open is FILE alone; the store that was named is the one that the line begins."""
    missing = here.run("list", "--store", STORE, code=2).stderr
    (line,) = lines(missing.replace("or name", ";"))
    assert "nothing left to do" not in paste(here, line.replace("FILE", "lecture.txt")).stderr
    assert here.json("list", "--store", STORE)["jobs"][0]["status"] == "completed"
    with CheckpointStore(here.path / "the empty.db"):
        pass
    for verb in ("show", "list"):
        (line,) = lines(here.run(verb, "--store", "the empty.db", code=2 if verb == "show" else 0).stderr)
        assert line.endswith("the empty.db' FILE")
    (here.path / "lecture.cleaned.txt").unlink()  # a job of the other store wrote it
    paste(here, line.replace("FILE", "lecture.txt"))
    assert here.json("list", "--store", "the empty.db")["jobs"][0]["status"] == "completed"


def test_the_lines_of_a_job_that_remembers_no_command(here: Folder) -> None:
    """A program began it: redo and resume say how a person would go on."""
    with CheckpointStore(here.path / STORE) as store:
        store.open_job("lecture.txt", chunks=["a", "b"]).complete(0, "A")
    told = lines(here.run("resume", "--store", STORE, code=2).stderr)[0]
    assert told == f"checkpoint-store run --store {shlex.quote(STORE)} FILE [-- COMMAND]"
    told = lines(here.run("redo", "--chunks", "0", "--store", STORE).stderr)[0]
    assert told == f"checkpoint-store run --store {shlex.quote(STORE)} FILE"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "verb"),
    [(errors.JobBusy("JOB", 1, "here", "now", 3), "release"), (errors.ChunkFailed("JOB", 2, "chunk 1: no"), "retry")],
    ids=["release", "retry"],
)
def test_the_lines_of_an_error_name_the_store(here: Folder, error: Exception, verb: str) -> None:
    """The library does not say in every message which store it is about."""
    run(here, "--retries", "1", code=1)
    job_id = here.json("list", "--store", STORE)["jobs"][0]["job_id"]
    (line,) = (one for one in lines(message_of(error, STORE)) if f" {verb} " in one)
    words = line.replace("JOB", job_id).partition(" then ")[0]
    assert shlex.split(words)[-2:] == ["--store", STORE]
    paste(here, words, code=2 if verb == "release" else 0)  # there is no runner 3


@pytest.mark.slow
def test_a_budget_that_is_raised_from_elsewhere(here: Folder) -> None:
    """Resume in another folder than the run's: the line takes the new value, and keeps all else."""
    run(here, "--only", "0", code=0)
    run(here, "--max-cost", "2", code=75)
    elsewhere = Folder(here.path.parent / "the other place")
    (line,) = lines(elsewhere.run("resume", "--store", "it's a store.db", code=75).stderr)
    assert line.endswith("--max-cost AMOUNT")
    assert lines(elsewhere.run("show", "--store", "it's a store.db").stdout) == [line]
    assert "AMOUNT is not a number above 0" in paste(elsewhere, line, code=2).stderr
    here.write("mended", "")
    assert "6 chunks done" in paste(elsewhere, line.replace("AMOUNT", "9")).stderr


@pytest.mark.slow
def test_a_cost_that_nobody_finds_is_left_open(here: Folder) -> None:
    """The line as it stands pays for nothing more: FIELD is no field."""
    said = run(here, "--max-cost", "9", "--cost", "price", code=75).stderr
    (line,) = lines(said.partition("--max-cost:")[2])
    assert "FIELD stands for the name of a field" in paste(here, line, code=2).stderr
    (shown,) = lines(here.run("show", "--store", STORE).stdout)
    assert "FIELD stands for the name of a field" in paste(here, shown, code=2).stderr
    here.write("mended", "")
    assert "6 chunks done" in paste(here, line.replace("FIELD", "cost")).stderr


@pytest.mark.slow
def test_a_store_of_the_environment_is_named(here: Folder) -> None:
    """Another shell has another environment."""
    words = ("run", "lecture.txt", *SIX, "--retries", "1", *COMMAND)
    said = here.run(*words, CHECKPOINT_STORE=STORE, code=1).stderr
    _, again = lines(said)
    here.write("mended", "")
    assert "6 chunks done" in paste(here, again).stderr
    assert not (here.path / ".processing_state.db").exists()


@pytest.mark.slow
def test_the_default_store_is_named_where_the_environment_has_another(lecture: Folder) -> None:
    """The line is typed in the same shell, where a command would take the other store."""
    lecture.run("run", "lecture.txt", *SIX, *lecture.command())
    named = ("--store", ".processing_state.db")
    said = lecture.run("redo", "lecture.txt", "0", *named, CHECKPOINT_STORE="other.db").stdout
    assert shlex.split(said)[-2:] == list(named)
    assert "--store" not in lecture.run("redo", "lecture.txt", "0", *named).stdout


@pytest.mark.slow
def test_a_shell_reads_the_lines_so(here: Folder) -> None:
    """A real shell understands the line that is printed, which goes on with the job."""
    _, again = lines(run(here, "--retries", "1", code=1).stderr)
    here.write("mended", "")
    shims = here.path / "bin"
    shims.mkdir()
    for name, words in (("python3", ""), ("checkpoint-store", "-m checkpoint_store")):
        (shims / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (shims / name).chmod(0o755)
    path = f"{shims}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", again], cwd=here.path, env=environment, capture_output=True, text=True, check=False
    )
    assert "6 chunks done" in done.stderr, done.stderr


@pytest.mark.slow
def test_the_page_leaves_a_budget_open(here: Folder) -> None:
    """A resume as it was would pause again at once; how the job is run is shown as no metadata."""
    run(here, "--only", "0")
    run(here, "--max-cost", "1", code=75)
    with CheckpointStore(here.path / STORE, read_only=True) as store:
        told = facts(report.write(store, here.path / "page.html"))
    assert told["metadata"] == {}
    assert told["lines"]["resume"].endswith(" --max-cost AMOUNT")
    here.write("mended", "")
    assert "6 chunks done" in paste(here, told["lines"]["resume"].replace("AMOUNT", "9")).stderr
    with CheckpointStore(here.path / STORE, read_only=True) as store:
        assert "resume" not in facts(report.write(store, here.path / "page.html"))["lines"]


@pytest.mark.slow
def test_the_page_frees_what_failed_where_nothing_else_is_left(here: Folder) -> None:
    """The line of the page frees what failed, as that of ``show`` does."""
    run(here, "--retries", "1", code=1)
    with CheckpointStore(here.path / STORE, read_only=True) as store:
        line = facts(report.write(store, here.path / "page.html"))["lines"]["resume"]
    here.write("mended", "")
    assert "6 chunks done" in paste(here, line).stderr


def test_the_line_of_a_mistyped_job_ends_with_the_line(here: Folder) -> None:
    """No full stop, and no question behind it on the same line: what is copied to its end is the line."""
    run(here, "--only", "0")
    first, second = here.run("show", "elsewhere/lecture.txt", "--store", STORE, code=2).stderr.splitlines()
    assert second.startswith("Did you mean ")
    assert "lecture.txt" in paste(here, first[first.index("checkpoint-store list") :]).stdout
    (only,) = here.run("show", "nothing", "--store", STORE, code=2).stderr.splitlines()
    assert "lecture.txt" in paste(here, only[only.index("checkpoint-store list") :]).stdout
