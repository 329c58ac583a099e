"""The way in: help, version, and a missing extra."""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import cli
from checkpoint_store.cli.app import MODULES, group
from checkpoint_store.cli.paths import ParamType

from .conftest import ROOT, Folder

COMMANDS = tuple(group.list_commands(click.Context(group, **group.context_settings)))
WITHOUT = program(__file__, "run_without")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["click", "rich", "charset_normalizer", "semantic_text_splitter"])
def test_a_missing_extra_is_one_line(folder: Folder, name: str) -> None:
    """A command whose extra is missing ends with exit 2 and with the line that installs the extra."""
    argv = [sys.executable, str(WITHOUT), "ModuleNotFoundError", name, "run", "talk.txt"]
    done = subprocess.run(
        argv, cwd=folder.path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'checkpoint-store[cli]'" in done.stderr


def test_every_command_explains_itself(folder: Folder) -> None:
    """--help of each, with the two options that all have; the group names them all."""
    group = folder.run("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in group
        text = folder.run(name, "--help").stdout
        assert "--store PATH" in text
        assert "--json" in text


@each_case("module", sorted(set(MODULES.values())))
def test_every_command_of_a_module_is_in_the_group(module: str) -> None:
    """The group has each command of each module, so that no command is written and forgotten."""
    imported = importlib.import_module(f"checkpoint_store.cli.{module}")
    commands = [value for value in vars(imported).values() if isinstance(value, click.Command)]
    assert [command.name for command in commands if command.name not in MODULES] == []


def test_the_version_is_said_without_the_library_behind_it() -> None:
    """``--version`` imports neither SQLAlchemy nor rich, and reads no metadata of packages, so it answers at once."""
    program = (
        "import sys; from checkpoint_store.cli import main; sys.argv[1:] = ['--version']; main(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    version, _, modules = done.stdout.partition("\n")
    assert version == f"checkpoint-store {metadata.version('checkpoint-store')}"
    assert not {"sqlalchemy", "rich", "sqlite3", "importlib.metadata"} & set(modules.split())


def test_a_click_whose_types_take_no_brackets_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module with a type of click's own can be imported with the oldest click that is allowed."""

    class Plain(ParamType[Any]):
        def __class_getitem__(cls, _: object) -> type:
            raise TypeError

    monkeypatch.setattr(click, "ParamType", Plain)
    modules = [path for path in Path(cli.__file__).parent.rglob("*.py") if "ParamType" in path.read_text("utf-8")]
    assert len(modules) > 1
    for path in modules:
        runpy.run_path(str(path))


def test_the_help_of_the_group_is_not_cut_off(folder: Folder) -> None:
    """Each command's line is a whole sentence."""
    assert "..." not in folder.run("--help").stdout.partition("Work:")[2]


@each_case("words", [[], ["nonsense"], ["list", "--nonsense"], ["show", "a", "b"]])
def test_a_wrong_line_is_a_usage_error(folder: Folder, words: list[str]) -> None:
    """A line that is not understood ends with exit code 2 and a message on stderr."""
    done = folder.run(*words, code=2)
    assert "Usage: " in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_python_dash_m_is_the_command(folder: Folder) -> None:
    """``python -m checkpoint_store`` is the command, in a process of its own."""
    process = folder.process("path")
    stdout, _ = process.communicate()
    assert process.returncode == 0
    assert stdout.startswith(str(folder.path))


@pytest.mark.slow
def test_the_line_to_go_on_with_names_python_as_it_was_typed(folder: Folder) -> None:
    """A person whose machine has no ``python``, only another name for it, can type the line as it is printed."""
    folder.write("talk.txt", "so we choose")
    python = folder.path / "python-of-mine"
    python.symlink_to(sys.executable)
    words = (python, "-m", "checkpoint_store", "run", "talk.txt", "--", "false")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, cwd=folder.path, env=environment, capture_output=True, text=True, check=False)
    assert f"{python} -m checkpoint_store run talk.txt" in " ".join(done.stderr.split())
