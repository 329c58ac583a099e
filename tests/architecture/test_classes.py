"""The size of a class: what can be called on it, its own and what it inherits."""

from __future__ import annotations

import ast
from functools import cache

from checkpoint_store import StateManager

from .classes import ClassSource, ancestors, classes_in, classes_of, imported_names, public_methods
from .imports import PACKAGE, module_of, nodes_of, sources, tree_of

PUBLIC_METHODS_MAX = 15
FACES = {
    f"{PACKAGE}.job.Job": "what users may do with a job stands on one object, with the names of the design",
    f"{PACKAGE}.store.CheckpointStore": "what users may do with a store stands on one object, likewise",
}
"""The classes that may have more. The classes they inherit from are parts of them: nobody makes an object of a part."""


@cache
def classes() -> dict[str, ClassSource]:
    """Return each class of the package; it takes a second, which each worker would spend if the module did it."""
    return classes_of(sources(PACKAGE))


def parts() -> set[str]:
    """Return what the faces inherit from."""
    return set().union(*(ancestors(face, classes()) for face in FACES)) - FACES.keys()


def test_a_class_has_few_public_methods() -> None:
    """A newcomer can hold in mind what an object does: groups that belong together are objects of their own."""
    counts = {name: len(public_methods(name, classes())) for name in classes().keys() - FACES.keys() - parts()}
    assert {name: count for name, count in counts.items() if count > PUBLIC_METHODS_MAX} == {}


def test_the_faces_are_there() -> None:
    """A face that was renamed is no exception for a class that is gone."""
    assert FACES.keys() <= classes().keys()


def test_a_part_of_a_face_is_nothing_by_itself() -> None:
    """The parts of a face may be large together with what they inherit, because only the face is an object."""
    called = set()
    for path in sources(PACKAGE):
        module, imported = module_of(path), imported_names(tree_of(path))
        calls = (node.func for node in nodes_of(tree_of(path)) if isinstance(node, ast.Call))
        called |= {imported.get(one.id, f"{module}.{one.id}") for one in calls if isinstance(one, ast.Name)}
    assert "checkpoint_store.job.Job" in called
    assert called & parts() == set()


def test_a_manager_shows_what_the_plan_calls() -> None:
    """Who asks for the attributes of a :class:`StateManager` sees nothing of its insides."""
    calls = {"load", "save", "clear", "update_chunk_complete", "set_status", "has_incomplete_job", "close"}
    assert {name for name in dir(StateManager("state.json")) if not name.startswith("_")} == calls | {
        *("DEFAULT_PATH", "LOCK_TIMEOUT", "state_path", "store_path", "lock_path")
    }


def test_inherited_methods_are_counted() -> None:
    """The control: a method, a property and what comes from a base count; a private or repeated name does not."""
    source = """
class Base(Generic[T]):
    def first(self): ...
    def _private(self): ...
class Derived(Base[int]):
    @property
    def second(self): ...
    def first(self): ...
"""
    found = dict(classes_in(ast.parse(source), "package.module"))
    assert public_methods("package.module.Derived", found) == {"first", "second"}
