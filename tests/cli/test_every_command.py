"""Every command on a sound store, without one, on damaged files, and where nobody may write: help, JSON, exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.app import MODULES

from .conftest import AS_ANYBODY, ROOT, Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = tuple(MODULES)
PAGE = (ROOT / "docs" / "reference-output.md").read_text("utf-8")
ROWS = {
    cells[0].strip("` "): (cells[2], tuple(map(int, cells[3].split(","))))
    for cells in (line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| `"))
}
_OF_A_JOB = PAGE[PAGE.index("A *job* below") : PAGE.index("Fields may be added")]
JOB = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", _OF_A_JOB))
WORDS = {
    "run": ("talk.txt",),
    "plan": ("talk.txt",),
    "import": ("state.json",),
    "redo": ("--chunks", "0"),
    "release": ("--runner", "1"),
    "merge": ("other.db",),
    "backup": ("copy.db",),
    "restore": ("other.db",),
    "report": ("-o", "page.html"),
}
LIBRARY = re.compile(r"\b\w+=\S|\b\w+\(\)|Traceback|read_only|\.tmp-|\bNone\b")
"""What a person who types commands need not know: keywords, calls, names of temporary files."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a complete job and its files, a second store, and a state file."""
    folder = Folder(tmp_path_factory.mktemp("made"))
    folder.write("talk.txt", "We choose to go to the moon.")
    folder.run("run", "talk.txt")
    folder.run("backup", "other.db")
    folder.run("export", "talk.txt", "state.json")
    return folder.path


@pytest.fixture
def sound(made: Path, tmp_path: Path) -> Folder:
    """A copy of it, to be written to."""
    shutil.copytree(made, tmp_path / "copy")
    return Folder(tmp_path / "copy")


def nothing(_: Folder) -> None:
    """A sound store."""


def without_store(folder: Folder) -> None:
    """No store, and nothing that it could be made of."""
    for path in folder.path.glob(".processing_state*"):
        path.unlink()


def garbage(folder: Folder) -> None:
    """Something else under the store's name."""
    without_store(folder)
    (folder.path / ".processing_state.db").write_bytes(b"\xab" * 20_000)


def torn(folder: Folder) -> None:
    """A store whose pages are overwritten but the first, without any other copy."""
    data = (folder.path / ".processing_state.db").read_bytes()
    without_store(folder)
    (folder.path / ".processing_state.db").write_bytes(data[:4096] + b"\xab" * (len(data) - 4096))


def folder_instead(folder: Folder) -> None:
    """A folder under the store's name."""
    without_store(folder)
    (folder.path / ".processing_state.db").mkdir()


def driven(folder: Folder, command: str) -> tuple[int, str, str]:
    """The exit code of a command, and what it prints with --json."""
    done = folder.try_to_run(command, *WORDS.get(command, ()), "--json", COLUMNS="1000")
    assert done.code in (0, 1, 2), command
    return done.code, done.stdout, done.stderr


def check(command: str, code: int, out: str, err: str) -> None:
    """What is right of every command in every situation."""
    document = json.loads(out)
    assert code in ROWS[command][1]
    if isinstance(document, dict) and "error" in document and "type" in document:
        assert (code, document["exit_code"]) == (2, 2)
        assert LIBRARY.search(document["error"]) is None, document["error"]
        assert document["error"] in err
        assert "Traceback" not in err
    else:
        assert code in (0, 1) or command == "run"  # whose document says of each file why


def test_the_table_has_every_command() -> None:
    """A reader finds each command once, and none that is gone."""
    assert sorted(ROWS) == sorted(COMMANDS)


def keys_of(text: str) -> list[str]:
    """The fields that a cell of the table names, those of a job too."""
    return re.findall(r"`(\w+)`", text) + (JOB if "a job" in text.replace("`job`: a job", "a job") else [])


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "release"])
def test_json_has_the_fields_of_the_table(sound: Folder, command: str) -> None:
    """A program that reads these fields finds them, in a document or in each element of an array."""
    if command == "errors":
        with CheckpointStore(sound.path / ".processing_state.db") as store:
            store.open_job("failing.txt", chunks=["a"]).fail_chunk(0, ValueError("no"))
    code, out, _ = driven(sound, command)
    document = json.loads(out)
    assert code == 0
    if command == "resume":
        assert set(document) == {"job_id", "exit_code", "jobs", "summary"}
        return
    first, *others = re.split(r"\. (?=Each|The)|; with PATH", ROWS[command][0])
    if isinstance(document, list):
        assert set(re.findall(r"`(\w+)`", others[0])) - {"key"} <= set(document[0])
        return
    is_whole = "…" not in first
    assert set(document) == set(keys_of(first)) if is_whole else set(keys_of(first)) <= set(document)
    for nested in others if is_whole else []:
        name, fields = re.fullmatch(r"(?:Each of|The) `(\w+)`: (.*)", nested).groups()  # type: ignore[union-attr]
        one: Any = document[name][0] if isinstance(document[name], list) else document[name]
        assert set(keys_of(fields)) <= set(one)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [nothing, without_store, garbage, torn, folder_instead])
def test_json_in_every_trouble(made: Path, tmp_path: Path, spoil: Callable[[Folder], None]) -> None:
    """Each command prints one document, with an exit code of the table; an error speaks the command's language."""
    for command in COMMANDS:
        folder = Folder(tmp_path / command)
        shutil.copytree(made, folder.path)
        spoil(folder)
        check(command, *driven(folder, command))


@pytest.mark.slow_variants
@pytest.mark.parametrize("spoil", [without_store, garbage, folder_instead])
def test_help_in_every_trouble(made: Path, tmp_path: Path, spoil: Callable[[Folder], None]) -> None:
    """Help is there when it is needed: --help and -h say the same, whatever the store is like, and touch nothing."""
    folder = Folder(tmp_path / "copy")
    shutil.copytree(made, folder.path)
    spoil(folder)
    before = folder.files()
    for command in COMMANDS:
        long, short = (folder.run(command, option).stdout for option in ("--help", "-h"))
        assert long == short
        assert long.startswith("Usage: ")
        assert "--json" in long
        assert "\\" not in long, command
    assert folder.files() == before


DRIVE = program(__file__, "drive_commands")


@pytest.mark.slow
def test_json_where_nobody_may_write(sound: Folder) -> None:
    """Commands that only look do their work; the others name the folder and the file that was meant."""
    words = {name: WORDS.get(name, ()) for name in COMMANDS} | {"delete": ("--yes",), "prune": ("--yes",)}
    sound.path.chmod(0o555)
    try:
        done = subprocess.run(
            [*AS_ANYBODY, sys.executable, str(DRIVE), json.dumps(words)],
            cwd=sound.path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "1000"},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        sound.path.chmod(0o755)
    refused = set()
    for command, code, out, err in map(json.loads, done.stdout.splitlines()):
        check(command, code, out, err)
        if code:
            refused.add(command)
            assert "no permission" in json.loads(out)["error"], out
    assert {"run", "import", "retry", "pause", "merge", "backup", "restore", "delete"} <= refused
    assert refused & {"list", "show", "results", "chunks", "errors", "path", "check", "datasette-metadata"} == set()
