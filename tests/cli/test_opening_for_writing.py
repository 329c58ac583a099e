"""Commands that change a store open one that is there, and begin none."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore

from .conftest import ROOT

if TYPE_CHECKING:
    from .conftest import Folder

CHANGING = {
    "delete": ("talk", "--yes"),
    "pause": (),
    "prune": ("--yes",),
    "redo": ("talk", "--chunks", "0"),
    "release": ("--runner", "1"),
    "resume": (),
    "retry": (),
}
"""The commands that change what a store has, with what each needs to know."""
OPENS_FOR_WRITING = {"options.py", "stand_in.py"}
"""The helpers that the commands share: for a store that is there, and for one that is begun or thrown away."""


@each_case("command", sorted(CHANGING))
@each_case("store", ["mistyped.db", "sqlite:///mistyped.db"])
def test_a_missing_store_is_told_and_not_begun(folder: Folder, command: str, store: str) -> None:
    """A mistyped path is an error that names it, the same for every command, and leaves no file behind."""
    told = folder.run(command, *CHANGING[command], "--store", store, code=2).stderr
    assert "mistyped.db" in told
    assert "there is no such file" in told
    assert folder.files() == set()


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", ["delete", "pause", "prune"])
def test_a_store_is_named_as_sqlalchemy_names_it(folder: Folder, command: str) -> None:
    """sqlite:///PATH is the store at PATH, for a command that changes it too."""
    with CheckpointStore(folder.path / "talks.db") as store:
        store.open_job("talk", total_chunks=1)
    folder.run(command, *CHANGING[command], "--store", f"sqlite:///{folder.path / 'talks.db'}")
    with CheckpointStore(folder.path / "talks.db", read_only=True) as store:
        statuses = [job.status for job in store.jobs()]
    assert statuses == {"delete": [], "pause": ["paused"], "prune": ["running"]}[command]


def test_the_address_of_a_missing_store_is_its_path(folder: Folder) -> None:
    """The command ``path`` prints where the store of an address will be, and ``run`` begins the store there."""
    (folder.path / "talk.txt").write_text("Good evening.")
    names = (str(folder.path / "talks.db"), str(folder.path / "talks.json"))
    assert tuple(folder.run("path", "--store", "sqlite:///talks.db").stdout.split()) == names
    folder.run("run", "talk.txt", "--store", "sqlite:///talks.db", "--", "cat")
    assert tuple(folder.run("path", CHECKPOINT_STORE="sqlite:///talks.db").stdout.split()) == names
    assert (folder.path / "talks.db").is_file()


@each_case("command", sorted(CHANGING))
def test_a_url_is_told_to_be_no_path(folder: Folder, command: str) -> None:
    """Who names a server's database learns that a store is a file."""
    told = folder.run(command, *CHANGING[command], "--store", "postgresql://host/name", code=2).stderr
    assert "postgresql://" in told
    assert "there is no such file" not in told
    assert folder.files() == set()


def test_the_commands_share_one_way_to_open_a_store_for_writing() -> None:
    """What is mended in the opening is mended for every command."""
    opening = {
        path.name
        for path in (ROOT / "checkpoint_store" / "cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "CheckpointStore"
        and not any(keyword.arg == "read_only" for keyword in node.keywords)
    }
    assert opening == OPENS_FOR_WRITING
