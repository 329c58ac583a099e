"""The tests themselves: short files, promises that are said, programs that are files."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
LINES_MAX = 500


def functions_of(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions of a module and of its classes."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        elif isinstance(child, ast.ClassDef):
            yield from functions_of(child)


def test_no_file_of_tests_is_long() -> None:
    """Each can be read at one sitting."""
    assert [str(path) for path, text in TEXTS.items() if len(text.splitlines()) > LINES_MAX] == []


def test_every_test_says_its_promise() -> None:
    """The docstring of each test is the promise to a user."""
    silent = [
        f"{path.name}::{function.name}"
        for path, text in TEXTS.items()
        if path.name.startswith("test_")
        for function in functions_of(ast.parse(text))
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == []


def test_every_program_is_run_by_a_test() -> None:
    """A program that nobody starts or imports is left over."""
    programs = sorted(TESTS.glob("*/children/*.py"))
    by_kind = {
        kind: [item for item in TEXTS.items() if kind in item[0].parents] for kind in {p.parents[1] for p in programs}
    }
    left_over = []
    for path in programs:
        kind = path.parents[1]
        named = (f'program(__file__, "{path.stem}")', f"{kind.name}.children.{path.stem} import")
        if not any(name in text for other, text in by_kind[kind] if other != path for name in named):
            left_over.append(str(path))
    assert left_over == []
