"""The tests themselves: short files, promises that are said, programs that are files."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent.parent
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
LINES_MAX = 500


def test_no_file_of_tests_is_long() -> None:
    """Each can be read at one sitting."""
    assert [str(path) for path, text in TEXTS.items() if len(text.splitlines()) > LINES_MAX] == []


def test_every_test_says_its_promise() -> None:
    """The docstring of each test is the promise to a user."""
    silent = [
        f"{path.name}::{function.name}"
        for path, text in TEXTS.items()
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and path.name.startswith("test_")
        and function.name.startswith("test_")
        and not ast.get_docstring(function)
    ]
    assert silent == []


def test_every_program_is_run_by_a_test() -> None:
    """A program that nobody starts or imports is left over."""
    left_over = []
    for path in TESTS.glob("*/children/*.py"):
        kind = path.parent.parent
        named = (f'program(__file__, "{path.stem}")', f"{kind.name}.children.{path.stem} import")
        texts = [text for other, text in TEXTS.items() if other != path and kind in other.parents]
        if not any(name in text for text in texts for name in named):
            left_over.append(str(path))
    assert left_over == []
