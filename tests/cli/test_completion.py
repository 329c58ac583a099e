"""Tab completes commands and JOB, and the help shows the commands in groups."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from each_case import each_case

from checkpoint_store import CheckpointStore
from checkpoint_store.cli.app import MODULES, run_command_line

from .conftest import ROOT

if TYPE_CHECKING:
    from .conftest import Folder

_COMMAND = "import sys; from checkpoint_store.cli import main; sys.argv[0] = 'checkpoint-store'; sys.exit(main())"
_OF_SHELL = ("COMP_WORDS", "COMP_CWORD", "_CHECKPOINT_STORE_COMPLETE")
_COMMANDS = list(MODULES)
_TAKE_A_JOB = ("show", "results", "export", "delete", "chunks", "errors", "retry", "redo", "pause", "report", "release")


def _environment(instruction: str, line: str) -> dict[str, str]:
    """Return what a shell tells the command for a line, the cursor at its end."""
    return dict(zip(_OF_SHELL, (line, str(line.count(" ")), instruction), strict=True))


def _ask(folder: Folder, instruction: str, line: str = "") -> str:
    """Call the command as a shell does, in a process of its own; nothing may come on stderr."""
    kept = {name: value for name, value in os.environ.items() if name != "CHECKPOINT_STORE"}
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND],
        cwd=folder.path,
        env=kept | {"PYTHONPATH": str(ROOT)} | _environment(instruction, line),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _offered(folder: Folder, line: str, **more: str) -> list[str]:
    """Return what a shell is offered for a line by the command in this process; nothing may come on stderr."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder.path)
        patch.delenv("CHECKPOINT_STORE", raising=False)
        for name, value in (_environment("bash_complete", line) | more).items():
            patch.setenv(name, value)
        assert run_command_line(["checkpoint-store"]) == 0
    assert err.getvalue() == ""
    out.seek(0)
    return _values(out.read())


def _values(answer: str) -> list[str]:
    return [value for item in answer.splitlines() if (value := item.partition(",")[2])]  # a blank line for none


@pytest.fixture
def talks(folder: Folder) -> Folder:
    """A store with the jobs of two files, one of them with blanks in its name."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        store.open_job("a talk.srt", total_chunks=1)
        store.open_job("talks/b.srt", total_chunks=1)
    return folder


def _ids(folder: Folder) -> list[str]:
    return [job["job_id"][:8] for job in folder.json("list")["jobs"]]


@pytest.mark.slow_variants
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_text_for_each_shell_is_printed(folder: Folder, shell: str) -> None:
    """The line of the documentation gives a shell what it needs, and page and command agree."""
    text = _ask(folder, f"{shell}_source")
    assert f"_CHECKPOINT_STORE_COMPLETE={shell}_complete" in text
    page = (ROOT / "docs" / "how-to-completion.md").read_text("utf-8")
    assert f"_CHECKPOINT_STORE_COMPLETE={shell}_source checkpoint-store" in page


@pytest.mark.slow
def test_commands_are_completed(folder: Folder) -> None:
    """A few letters offer the commands that begin so, and two dashes the options."""
    offered = _values(_ask(folder, "bash_complete", "checkpoint-store re"))
    assert set(offered) == {name for name in _COMMANDS if name.startswith("re")}
    assert "--status" in _offered(folder, "checkpoint-store list --")


@pytest.mark.slow_variants
@pytest.mark.parametrize("command", _TAKE_A_JOB)
def test_job_is_completed(talks: Folder, command: str) -> None:
    """Each command that takes a JOB offers files whose name is one word, and the id of each job."""
    newest, oldest = _ids(talks)
    assert _offered(talks, f"checkpoint-store {command} ") == ["talks/b.srt", newest, oldest]
    assert _offered(talks, f"checkpoint-store {command} ta") == ["talks/b.srt"]


def test_the_store_of_the_line_is_asked(talks: Folder) -> None:
    """A --store before JOB counts, and so does the environment."""
    (talks.path / "empty").mkdir()
    store = str(talks.path / ".processing_state.db")
    there = type(talks)(talks.path / "empty")
    assert _offered(there, "checkpoint-store show ta") == []
    assert _offered(there, f"checkpoint-store show --store {store} ta") == ["talks/b.srt"]
    assert _offered(there, "checkpoint-store show ta", CHECKPOINT_STORE=store) == ["talks/b.srt"]
    assert there.files() == set()


def test_completion_without_a_sound_store_is_silent(folder: Folder) -> None:
    """No store, and a file that is none: nothing is offered, printed or created."""
    assert _offered(folder, "checkpoint-store show ") == []
    assert folder.files() == set()
    folder.write(".processing_state.db", "no store")
    assert _offered(folder, "checkpoint-store show ") == []
    assert folder.files() == {".processing_state.db"}


def test_help_shows_the_commands_in_groups(folder: Folder) -> None:
    """Each command stands in one of the three, and those that work come first."""
    text = folder.run("--help").stdout
    work, look, care = (text.index(f"\n{name}:\n") for name in ("Work", "Look", "Care"))
    assert work < text.index("\n  run ") < look < text.index("\n  list ") < care < text.index("\n  merge ")
    assert all(text.count(f"\n  {name} ") == 1 for name in _COMMANDS)


@each_case("command", _COMMANDS)
def test_h_is_help(folder: Folder, command: str) -> None:
    """-h prints what --help prints, for each command."""
    assert folder.run(command, "-h").stdout == folder.run(command, "--help").stdout != ""
