"""A program or a command whose working folder was removed, such as the scratch folder of a job of a cluster."""

from __future__ import annotations

import codecs
import importlib
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT

from checkpoint_store import CheckpointStore, StateManager, StoreTargetError
from checkpoint_store.cli.app import run_command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the working folder."""
    folder = tmp_path / "gone"
    folder.mkdir()
    # An AttributeError of a module makes Python 3.13.0 ask for the working folder (mended in 3.13.1): import here.
    codecs.lookup("ascii")
    importlib.import_module("checkpoint_store.cli.run.resume")
    monkeypatch.chdir(folder)
    folder.rmdir()


def run(*words: object) -> tuple[int, str, str]:
    """Run the command, and return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command_line([str(ROOT / "checkpoint_store" / "__main__.py"), *map(str, words)])
    return code, out.getvalue(), err.getvalue()


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(
    "call",
    [
        CheckpointStore,
        lambda: CheckpointStore("x.db"),
        StateManager,
        lambda: StateManager("own.json"),
        lambda: StateManager("own/state.json"),
    ],
    ids=["store", "named store", "manager", "named manager", "manager in a folder"],
)
def test_a_relative_path_is_refused_with_the_reason(call: Callable[[], object]) -> None:
    """The error names the path as it was given, and says that the working folder was removed."""
    with pytest.raises(StoreTargetError, match="working folder, from which it leads, was removed"):
        call()


@pytest.mark.usefixtures("gone")
def test_every_call_works_with_absolute_paths(tmp_path: Path) -> None:
    """In a removed working folder each call takes absolute paths, and refuses a relative path with the reason."""
    with CheckpointStore(tmp_path / "a.db") as store:
        job = store.open_job("f", total_chunks=1)
        job.complete(0, "done")
        assert store.backup(tmp_path / "copy.db") == tmp_path / "copy.db"
        assert job.export(tmp_path / "export.json") == tmp_path / "export.json"
        assert store.import_state(tmp_path / "export.json").job_id == job.job_id
        calls = store.backup, job.export, store.import_state, store.merge, store.owns
        for call in calls:
            with pytest.raises(StoreTargetError, match="was removed"):
                call("relative.json")  # type: ignore[operator]
    with pytest.raises(StoreTargetError, match=r"'s.json' cannot be used as a state file.*was removed"):
        CheckpointStore(tmp_path / "a.db", state_file="s.json")


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("command", ["list", "doctor", "resume"])
def test_a_command_says_that_the_folder_was_removed(command: str) -> None:
    """A command with a relative path says that its working folder was removed, on stdout with ``--json``."""
    code, out, err = run(command, "--json")
    assert code == 2
    assert "working folder, from which it leads, was removed" in err
    assert "was removed" in json.loads(out)["error"]


@pytest.mark.usefixtures("gone")
def test_commands_work_with_absolute_paths(tmp_path: Path) -> None:
    """``run``, and the commands that look at its job, work with absolute paths in a removed working folder."""
    text, store = tmp_path / "t.txt", tmp_path / "s.db"
    text.write_text("We choose to go.\n")
    code, _, err = run("run", text, "--store", store, "--output", tmp_path / "o.txt")
    assert code == 0, err
    assert "We choose to go." in (tmp_path / "o.txt").read_text()
    for command in ("list", "show", "doctor", "resume"):
        code, _, err = run(command, "--store", store)
        assert code == 0, err
    code, _, err = run("list", "--store", tmp_path / "no.db")
    assert code == 2
    assert "there is no such file" in err
