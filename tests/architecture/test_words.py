"""The words of the code are nouns of the field: a name says what a thing is, not that somebody found or said it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from .imports import PACKAGE, ROOT, nodes_of, sources, tree_of, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PRIVATE = {"found", "one", "piece", "pieces", "said", "several", "shown", "there", "told"}
"""Words that name no thing: what was found, or which one, stands in no glossary."""
POINTS_ELSEWHERE = re.compile(r"\b(likewise|(as|see) above)\b|\| the same( file)? \|$", re.IGNORECASE)
ROOMS = ["cli", "execution", "loop", "model", "report", "state_file", "storage", "system", "testing"]
"""The rooms in which no name is such a word."""
PUBLIC = {"errors.py": {"found"}, "report/write.py": {"pieces"}}
"""The names that users call or read, by file: these stay as they are."""


def names_in(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module gives to variables, arguments, attributes, functions and classes."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def private_words(tree: ast.AST) -> list[str]:
    """Return the names of a module that are private words, sorted."""
    return sorted({name for name in names_in(tree) if name.strip("_").lower() in PRIVATE})


def private_words_of(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Return the private words in the names of each of these files that has any, but for the public names."""
    by_file = {within(path): private_words(tree_of(path)) for path in paths}
    words = {file: sorted(set(names) - PUBLIC.get(file, set())) for file, names in by_file.items()}
    return {file: names for file, names in words.items() if names}


def test_names_say_what_a_thing_is() -> None:
    """A newcomer who reads a line of these rooms knows from its names what the line works on."""
    assert private_words_of(path for room in ROOMS for path in sources(f"{PACKAGE}/{room}")) == {}


def test_names_of_the_faces_say_what_a_thing_is() -> None:
    """A newcomer who reads the modules at the root knows, too."""
    assert private_words_of(path for path in sources(PACKAGE) if path.parent.name == PACKAGE) == {}


def lines_that_point_elsewhere(paths: Iterable[Path]) -> list[str]:
    """Return each line that can only be understood with an earlier one: a file is read from the middle."""
    numbered = ((path, *line) for path in paths for line in enumerate(path.read_text("utf-8").splitlines(), 1))
    return [f"{path.name}:{number}: {text.strip()}" for path, number, text in numbered if POINTS_ELSEWHERE.search(text)]


def test_a_sentence_is_understood_alone() -> None:
    """No docstring, comment or page sends its reader to what stood before."""
    assert lines_that_point_elsewhere([*sources(PACKAGE), *(ROOT / "docs").glob("*.md")]) == []


def test_a_pointer_elsewhere_is_seen(tmp_path: Path) -> None:
    """The control: a word like these is seen in any line; the word that a table needs is not."""
    (tmp_path / "a.md").write_text("Durable, likewise.\n# see above\nThe table above has it.\n| x | the same file |\n")
    assert [line[:6] for line in lines_that_point_elsewhere([tmp_path / "a.md"])] == ["a.md:1", "a.md:2", "a.md:4"]


def test_private_words_are_seen() -> None:
    """The control: such a variable, argument, attribute, function and class are seen; an import or a longer name is not."""
    text = "class Found:\n    def told(self, one):\n        self._said = one\nshown = [x for several in y]\nfound_at = there.x\n"
    assert private_words(ast.parse(text)) == ["Found", "_said", "one", "several", "shown", "told"]
