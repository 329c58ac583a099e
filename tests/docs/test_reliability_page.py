"""The commands of the page about what was tried to break it run the tests that they name."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"slow", "storm", "root", "browser"}
"""The marks of what the quick suite leaves out."""


def is_run(path: Path, marks: set[str], named: str) -> bool:
    """Whether a test of a file has one of these marks, or, if there are none, is of the quick suite."""
    body = ast.parse(path.read_text("utf-8")).body
    of_file = "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Assign))
    for node in body:
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and named in node.name
        ):
            decorators = [of_file, *map(ast.unparse, node.decorator_list)]
            of_variants = [text for text in decorators if "parametrize" in text]
            own = _marks("\n".join(text for text in decorators if text not in of_variants))
            if marks & (own | _marks("\n".join(of_variants))) or not (marks or own & LEFT_OUT):
                return True
    return False


def _marks(source: str) -> set[str]:
    return set(re.findall(r"pytest\.mark\.(\w+)", source))


def test_no_command_runs_nothing() -> None:
    """Who wants to see a figure again, and types the line beside it, runs a test."""
    runs_nothing = []
    for command in sorted(set(re.findall(r"`(pytest [^`]*)`", (ROOT / "docs" / "reliability.md").read_text("utf-8")))):
        words = shlex.split(command)
        marks = set(re.findall(r"\w+", words[words.index("-m") + 1])) if "-m" in words else set()
        named = words[words.index("-k") + 1] if "-k" in words else ""
        files = [ROOT / word for word in words if word.endswith(".py")]
        if files and not any(is_run(path, marks, named) for path in files):
            runs_nothing.append(command)
    assert runs_nothing == []
