"""The rooms of the design and the arrows between them, read from the imports, those for annotations included."""

from __future__ import annotations

import ast
import graphlib
from typing import TYPE_CHECKING

import pytest

from .imports import PACKAGE, ROOT, imports_of, module_of, nodes_of, room_of, sources, tree_of, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOMS = (
    "__main__",
    "cli",
    "report",
    "testing",
    "manager",
    "maintenance",
    "executors",
    "frames",
    "store",
    "job",
    "loop",
    "execution",
    "state_file",
    "storage",
    "model",
    "system",
    "errors",
)
"""From the top floor down. A room imports from the floors below it only."""
NEEDS_NOTHING_BUT_ERRORS = ("model", "system")
"""The model knows no disk, and the system room knows no word of this package."""
FACES = {
    *("__init__.py", "__main__.py", "errors.py", "executors.py", "frames.py", "job.py", "maintenance.py", "manager.py"),
    *("py.typed", "store.py"),
}
LINES_MAX = 300
LONG = {"errors.py": 750}
"""The catalogue of errors may be long, and the texts of all statements, which no person writes."""


def entered(path: Path) -> set[str]:
    """The other rooms that a file imports from, at run time or for annotations."""
    return {one.room for one in imports_of(path) if one.top == PACKAGE} - {room_of(path)}


def attributes_of(path: Path) -> set[str]:
    """The names of the attributes that a file reads or sets."""
    return {node.attr for node in nodes_of(tree_of(path)) if isinstance(node, ast.Attribute)}


def test_the_list_of_rooms_is_complete() -> None:
    """A newcomer finds every room on the list of floors, and no room on it that is gone."""
    rooms = {room_of(path) for path in sources(PACKAGE)} - {""}
    assert sorted(ROOMS) == sorted(rooms)


def test_the_root_has_the_faces_only() -> None:
    """A newcomer who opens the package sees what users may call, and rooms."""
    files = {path.name for path in (ROOT / PACKAGE).iterdir() if path.is_file()}
    assert files == FACES


def test_arrows_run_down() -> None:
    """Each file imports from lower floors only, so that no floor has to be understood before those below it."""
    upwards = {}
    for path in sources(PACKAGE):
        room = room_of(path)
        if room in ("", "cli", "report"):  # the package's own door names everything; command and report enter by it
            continue
        upwards[within(path)] = entered(path) - set(ROOMS[ROOMS.index(room) + 1 :])
    assert {file: rooms for file, rooms in upwards.items() if rooms} == {}


def test_leaves_need_nothing_but_errors() -> None:
    """The model and the system room can be understood alone."""
    leaves = sources(*(f"{PACKAGE}/{room}" for room in NEEDS_NOTHING_BUT_ERRORS))
    assert {within(path): entered(path) for path in leaves if not entered(path) <= {"errors"}} == {}


def imported_modules() -> dict[str, set[str]]:
    """The modules of the package that each module in a room imports, at run time or for annotations."""
    modules = {module_of(path): path for path in sources(PACKAGE) if room_of(path)}
    return {
        module: {one.target for one in imports_of(path) if one.target in modules and one.target != module}
        for module, path in modules.items()
    }


def entries_in_order(folder: str, imports: Mapping[str, set[str]]) -> list[str]:
    """The files and folders that stand in a folder, each after those that it needs; CycleError where that is no order."""

    def entry_of(module: str) -> str:
        return module.removeprefix(f"{folder}.").partition(".")[0] if module.startswith(f"{folder}.") else ""

    graph: dict[str, set[str]] = {}
    for module, targets in imports.items():
        entry = entry_of(module)
        if entry:
            graph.setdefault(entry, set()).update({entry_of(target) for target in targets} - {entry, ""})
    return list(graphlib.TopologicalSorter(graph).static_order())


def test_no_file_is_in_a_circle() -> None:
    """Inside a room, too, the files can be read one after the other: no circle of imports, also not for annotations."""
    graph = imported_modules()
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


def test_no_folder_is_in_a_circle() -> None:
    """A newcomer can read the folders of a room one after the other, and each with the files beside it."""
    imports = imported_modules()
    folders = {module.rpartition(".")[0] for module in imports} - {PACKAGE}
    assert "checkpoint_store.storage" in folders
    assert [folder for folder in folders if not entries_in_order(folder, imports)] == []


def test_only_the_storage_knows_the_database() -> None:
    """SQLAlchemy, Alembic and sqlite3 are imported in the storage room only, also for annotations."""
    theirs = {
        within(path): {one.top for one in imports_of(path)} & {"sqlalchemy", "alembic", "sqlite3"}
        for path in sources(PACKAGE)
    }
    assert {file.split("/")[0] for file, tops in theirs.items() if tops} == {"storage"}


def test_only_the_storage_knows_connections_and_statements() -> None:
    """Above the storage, a call takes and returns records: whoever changes a statement reads one room."""
    inner = tuple(f"{PACKAGE}.storage.{name}" for name in ("connection", "statements", "opening"))  # which opens a file
    theirs = {
        within(path): {one.target for one in imports_of(path) if one.target.startswith(inner)}
        for path in sources(PACKAGE)
        if room_of(path) not in ("", "storage")
    }
    assert {file: modules for file, modules in theirs.items() if modules} == {}


def test_nobody_reaches_through_a_verb_to_the_connection() -> None:
    """The object behind the verbs is the storage's own, also where no import shows that another room uses it."""
    above = [path for path in sources(PACKAGE) if room_of(path) not in ("", "storage")]
    attributes = {within(path): attributes_of(path) & {"database", "_database"} for path in above}
    assert {file: names for file, names in attributes.items() if names} == {}
    assert "database" in attributes_of(ROOT / PACKAGE / "storage" / "storage.py")


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    """A file has at most 300 lines; the catalogue of errors may have more."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in sources(PACKAGE)}
    assert {within(path): n for path, n in lines.items() if n > LONG.get(within(path), LINES_MAX)} == {}


def test_an_import_for_annotations_is_an_arrow(tmp_path: Path) -> None:
    """The control: what only a type checker reads counts like what runs."""
    path = tmp_path / "module.py"
    path.write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from checkpoint_store.job import Job\n")
    (found,) = (one for one in imports_of(path) if one.top == PACKAGE)
    assert (found.room, found.at_run_time) == ("job", False)


def test_a_circle_is_seen() -> None:
    """The control: two files that name each other are no order."""
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_a_circle_of_a_folder_is_seen() -> None:
    """The control: a folder and a file that need each other are no order, although no two files do."""
    files = {"room.folder.first": {"room.file"}, "room.file": {"room.folder.last"}, "room.folder.last": set[str]()}
    assert list(graphlib.TopologicalSorter(files).static_order())
    with pytest.raises(graphlib.CycleError):
        entries_in_order("room", files)
