"""``migrate`` and ``path``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checkpoint_store.model.store_file import SCHEMA_VERSION

if TYPE_CHECKING:
    from .conftest import Folder


def test_a_current_store_needs_no_migration(lecture: Folder) -> None:
    """--check ends 0, and migrate changes nothing."""
    lecture.run("run", "lecture.txt")
    assert f"is current (schema {SCHEMA_VERSION})" in lecture.run("migrate", "--check").stderr
    assert lecture.json("migrate")["pending"] == []


def test_an_old_store_is_brought_up_to_date(folder: Folder) -> None:
    """An empty file is the oldest there is: --check ends 1 and writes nothing, migrate makes it current."""
    folder.write("old.db", "")
    assert folder.json("migrate", "--check", "--store", "old.db", code=1)["schema"] is None
    assert folder.read("old.db") == ""
    assert folder.json("migrate", "--store", "old.db") | {"store": ""} == {
        "store": "",
        "schema": SCHEMA_VERSION,
        "newest": SCHEMA_VERSION,
        "was": None,
        "pending": [],
    }
    folder.run("migrate", "--check", "--store", "old.db")


def test_path_prints_both_files(lecture: Folder) -> None:
    """``path`` prints the store file and then the state file, a line each, whether they exist or not."""
    paths = [lecture.path / ".processing_state.db", lecture.path / ".processing_state.json"]
    assert [Path(line) for line in lecture.run("path").stdout.splitlines()] == paths
    assert lecture.json("path")["exists"] is False
    lecture.run("run", "lecture.txt")
    assert [Path(line) for line in lecture.run("path").stdout.splitlines()] == paths
    assert lecture.json("path")["exists"] is True
