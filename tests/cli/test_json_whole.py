"""With --json, stdout is one whole document: after Ctrl-C, and where an error comes in the middle of an array."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import pytest
from conftest import program

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.app import MODULES, run_command_line
from checkpoint_store.cli.ended import Terminated

from .conftest import ROOT, SIX
from .test_interrupts import WAITING_COMMAND, until, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Folder

STORE = ".processing_state.db"
_COMMANDS = tuple(MODULES)
INTERRUPTED = {"error": "interrupted", "type": "KeyboardInterrupt", "exit_code": 130}
PAUSED = {"error": str(Terminated(signal.SIGINT, goes_on=True)), "type": "Terminated", "exit_code": 75}


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where whoever started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def job_of(folder: Folder, count: int, size: int = 1) -> None:
    """Make a job with this many results of so many characters; the result of chunk 2 has no field ``mark``."""
    with CheckpointStore(folder.path / STORE, durability="process") as store:
        job = store.open_job("talk.txt", total_chunks=count)
        for index in range(count):
            mark = {} if index == 2 else {"mark": index}
            job.complete(index, {"cleaned_text": "x" * size, **mark})


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("command", _COMMANDS)
def test_ctrl_c_is_told_in_json(lecture: Folder, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted while it works, each command prints one document and exits with 130; those that go on, with 75."""
    monkeypatch.setattr(click.Command, "invoke", lambda *_: signal.raise_signal(signal.SIGINT))
    takes_words = {"run": ["lecture.txt"], "plan": ["lecture.txt"], "merge": ["a"], "restore": ["a"], "import": ["a"]}
    takes_words |= {"backup": ["a"], "release": ["a", "--runner", "1"]}
    jobs = ("show", "results", "export", "delete", "chunks", "errors", "retry", "pause", "report")
    words = takes_words.get(command, ["a"] if command in jobs else [])
    (lecture.path / "a").mkdir()
    if command == "datasette-metadata":
        assert lecture.run(command, code=130).stdout == ""
        return
    goes_on = command in ("run", "resume")
    told = json.loads(lecture.run(command, *words, "--json", code=75 if goes_on else 130).stdout)
    assert told == (PAUSED if goes_on else INTERRUPTED)


@pytest.mark.usefixtures("ctrl_c")
def test_without_json_ctrl_c_prints_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that a person interrupts gets no JSON."""
    monkeypatch.setattr(click.Command, "invoke", lambda *_: signal.raise_signal(signal.SIGINT))
    assert folder.run("list", code=130).stdout == ""


def test_a_fault_of_the_program_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What no command expects is a document, too, and its traceback is not hidden."""
    monkeypatch.setattr(click.Command, "invoke", lambda *_: [].pop())
    with pytest.raises(IndexError):
        run_command_line(["checkpoint-store", "list", "--json"])
    assert json.loads(capsys.readouterr().out)["type"] == "IndexError"


def test_an_error_in_an_array_is_its_last_element(folder: Folder) -> None:
    """What was printed before stands, the document can be read, and its end says what is wrong."""
    job_of(folder, 4)
    *results, error = folder.json("results", "talk.txt", "--field", "mark", code=2)
    assert [result["mark"] for result in results] == [0, 1]
    assert "chunk 2 has no field 'mark'" in error["error"]
    assert (error["type"], error["exit_code"]) == ("ClickException", 2)


def test_an_error_before_the_first_element_is_the_document(folder: Folder) -> None:
    """An error before the first element is the whole document, as with every command."""
    job_of(folder, 4)
    assert "no field 'absent'" in folder.json("results", "talk.txt", "--field", "absent", code=2)["error"]
    assert len(folder.json("results", "talk.txt")) == 4  # and the next document has nothing of it


def test_damage_in_the_middle_is_told(folder: Folder) -> None:
    """A result that no copy has any more ends the array with the error."""
    job_of(folder, 4)
    for path in folder.path.glob(f"{STORE}.backup*"):
        path.unlink()
    for name in (".processing_state.json", ".processing_state.bak"):
        (folder.path / name).unlink(missing_ok=True)
    with closing(sqlite3.connect(folder.path / STORE)) as connection, connection:
        connection.execute("UPDATE chunk_results SET result = '{}' WHERE chunk_index = 3")
    document = folder.json("results", "talk.txt", code=2)
    error = document if isinstance(document, dict) else document[-1]
    assert error["type"] == "StoreDamaged"


@pytest.mark.slow
def test_ctrl_c_tears_no_element(folder: Folder) -> None:
    """Interrupted while a slow reader keeps the pipe full, the array is whole and ends with the interrupt."""
    job_of(folder, 200, size=4_000)
    process = folder.process("results", "talk.txt", "--json")
    assert process.stdout is not None
    begin = process.stdout.read(1)  # the pipe is full, or soon will be
    process.send_signal(signal.SIGINT)
    document: list[dict[str, Any]] = json.loads(begin + process.stdout.read())
    process.communicate()
    assert process.returncode == 130
    assert document[-1] == INTERRUPTED
    assert [result["chunk_index"] for result in document[:-1]] == list(range(len(document) - 1))


@pytest.mark.slow
def test_a_run_that_is_interrupted_twice_has_its_report(lecture: Folder) -> None:
    """The report of what was done is the document, with the exit code 130."""
    process = lecture.process("run", "lecture.txt", *SIX, "--json", *lecture.command(WAITING_COMMAND))
    wait_for(lecture.path / "waiting", process)
    process.send_signal(signal.SIGINT)
    until(lambda: "finishing" in process.stderr.readline())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)  # two signals within a tenth of a second are one press
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate()
    report = json.loads(stdout)
    assert (report["exit_code"], report["jobs"][0]["completed_chunks"], process.returncode) == (130, 2, 130)


def test_a_page_and_json_do_not_mix(folder: Folder) -> None:
    """A report on stdout is no JSON document, so --json is refused there."""
    job_of(folder, 1)
    assert "--json" in folder.json("report", "talk.txt", "--output", "-", code=2)["error"]


def test_what_steers_a_screen_is_escaped_in_results(folder: Folder) -> None:
    """The array of ``results --json`` escapes control characters by their numbers, and keeps their meaning."""
    with CheckpointStore(folder.path / STORE) as store:
        store.open_job("talk.txt", total_chunks=1).complete(0, "\x9b31m\u202e")
    stdout = folder.run("results", "talk.txt", "--json").stdout
    assert not set(stdout) & set("\x9b\u202e")
    assert json.loads(stdout)[0]["result"] == "\x9b31m\u202e"


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("error", "module", "code", "message"),
    [
        ("ModuleNotFoundError", "click", 2, "click is not installed"),
        ("ModuleNotFoundError", "rich", 2, "rich is not installed"),  # which only some commands import
        ("KeyboardInterrupt", "checkpoint_store.cli.app", 130, "interrupted"),
    ],
)
def test_what_comes_before_the_command_is_told(
    folder: Folder, error: str, module: str, code: int, message: str
) -> None:
    """A missing extra, and a Ctrl-C while Python still imports the command, are JSON, too."""
    argv = [sys.executable, program(__file__, "run_without"), error, module, "list", "--json"]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder.path, env=environment)
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert message in document["error"]
    assert document["exit_code"] == code
