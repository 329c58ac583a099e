"""What the README and the docs show is what happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_every_python_example_runs(code: str, tmp_path: Path) -> None:
    """A reader who copies an example into a file sees it work, without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_shows_what_a_killed_run_and_the_next_one_print(tmp_path: Path) -> None:
    """Killed during the third call and started again, the ten lines print exactly what the README says."""
    (tmp_path / "talk.py").write_text(blocks(ROOT / "README.md", "python")[0], "utf-8")
    killed_in_the_third = 'import os, signal\nif text == "to the moon": os.kill(os.getpid(), signal.SIGKILL)\n'
    code = (tmp_path / "talk.py").read_text("utf-8")
    indented = "".join(f"    {line}\n" for line in killed_in_the_third.splitlines())
    (tmp_path / "killed.py").write_text(code.replace("    return", f"{indented}    return"), "utf-8")
    runs = [
        subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, check=False)
        for name in ("killed.py", "talk.py")
    ]
    assert [run.returncode for run in runs] == [-signal.SIGKILL, 0]
    shown = blocks(ROOT / "README.md", "console")[0]
    assert shown == f"$ python talk.py\n{runs[0].stdout}Killed\n$ python talk.py\n{runs[1].stdout}"


def test_the_readme_shows_what_sqlite3_prints(tmp_path: Path) -> None:
    """The queries in the README give what it says on the store that its example makes."""
    subprocess.run([sys.executable, "-c", blocks(ROOT / "README.md", "python")[0]], cwd=tmp_path, check=True, stdout=-3)
    shown = blocks(ROOT / "README.md", "console")[1]
    code = (
        "import re, sqlite3, sys\n"
        "driver = sqlite3.connect('talk.db')\n"
        "for query in sys.argv[1:]:\n"
        "    print([list(map(str, row)) for row in driver.execute(query)])\n"
        "driver.close()\n"
    )
    queries = re.findall(r'^\$ sqlite3 .*?"(.*)"$', shown, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", code, *queries], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    printed = [eval(line) for line in done.stdout.splitlines()]
    box = [[cell.strip() for cell in line.strip("│").split("│")] for line in shown.splitlines() if line.startswith("│")]
    plain = [line.split("|") for line in shown.splitlines() if re.match(r"\d+\|", line)]
    assert printed == [box[1:], plain]


def test_every_command_that_the_docs_name_exists() -> None:
    """A command in the docs can be typed."""
    texts = [page.read_text("utf-8") for page in PAGES if page.name != "coming-from.md"]  # what there is not
    named = {name for text in texts for name in re.findall(r"checkpoint-store ([a-z][a-z-]*)", text)}
    done = subprocess.run(
        [sys.executable, "-m", "checkpoint_store", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    listed = set(re.findall(r"^  ([a-z][a-z-]*) ", done.stdout, re.MULTILINE))
    assert named - listed == set()
