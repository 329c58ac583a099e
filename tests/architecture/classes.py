"""Each class of the package with its bases and its public methods, read from the source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .imports import module_of, nodes_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class ClassSource:
    """One class: the names by which its bases are imported, and what it defines itself."""

    bases: tuple[str, ...]
    methods: frozenset[str]
    """Its public methods and properties. Attributes are not counted, also where a ``cached_property`` makes them."""


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Return the full name of each thing that a module imports from another, by the name it has here."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes_of(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def classes_in(tree: ast.Module, module: str) -> Iterator[tuple[str, ClassSource]]:
    """Yield each class of a module, under its full name."""
    imported = imported_names(tree)
    for node in nodes_of(tree):
        if isinstance(node, ast.ClassDef):
            names = [ast.unparse(base).partition("[")[0] for base in node.bases]
            public = frozenset(name for name in map(_method_name, node.body) if not name.startswith("_"))
            bases = tuple(imported.get(name, f"{module}.{name}") for name in names)
            yield f"{module}.{node.name}", ClassSource(bases, public)


def _method_name(node: ast.stmt) -> str:
    """Return the name of a method or property; "_" for anything else, such as an attribute that is made when asked for."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "_"
    return "_" if "cached_property" in map(ast.unparse, node.decorator_list) else node.name


def classes_of(paths: Iterable[Path]) -> dict[str, ClassSource]:
    """Return each class of these files, by its full name."""
    return {name: one for path in paths for name, one in classes_in(tree_of(path), module_of(path))}


def ancestors(name: str, classes: Mapping[str, ClassSource]) -> set[str]:
    """Return a class and all that it inherits from, as far as the source is there."""
    if name not in classes:
        return set()
    return {name}.union(*(ancestors(base, classes) for base in classes[name].bases))


def public_methods(name: str, classes: Mapping[str, ClassSource]) -> set[str]:
    """Return the public methods and properties of a class, its own and those that it inherits."""
    return set().union(*(classes[one].methods for one in ancestors(name, classes)))
