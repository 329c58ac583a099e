"""Where the code does what is seldom right, it says why: a broad handler, a late import, a rule of the linter passed over."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from typing import TYPE_CHECKING

from each_case import each_case

from .imports import PACKAGE, ROOT, nodes_of, sources, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSED_OVER_MAX = 60
"""How often the linter may be told to pass over a line: each time is read by everybody who comes by."""
EVERYTHING = sources(PACKAGE, "benchmarks", "examples", "migrations", "tests")
LATE = {
    f"{PACKAGE}/cli/app.py": "a command imports what it needs when it runs",
    f"{PACKAGE}/execution/job/frame_columns.py": "pandas and polars are extras",
    f"{PACKAGE}/loop/entry.py": "only some programs use a loop",
    f"{PACKAGE}/testing/__init__.py": "pytest loads this module in each of its runs",
}
"""The files whose purpose it is to import late."""
BROAD = {"Exception", "BaseException"}
_LATE = re.compile(r"^\s+(?:from|import) ", re.MULTILINE)
_PASSED_OVER = re.compile(r"#\s*(?:ruff: )?noqa\b(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(?P<reason>.*)")


@cache
def comments_of(path: Path) -> dict[int, str]:
    """The comments of a file by their lines, which count from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def says_why(path: Path, first: int, last: int) -> bool:
    """Whether a comment stands in one of these lines, or in the line before the first."""
    return any(line in comments_of(path) for line in range(first - 1, last + 1))


def raises(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises what it caught, or another error for it, in any of its branches."""
    return any(isinstance(node, ast.Raise) for statement in handler.body for node in ast.walk(statement))


def broad_handlers(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Yield each handler that catches everything and raises nothing."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ExceptHandler) and not raises(node):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if node.type is None or any(isinstance(one, ast.Name) and one.id in BROAD for one in caught):
                yield node


def late_imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield each import that stands in a function."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


def passed_over(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the reason of each line at which the linter is told to pass over something."""
    if "noqa" not in path.read_text("utf-8"):
        return
    for line, comment in comments_of(path).items():
        if found := _PASSED_OVER.search(comment):
            yield f"{path.relative_to(ROOT)}:{line}", found["reason"].strip(" -")


def test_a_handler_of_everything_says_what_may_come() -> None:
    """A reader learns at each handler that swallows every exception why no narrower one would do."""
    silent = [
        f"{path.relative_to(ROOT)}:{handler.lineno}"
        for path in sources(PACKAGE, "benchmarks")
        for handler in broad_handlers(tree_of(path))
        if not says_why(path, handler.lineno, handler.lineno)
    ]
    assert silent == []


def test_a_late_import_says_what_it_spares() -> None:
    """A reader learns at each import in a function why it does not stand at the top."""
    silent = [
        f"{path.relative_to(ROOT)}:{found.lineno}"
        for path in sources(PACKAGE, "migrations", "benchmarks")
        if str(path.relative_to(ROOT)) not in LATE and _LATE.search(path.read_text("utf-8"))
        for found in late_imports(tree_of(path))
        if not says_why(path, found.lineno, found.end_lineno or found.lineno)
    ]
    assert silent == []


def test_the_linter_is_seldom_passed_over() -> None:
    """The rules of the linter hold nearly everywhere, and where one does not, its reason stands beside it."""
    found = [place for path in EVERYTHING for place in passed_over(path)]
    assert len(found) <= PASSED_OVER_MAX, f"{len(found)} lines: mend some of them"
    assert [place for place, reason in found if not reason] == []


@each_case(
    ("text", "lines"),
    [
        ("try:\n    work()\nexcept Exception:\n    pass\n", [3]),
        ("try:\n    work()\nexcept (ValueError, BaseException) as error:\n    keep(error)\n", [3]),
        ("try:\n    work()\nexcept:\n    pass\n", [3]),
        ("try:\n    work()\nexcept Exception as error:\n    raise Mine from error\n", []),
        ("try:\n    work()\nexcept ValueError:\n    pass\n", []),
    ],
)
def test_broad_handlers_are_seen(text: str, lines: list[int]) -> None:
    """The control: what catches everything and goes on is seen, whatever else it names."""
    assert [handler.lineno for handler in broad_handlers(ast.parse(text))] == lines


def test_late_imports_and_passed_over_lines_are_seen() -> None:
    """The control: an import in a function is seen, and a directive with and without a reason."""
    text = "import a\ndef f():\n    import b\n"
    assert [found.lineno for found in late_imports(ast.parse(text))] == [3]
    assert (bool(_LATE.search(text)), _LATE.search("import a\nfrom b import c\n")) == (True, None)
    mark = "# " + "noqa"
    found = [_PASSED_OVER.search(text) for text in (f"{mark}: X1, Y22 - a pair", f"{mark}: X1", mark, "# nothing")]
    assert [one and one["reason"].strip(" -") for one in found] == ["a pair", "", "", None]
