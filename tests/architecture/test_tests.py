"""The tests themselves: short files, promises that are said, programs that are files."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
LINES_MAX = 500
PROGRAM_LINES_MAX = 16
"""How long a program may be that stands in a test as text: one with a part that differs from test to test."""
TEMPLATES = {"future.py": "a revision of Alembic, with names that are put in"}
_BEGINS = re.compile(r'(?:"""\n|\\n)(?:import|from|def|class|async) ')
"""What stands in each test file that has a program as text, and in few others."""


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


def programs_in(text: str) -> set[int]:
    """Return the line of each text of a source that is a long Python program."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            literal = node.value
        elif isinstance(node, ast.JoinedStr):
            literal = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        else:
            continue
        if len(literal.strip().splitlines()) > PROGRAM_LINES_MAX and is_program(literal):
            found.add(node.lineno)
    return found


def is_program(text: str) -> bool:
    """Whether a text is a Python program, and not a JSON document."""
    try:
        return any(not isinstance(statement, ast.Expr) for statement in ast.parse(text).body)
    except SyntaxError:
        return False


def test_long_programs_are_files() -> None:
    """Lint and types see a program that a test runs in a process of its own."""
    tests = [
        (path, text) for path, text in TEXTS.items() if path.parent.name != "children" and path.name not in TEMPLATES
    ]
    found = {str(path): programs_in(text) for path, text in tests if _BEGINS.search(text)}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_long_program_in_a_text_is_seen() -> None:
    """The control: with and without a part that is put in, and no prose."""
    program = "import os\n" + "print(os)\n" * PROGRAM_LINES_MAX
    assert programs_in(f"SOURCE = {program!r}") == {1}
    assert _BEGINS.search(f'SOURCE = """\n{program}"""')
    assert programs_in(f"def run(x):\n    return f{program + '{x}'!r}") == {2}
    assert programs_in(f"SOURCE = {program[:-10]!r}\nPROSE = {program.replace('print', 'a word ')!r}") == set()


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
