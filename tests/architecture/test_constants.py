"""The constants of the modules: a name means one thing in the whole package."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Final

from .imports import PACKAGE, sources, tree_of, within

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPERATORS: Final = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}
_UNITS: Final = {"SECONDS", "MS", "BYTES"}
_QUALIFIERS: Final = {"MIN", "MAX", "DEFAULT"}


def constants_in(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and value of each constant of a module."""
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        if isinstance(target, ast.Name) and target.id.isupper() and isinstance(node, ast.Assign | ast.AnnAssign):
            assert node.value is not None
            yield target.id, node.value


def number(value: ast.expr) -> float | None:
    """Return the number that an expression of numbers stands for; None where it is something else."""
    if isinstance(value, ast.Constant):
        return value.value if type(value.value) in (int, float) else None
    if isinstance(value, ast.BinOp) and type(value.op) in _OPERATORS:
        left, right = number(value.left), number(value.right)
        return None if left is None or right is None else _OPERATORS[type(value.op)](left, right)
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        operand = number(value.operand)
        return None if operand is None else -operand
    return None


def two_meanings(modules: dict[str, ast.Module]) -> dict[str, dict[str, str]]:
    """Return each name that is a number in one module and something else in another, with its meanings by module."""
    meanings: dict[str, dict[str, object]] = {}
    texts: dict[str, dict[str, str]] = {}
    for module, tree in modules.items():
        for constant, value in constants_in(tree):
            found = number(value)
            name = constant.lstrip("_")  # a private name, too: people look for the word
            meanings.setdefault(name, {})[module] = ast.dump(value) if found is None else found
            texts.setdefault(name, {})[module] = ast.unparse(value)
    return {
        name: texts[name]
        for name, found in meanings.items()
        if len(set(found.values())) > 1 and any(not isinstance(one, str) for one in found.values())
    }


def test_a_number_has_one_name_and_a_name_one_number() -> None:
    """Whoever finds a limit by its name has found the right one: no other module uses the name for something else."""
    assert two_meanings({within(path): tree_of(path) for path in sources(PACKAGE)}) == {}


def test_a_constant_that_others_import_stands_for_one_value() -> None:
    """Whoever reads an imported name knows which constant it is."""
    values: dict[str, set[str]] = {}
    for path in sources(PACKAGE):
        for name, value in constants_in(tree_of(path)):
            if not name.startswith("_"):
                values.setdefault(name, set()).add(ast.dump(value))
    assert sorted(name for name, its in values.items() if len(its) > 1) == []


def is_well_ordered(name: str) -> bool:
    """Return whether the unit of a constant, and then its qualifier, stand last: ``RETRY_WAIT_SECONDS_MAX``.

    Before ``DEFAULT`` stands the name of an option, as users write it: ``MAX_ATTEMPTS_DEFAULT``.
    """
    words = [word for word in name.split("_") if word]
    if words[-1] == "DEFAULT":
        return True
    rest = words[:-1] if words[-1] in _QUALIFIERS else words
    before = set() if "PER" in rest else set(rest[:-1]) & _UNITS  # bytes per second: both are units
    return not before and not set(rest) & (_QUALIFIERS | {"MOST", "LEAST", "LONGEST", "LITTLE", "EVERY"})


def test_unit_and_qualifier_stand_last() -> None:
    """A reader knows from the end of a name what the number counts, and whether it is the least or the most."""
    odd = [
        f"{within(path)}: {name}"
        for path in sources(PACKAGE)
        for name, value in constants_in(tree_of(path))
        if number(value) is not None and not is_well_ordered(name)
    ]
    assert odd == []


def test_two_meanings_are_seen() -> None:
    """The control: another number, and something that is no number, are seen; the same number in other words is not."""
    texts = {"a.py": "GAP = 2\nSIZE: int = 1 << 16\nLAST = 3", "b.py": "_GAP = 4", "c.py": "SIZE = 65536\nLAST = 'x'"}
    found = two_meanings({name: ast.parse(text) for name, text in texts.items()})
    assert found == {"GAP": {"a.py": "2", "b.py": "4"}, "LAST": {"a.py": "3", "c.py": "'x'"}}


def test_a_wrong_order_is_seen() -> None:
    """The control: a qualifier before the unit, and a unit before the noun, are seen."""
    names = [
        "_WAIT_SECONDS_MAX",
        "_BYTES_PER_SECOND",
        "_WAIT_MAX_SECONDS",
        "_SECONDS_OF_WAIT",
        "_MOST_BYTES",
        "_DEFAULT_SIZE",
    ]
    assert [is_well_ordered(name) for name in names] == [True, True, False, False, False, False]
