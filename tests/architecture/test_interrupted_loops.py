"""No interrupt skips a ``finally`` of the package."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .imports import PACKAGE, sources, tree_of, within

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARDED = (ast.Try, ast.With, ast.AsyncWith)
OWN_FRAME = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def guarded_whiles(node: ast.AST, *, guarded: bool = False) -> Iterator[ast.While]:
    """Yield each ``while condition`` whose backward jump is in a ``try`` or ``with`` block of the same frame."""
    for child in ast.iter_child_nodes(node):
        inside = guarded or (isinstance(node, GUARDED) and child in node.body)
        if isinstance(child, ast.While) and inside and not isinstance(child.test, ast.Constant):
            yield child
        yield from guarded_whiles(child, guarded=inside and not isinstance(child, OWN_FRAME))


def test_an_interrupt_at_the_end_of_a_turn_skips_no_finally() -> None:
    """No ``try`` or ``with`` has a ``while condition``: Python 3.12 could skip its end (python/cpython#130279)."""
    paths = [path for path in sources(PACKAGE) if "while " in path.read_text("utf-8")]
    assert len(paths) > 50
    found = [f"{within(path)}:{loop.lineno}" for path in paths for loop in guarded_whiles(tree_of(path))]
    assert found == []


def test_a_guarded_while_is_found() -> None:
    """The control: a guarded ``while`` is seen in the block and under a condition, and not in an inner function."""
    program = """
try:
    while a():
        if b():
            with c:
                while d(): pass
    def other():
        while e(): pass
    while True: pass
finally:
    while f(): pass
"""
    assert [loop.lineno for loop in guarded_whiles(ast.parse(program))] == [3, 6]
