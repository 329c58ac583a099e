"""What the README and the docs show is what happens."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkpoint_store.cli.app import MODULES

if TYPE_CHECKING:
    from conftest import Children

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *languages: str) -> list[str]:
    return [
        match["code"]
        for match in re.finditer(
            r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        if match["language"] in languages
    ]


OF_THE_EXTRA_DEV = re.compile(r"^import (pandas|polars|duckdb)", re.MULTILINE)
EXAMPLES = [
    pytest.param(code, id=f"{page.name}-{number}", marks=[pytest.mark.slow] if OF_THE_EXTRA_DEV.search(code) else [])
    for page in PAGES
    if page.name != "tutorial.md"  # test_tutorial.py writes its files and runs them
    for number, code in enumerate(blocks(page, "python"), 1)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_every_python_example_runs(code: str, children: Children) -> None:
    """A reader who copies an example into a file sees it work, without a warning."""
    process = children.start(code)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")


def test_the_readme_shows_what_a_killed_run_and_the_next_one_print(tmp_path: Path, children: Children) -> None:
    """Killed during the third call and started again, the ten lines print exactly what the README says."""
    (tmp_path / "talk.py").write_text(blocks(ROOT / "README.md", "python")[0], "utf-8")
    killed_in_the_third = 'import os, signal\nif text == "to the moon": os.kill(os.getpid(), signal.SIGKILL)\n'
    code = (tmp_path / "talk.py").read_text("utf-8")
    indented = "".join(f"    {line}\n" for line in killed_in_the_third.splitlines())
    (tmp_path / "killed.py").write_text(code.replace("    return", f"{indented}    return"), "utf-8")
    first = children.run(tmp_path / "killed.py", code=-signal.SIGKILL)
    second = children.run(tmp_path / "talk.py")
    shown = blocks(ROOT / "README.md", "console")[0]
    assert shown == f"$ python talk.py\n{first}Killed\n$ python talk.py\n{second}"


def test_the_readme_shows_what_sqlite3_prints(tmp_path: Path, children: Children) -> None:
    """The queries in the README give what it says on the store that its example makes."""
    children.run(blocks(ROOT / "README.md", "python")[0])
    shown = blocks(ROOT / "README.md", "console")[1]
    queries = re.findall(r'^\$ sqlite3 .*?"(.*)"$', shown, re.MULTILINE)
    with closing(sqlite3.connect(tmp_path / "talk.db")) as connection:  # the program that wrote it has ended
        printed = [[list(map(str, row)) for row in connection.execute(query)] for query in queries]
    box = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.splitlines() if line.startswith("│")]
    plain = [line.split("|") for line in shown.splitlines() if re.match(r"\d+\|", line)]
    assert printed == [box[1:], plain]


def test_every_command_that_the_docs_name_exists() -> None:
    """A command in the docs can be typed."""
    texts = [page.read_text("utf-8") for page in PAGES if page.name != "coming-from.md"]  # what there is not
    named = {name for text in texts for name in re.findall(r"checkpoint-store ([a-z][a-z-]*)", text)}
    assert named - MODULES.keys() == set()
