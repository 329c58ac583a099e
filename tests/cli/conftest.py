"""The command as a person runs it, in an empty folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import program

import checkpoint_store
from checkpoint_store.cli.app import run_command_line

ROOT = Path(checkpoint_store.__file__).parent.parent
SAMPLE = Path(__file__).parents[2] / "examples" / "rice-university-1962.txt"

LOGGING_COMMAND = program(__file__, "log_and_answer")
SIX = ("--chunk-size", "60", "--overlap", "0")
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Root may write everywhere; without these capabilities root is a user like any other."""
_CHANGES_SCREEN = ("CHECKPOINT_STORE", "COLUMNS", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True)
class Done:
    """What a call of the command printed."""

    stdout: str
    stderr: str
    code: int = 0


@dataclass
class Folder:
    """A folder to run the command in."""

    path: Path

    def run(self, *words: object, code: int = 0, **environment: str) -> Done:
        """Run the command in this process, and expect this exit code."""
        done = self.try_to_run(*words, **environment)
        assert done.code == code, done.stdout + done.stderr
        return done

    def try_to_run(self, *words: object, **environment: str) -> Done:
        """Run the command in this process, whatever its exit code is."""
        out, err = io.StringIO(), io.StringIO()
        argv = [str(ROOT / "checkpoint_store" / "__main__.py"), *map(str, words)]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.path)
            for name in _CHANGES_SCREEN:
                patch.delenv(name, raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            returned = run_command_line(argv)
        return Done(out.getvalue(), err.getvalue(), returned)

    def process(self, *words: object, warnings: str = "error", **more: Any) -> subprocess.Popen[str]:
        """Start the command as a process of its own."""
        kept = {name: value for name, value in os.environ.items() if name not in _CHANGES_SCREEN}
        kept |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": warnings}
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        argv = [sys.executable, "-m", "checkpoint_store", *map(str, words)]
        settings: dict[str, Any] = {"args": argv, "cwd": self.path, "env": kept, "text": True, "encoding": "utf-8"}
        return subprocess.Popen(**(settings | pipes | more))

    def json(self, *words: object, code: int = 0) -> Any:
        """Run the command with --json, and return the one document that stdout is."""
        before, separator, after = (
            (words[: words.index("--")], ("--",), words[words.index("--") + 1 :]) if "--" in words else (words, (), ())
        )
        return json.loads(self.run(*before, "--json", *separator, *after, code=code).stdout)

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> str:
        """Return the text of a file in the folder."""
        return (self.path / name).read_text(encoding="utf-8")

    def command(self, source: str | Path = LOGGING_COMMAND, name: str = "command.py") -> list[str]:
        """Return the words of a COMMAND that is a copy of this program, a file or a few lines.

        Python starts in two thirds of the time where it looks for no installed packages.
        """
        self.write(name, source if isinstance(source, str) else source.read_text("utf-8"))
        return ["--", sys.executable, "-S", name]

    def calls(self) -> list[str]:
        """Return what the logging COMMAND was given so far, in order."""
        log = self.path / "calls.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def files(self) -> set[str]:
        """Return the names of the files that are there."""
        return {path.name for path in self.path.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


@pytest.fixture
def lecture(folder: Folder) -> Folder:
    """A folder with ``lecture.txt``: see :func:`write_lecture`."""
    return write_lecture(folder)


def write_lecture(folder: Folder) -> Folder:
    """Write ``lecture.txt``: six paragraphs, which are six chunks at ``--chunk-size 60 --overlap 0``."""
    folder.write("lecture.txt", "\n\n".join(f"Paragraph {number} says one thing and another." for number in range(6)))
    return folder
