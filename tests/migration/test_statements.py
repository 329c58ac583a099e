"""Each revision is killed, and fails, at each of its statements; and many open an old file at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program

from . import make_dump

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children

# A warm process forks for each statement. What runs there counts every statement of every connection, and at the N-th
# it is killed, or the statement fails in its place; then the same call is made again.
SWEEP = program(__file__, "each_statement")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A folder with the store of the frozen dump of 1.0."""
    folder = tmp_path / "template"
    folder.mkdir()
    make_dump.load((make_dump.DUMPS / "1_0.sql").read_text(encoding="utf-8"), folder / "talks.db")
    return folder


def _sweep(children: Children, template: Path, way: str, what: str, step: int) -> None:
    if way == "down":
        children.run("import sys; from checkpoint_store import *; migrate(sys.argv[1])", template / "talks.db")
        for backup in template.glob("*.backup-*"):
            backup.unlink()
    found: dict[str, Any] = json.loads(children.run(SWEEP, template, way, what, step).splitlines()[-1])
    print(f"FIGURES migration {way}, {what}: {found}")
    assert found["points"] >= 20 / step
    assert found["as_before" if what == "kill" else "raised"] >= found["points"] / 2


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("what", "way", "step"),
    [("kill", "up", 47), ("kill", "up", 11), ("fail", "up", 13), ("kill", "down", 17), ("fail", "down", 19)],
)
def test_a_migration_that_ends_at_some_statement_changes_nothing(
    children: Children, template: Path, way: str, what: str, step: int
) -> None:
    """Killed or failing, the file is whole and of one schema, and the same call again succeeds."""
    _sweep(children, template, way, what, step)


@pytest.mark.storm
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("what", ["kill", "fail"])
def test_a_migration_that_ends_at_any_statement_changes_nothing(
    children: Children, template: Path, way: str, what: str
) -> None:
    """A migration that ends at any statement leaves the file as it was."""
    _sweep(children, template, way, what, 1)


OPENS = program(__file__, "open_at_once")


def _open_at_once(children: Children, template: Path, count: int) -> None:
    assert json.loads(children.run(OPENS, template / "talks.db", count)) == 0
    assert [path.name for path in template.glob("*.backup-*")] == ["talks.db.backup-1.0-0001"]


@pytest.mark.slow
def test_many_first_opens_of_an_old_file_upgrade_it_once(children: Children, template: Path) -> None:
    """No error, one copy, and each goes on with what there is."""
    _open_at_once(children, template, 12)


@pytest.mark.storm
def test_a_hundred_first_opens_of_an_old_file_upgrade_it_once(children: Children, template: Path) -> None:
    """A hundred processes that open an old file at once upgrade it once."""
    _open_at_once(children, template, 100)


@pytest.mark.slow
def test_threads_upgrade_different_files_at_once(children: Children, template: Path) -> None:
    """Alembic has one context per process: each of four files gets its own upgrade all the same."""
    assert children.run(program(__file__, "upgrade_in_threads"), template / "talks.db") == "[]\n"


@pytest.mark.slow
def test_going_back_is_refused_where_it_would_lose_something(children: Children, template: Path) -> None:
    """A downgrade is refused if attempts would be lost, or while a process has the store open."""
    assert children.run(program(__file__, "go_back"), template / "talks.db") == "[3, 1, 1]\n"
