"""With --json, an error is JSON on stdout, whatever the command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store.cli.app import MODULES

if TYPE_CHECKING:
    from .conftest import Folder

_COMMANDS = tuple(MODULES)
_WORDS = {
    "run": ("absent.txt",),
    "plan": ("absent.txt",),
    "merge": ("absent.db",),
    "restore": ("absent.db",),
    "import": ("absent.json",),
    "backup": ("copy.db",),
    "release": ("nothing", "--runner", "1"),
    "delete": ("nothing", "--yes"),
    "redo": ("nothing", "--chunks", "0"),
}
_TAKE_A_JOB = ("show", "results", "export", "delete", "chunks", "errors", "retry", "redo", "pause", "report", "release")
_NO_ERROR = ("path", "datasette-metadata")
"""Commands that need no store."""


def _arguments(command: str) -> tuple[str, ...]:
    return _WORDS.get(command, ("nothing",) if command in _TAKE_A_JOB else ())


def _error(stdout: str) -> str:
    document = json.loads(stdout)
    assert document["exit_code"] == 2
    assert document["type"]
    return str(document["error"])


@each_case("command", [name for name in _COMMANDS if name not in _NO_ERROR])
def test_a_missing_store_or_file_is_told_in_json(folder: Folder, command: str) -> None:
    """Stdout is one document with the message that stderr shows, the exit code is 2, and nothing is created."""
    done = folder.run(command, *_arguments(command), "--json", "--store", "absent.db", code=2)
    assert "absent" in _error(done.stdout)
    assert " ".join(_error(done.stdout).split()) in " ".join(done.stderr.split())
    assert folder.files() == set()


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", _TAKE_A_JOB)
def test_an_unknown_job_is_told_in_json(lecture: Folder, command: str) -> None:
    """The document names the JOB that no job is."""
    lecture.run("run", "lecture.txt")
    assert "nothing" in _error(lecture.run(command, *_arguments(command), "--json", code=2).stdout)


@each_case("command", _COMMANDS)
def test_a_usage_error_is_told_in_json(folder: Folder, command: str) -> None:
    """With --json, each command answers an unknown option with a JSON document on stdout."""
    assert "--absent" in _error(folder.run(command, "--json", "--absent", code=2).stdout)


def test_an_unknown_command_is_told_in_json(folder: Folder) -> None:
    """A word that no command is, too."""
    assert "lst" in _error(folder.run("lst", "--json", code=2).stdout)


def test_the_json_of_a_command_is_its_own(folder: Folder) -> None:
    """A --json after the two dashes belongs to COMMAND: stdout stays empty."""
    assert folder.run("run", "absent.txt", "--", "clean", "--json", code=2).stdout == ""


def test_without_json_stdout_stays_empty(folder: Folder) -> None:
    """A person reads stderr, and a pipe gets nothing."""
    assert folder.run("list", code=2).stdout == ""
