"""Follow a page word by word: write the files that it shows, type its commands, and compare what they print.

``python -m docs.walk tutorial.md``, with ``tests`` on the path of modules, does so in the working folder, with the programs
that the page installs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .test_how_tos import compared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`(?P<name>[\w.-]+)`[^`]*:\s*\Z")
_INSTALLS = re.compile(r"python3 -m venv|pip install|\. ")
_AGE = re.compile(r"\bjust now\b|\b\d+ (?:s|min) ago\b")


@dataclass(frozen=True)
class Step:
    """A file to write, or a command to type and what it prints."""

    text: str
    shown: str = ""
    file_name: str | None = None


def steps(page: Path) -> Iterator[Step]:
    """The steps of a page in order. A block is a file where the sentence before it ends with the file's name in code."""
    text = page.read_text("utf-8")
    for block in _BLOCK.finditer(text):
        named = _NAMED.search(text[: block.start()])
        if block["language"] == "console":
            yield from _commands(block["code"])
        elif named:
            yield Step(block["code"], file_name=named["name"])


def _commands(code: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n", part)
        assert command is not None
        yield Step(command[0].rstrip("\n"), part[command.end() :])


def follow(page: Path, folder: Path, environment: Mapping[str, str], *, installs: bool) -> list[tuple[float, str]]:
    """Do each step in a folder; return the commands that were typed, each with the seconds at which it had ended.

    Without ``installs`` the programs are there already.
    """
    typed = []
    start = time.monotonic()
    for step in steps(page):
        if step.file_name:
            (folder / step.file_name).write_text(step.text, "utf-8")
        elif installs or not _INSTALLS.match(step.text):
            _type(step, folder, environment)
            typed.append((time.monotonic() - start, step.text))
    return typed


def _type(step: Step, folder: Path, environment: Mapping[str, str]) -> None:
    command = ["bash", "-c", f"exec 2>&1\n{step.text}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    printed = done.stdout.decode() + ("Killed\n" if done.returncode == -signal.SIGKILL else "")  # as a terminal says
    if _INSTALLS.match(step.text):  # pip may have something to say about itself, or about the machine
        assert done.returncode == 0, printed
        return
    assert _AGE.sub("AGE", compared(printed)) == _AGE.sub("AGE", compared(step.shown)), f"{step.text}\n{printed}"


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a terminal has in which the page's environment is activated."""
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "PYTHONPATH", "VIRTUAL_ENV"}}
    path = f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"
    return kept | {"PATH": path, "PYTHONIOENCODING": "utf-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | more


if __name__ == "__main__":
    for _seconds, _command in follow(Path(sys.argv[1]).absolute(), Path.cwd(), environment(Path.cwd()), installs=True):
        print(f"{_seconds:6.1f} s  $ {_command}")
