"""The room of the claims: below it the storage's verbs alone, inside of it no circle; and one place hooks into forks."""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING

from each_case import each_case

from .imports import PACKAGE, ROOT, imports_of, sources

if TYPE_CHECKING:
    from pathlib import Path

ROOM = f"{PACKAGE}/execution/claims"
FILES = [path for path in sources(ROOM) if path.name != "__init__.py"]
BELOW = {
    f"{PACKAGE}.errors",
    f"{PACKAGE}.model.attempt",  # what the work of an attempt was given
    f"{PACKAGE}.model.chunks",  # a set of chunk indices
    f"{PACKAGE}.model.service_answer",  # what an exception says, also where to read it raises
    f"{PACKAGE}.storage.verbs.claims",
    f"{PACKAGE}.storage.group_commit",  # the verb that writes completions
    f"{PACKAGE}.storage.records.records",
    f"{PACKAGE}.storage.verbs.redos",
    f"{PACKAGE}.system.threads",  # whether a signal handler interrupted the library
    f"{PACKAGE}.system.file_lock",
    f"{PACKAGE}.system.forks",
    f"{PACKAGE}.system.log",
}
LINES_MAX = 300


@each_case("path", FILES, ids=lambda path: path.stem)
def test_claims_know_the_storage_by_its_verbs(path: Path) -> None:
    """Claims import no sqlite3, no statement, no connection and no lock file, also not for annotations."""
    room = ROOM.replace("/", ".")
    outside = {one.target for one in imports_of(path) if not one.target.startswith(room)}
    assert "sqlite3" not in outside
    assert {target for target in outside if target.startswith(PACKAGE)} - BELOW == set()


def test_claims_have_no_circle() -> None:
    """No file of the room reaches itself, counting the imports for annotations."""
    room = ROOM.replace("/", ".")
    names = {path: f"{room}.{path.stem}" for path in FILES}
    arrows = {names[path]: {one.target for one in imports_of(path) if one.target.startswith(room)} for path in FILES}
    assert set(names.values()) <= set(graphlib.TopologicalSorter(arrows).static_order())


def test_files_of_the_claims_are_short() -> None:
    """A newcomer reads each at one sitting."""
    assert [path.name for path in FILES if len(path.read_text("utf-8").splitlines()) > LINES_MAX] == []


def test_one_place_registers_hooks_at_forks() -> None:
    """The order of the hooks is written down, and does not depend on which module is imported first."""
    registering = [path for path in sources(PACKAGE) if "register_at_fork(" in path.read_text("utf-8")]
    assert registering == [ROOT / PACKAGE / "system" / "forks.py"]


@each_case("path", sources(f"{PACKAGE}/system"), ids=lambda path: path.stem)
def test_the_system_knows_nothing_above_it(path: Path) -> None:
    """Files, file locks and forks import the catalogue of errors, and each other."""
    ours = {one.target for one in imports_of(path) if one.top == PACKAGE}
    assert {target for target in ours if not target.startswith(f"{PACKAGE}.system.")} <= {f"{PACKAGE}.errors"}
