"""The tests themselves: short files, promises that are said, programs that are files."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from textwrap import dedent

from .imports import sources

TESTS = Path(__file__).parent.parent
TEXTS = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
LINES_MAX = 500
PROGRAM_LINES_MAX = 5
"""How long a program may be that stands in a text: a snippet, whose place is beside what is expected of it."""
KEPT = {
    "architecture": "sources on which a rule is tried; nobody runs them, and lint would refuse them",
    "future.py": "a revision of Alembic, with names that are put in",
}
"""The folders and files whose texts may be longer, each with its reason."""
_POINTS_ELSEWHERE = re.compile(
    r"The same([,.:]| (after|as|at|by|for|from|goes|holds|if|in|is|of|on|to|when|where|with)\b)"
    r"|As (?!(far|long|soon)\b)"
    r"|(Also|And|Beside|Both|But|By|Either|Even|It|Its|Neither|Nor|Or|Otherwise|So|Such|That|Their|Then|There|They)\b"
    r"|(This|Those)\b"
)
"""The first words of a docstring that only another sentence explains."""
_TEST = re.compile(r'^ *(?:async )?def (test_\w+)\(.*?\)(?: -> .*?)?:\n(?: +r?"""(.*?)""")?', re.MULTILINE | re.DOTALL)
"""A test, with its docstring: to search the sources takes a twentieth of the time that it takes to parse them."""
_LONG_TEXT = re.compile(r'^ *(?!r?""")[^ \n].*"""\\?$', re.MULTILINE)
"""The begin or the end of a text of several lines that is no docstring of one line."""
_PUT_IN = re.compile(r"\{\w+(?:![rs])?\}")
"""A name that ``format`` replaces."""


def test_no_file_of_tests_is_long() -> None:
    """Each file of tests can be read at one sitting."""
    assert [str(path) for path, text in TEXTS.items() if len(text.splitlines()) > LINES_MAX] == []


def promises_in(text: str) -> list[tuple[str, str]]:
    """Return the name and the docstring of each test in a source; the docstring is empty where the test has none."""
    return _TEST.findall(text)


def test_every_test_says_its_promise() -> None:
    """The docstring of each test is the promise to a user."""
    silent = [
        f"{path.name}::{name}"
        for path, text in TEXTS.items()
        if path.name.startswith("test_")
        for name, promise in promises_in(text)
        if not promise
    ]
    assert silent == []


def promises_that_point_elsewhere(text: str) -> list[str]:
    """Return the names of the tests in a source whose docstrings are understood only with another sentence."""
    return [name for name, promise in promises_in(text) if _POINTS_ELSEWHERE.match(promise)]


def test_a_promise_is_understood_alone() -> None:
    """No promise sends its reader to the name of the test, or to the promise above it."""
    pointing = [
        f"{path.name}::{name}"
        for path, text in TEXTS.items()
        if path.name.startswith("test_")
        for name in promises_that_point_elsewhere(text)
    ]
    assert pointing == []


def test_a_promise_that_points_elsewhere_is_seen() -> None:
    """The control: such first words are seen, and the same words with their noun are not."""
    promises = [
        *("The same for ten.", "It stays.", "Nor here.", "Also at night.", "By its name.", "As it was given."),
        *("The same plan goes on.", "Items stay.", "Evening comes.", "As long as it lives, it is shown."),
    ]
    text = "".join(f'def test_{number}():\n    """{promise}"""\n' for number, promise in enumerate(promises))
    assert promises_that_point_elsewhere(text) == [f"test_{number}" for number in range(6)]


def programs_in(text: str) -> set[int]:
    """Return the line of each text of a source that is a long Python program."""
    tree = ast.parse(text)
    names = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp)
        and len((literal := text_of(node, names)).strip().splitlines()) > PROGRAM_LINES_MAX
        and is_program(literal)
    }


def may_hold(text: str) -> bool:
    """Whether a source may have a text of that many lines: to look costs less than to parse it."""
    return text.count("\\n") >= PROGRAM_LINES_MAX or bool(_LONG_TEXT.search(text))


def text_of(node: ast.expr, names: dict[str, ast.expr]) -> str:
    """Return the text that an expression is, as far as it is written down; names are those of the module."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "x" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left, names) + text_of(right, names)
        case ast.Name(id=name) if name in names and not isinstance(names[name], ast.BinOp):
            return text_of(names[name], {})
    return ""


def is_program(text: str) -> bool:
    """Whether a text is a Python program, or a template of one, and not a JSON document."""
    for source in (text, _PUT_IN.sub("x", text).replace("{{", "{").replace("}}", "}")):
        try:
            return any(not isinstance(statement, ast.Expr) for statement in ast.parse(dedent(source)).body)
        except SyntaxError:
            continue
    return False


def test_long_programs_are_files() -> None:
    """Lint and types see a program that a test or a benchmark runs in a process of its own."""
    elsewhere = {path: path.read_text("utf-8") for name in ("benchmarks", "examples") for path in sources(name)}
    found = {
        str(path): programs_in(text)
        for path, text in (TEXTS | elsewhere).items()
        if not {path.name, path.parent.name} & {"children", *KEPT} and may_hold(text)
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_long_program_in_a_text_is_seen() -> None:
    """The control: whole, with parts put in, a template, and put together; and no prose."""
    program = "import os\n" + "print(os)\n" * PROGRAM_LINES_MAX
    for source, line in (
        (f"SOURCE = {program!r}", 1),
        (f'SOURCE = """\n{program}"""', 1),
        (f"def run(x):\n    return f{program + '{x}'!r}", 2),
        (f"SOURCE = {program + 'print({x!r}, {{1: 2}})'!r}", 1),
        (f"FIRST = {program[:20]!r}\ndef run():\n    return FIRST + {program[20:]!r}", 3),
    ):
        assert (programs_in(source), may_hold(source)) == ({line}, True)
    assert programs_in(f"SOURCE = {program[:-10]!r}\nPROSE = {program.replace('print', 'a word ')!r}") == set()


def test_every_program_is_run_by_a_test() -> None:
    """A program that nobody starts or imports is left over."""
    left_over = [
        str(path)
        for folder in sorted(TESTS.glob("*/children"))
        for path in sorted(folder.glob("*.py"))
        if path.stem not in named_in(folder.parent)
    ]
    assert left_over == []


@cache
def named_in(kind: Path) -> frozenset[str]:
    """Return the programs that the files of a kind of test start or import."""
    names = re.compile(
        rf'program\(__file__, "(\w+)"\)|"children" / "(\w+)\.py"|{kind.name}\.children(?:\.(\w+) import| import (\w+))'
    )
    texts = (text for path, text in TEXTS.items() if kind in path.parents)
    return frozenset(name for text in texts for found in names.findall(text) for name in found if name)
