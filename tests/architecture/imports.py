"""What each module imports, read from its source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "checkpoint_store"


@dataclass(frozen=True)
class Import:
    """One imported module, or name of a module."""

    module: str
    name: str | None
    at_run_time: bool
    """False under ``if TYPE_CHECKING``."""

    @property
    def top(self) -> str:
        """The distribution, roughly: the first part of the name."""
        return self.module.partition(".")[0]

    @property
    def target(self) -> str:
        """The module that is imported, where ``from package import module`` names one."""
        whole = f"{self.module}.{self.name}"
        path = ROOT.joinpath(*whole.split("."))
        return whole if self.name and (path.with_suffix(".py").exists() or path.is_dir()) else self.module

    @property
    def room(self) -> str:
        """The room of this package that it enters: ``store``, ``storage``; empty for the package itself."""
        return [*self.target.split("."), ""][1]


def room_of(path: Path) -> str:
    """The room that a source file stands in."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def within(path: Path) -> str:
    """Where a source file stands in the package: ``loop/loop.py``."""
    return path.relative_to(ROOT / PACKAGE).as_posix()


def module_of(path: Path) -> str:
    """The name by which a source file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources(*folders: str) -> list[Path]:
    """The source files under these folders of the checkout, in a fixed order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file, which each rule reads."""
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Every node of a tree, in no order: many rules look at all nodes of the package."""
    return tuple(ast.walk(tree))


@cache
def imports_of(path: Path) -> list[Import]:
    """Every import in a file, also those inside of functions."""
    found: list[Import] = []

    def visit(node: ast.AST, *, at_run_time: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for inner in node.body:
                visit(inner, at_run_time=False)
            for inner in node.orelse:
                visit(inner, at_run_time=at_run_time)
            return
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, None, at_run_time) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found.extend(Import(node.module or "", alias.name, at_run_time) for alias in node.names)
        for inner in ast.iter_child_nodes(node):
            visit(inner, at_run_time=at_run_time)

    visit(tree_of(path), at_run_time=True)
    return found
