"""The table of the architecture that says in which file a method of a face is: it is made from the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .classes import ClassSource
from .imports import PACKAGE, ROOT
from .test_classes import FACES, classes

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "docs" / "architecture.md"


def files_of_methods(face: str, known: Mapping[str, ClassSource]) -> dict[str, list[str]]:
    """Return the public methods that a class defines or inherits, sorted, by their file, the files from the face down."""
    files: dict[str, list[str]] = {}
    seen: set[str] = set()
    left = [face]
    while left:
        name = left.pop(0)
        if name in known:
            methods = sorted(known[name].methods - seen)
            seen.update(methods)
            left += known[name].bases
            if methods:
                files[name.rpartition(".")[0].removeprefix(f"{PACKAGE}.").replace(".", "/") + ".py"] = methods
    return files


def rows(face: str) -> str:
    """Return the table of a face, as the page has it."""
    files = files_of_methods(face, classes()).items()
    lines = [f"| {', '.join(f'`{method}`' for method in methods)} | `{file}` |" for file, methods in files]
    return "\n".join([f"| methods of `{face.rpartition('.')[2]}` | file |", "| --- | --- |", *lines])


@pytest.mark.parametrize("face", sorted(FACES))
def test_a_newcomer_finds_the_file_of_each_method(face: str) -> None:
    """The page of the architecture names, for each method of a face and for no other, the file that defines it."""
    table = rows(face)
    assert f"\n\n{table}\n\n" in PAGE.read_text("utf-8"), f"put this into {PAGE.name}:\n\n{table}\n"


def test_an_inherited_method_is_in_the_file_of_its_part() -> None:
    """The control: a method of a part, and a method that the face defines in the place of a part's."""
    part = ClassSource((), frozenset({"first", "second"}))
    face = ClassSource(("checkpoint_store.room.part.Part",), frozenset({"second", "third"}))
    classes = {"checkpoint_store.face.Face": face, "checkpoint_store.room.part.Part": part}
    found = files_of_methods("checkpoint_store.face.Face", classes)
    assert found == {"face.py": ["second", "third"], "room/part.py": ["first"]}
