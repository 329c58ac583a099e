"""What the package imports from elsewhere, what importing it costs, and which names are public."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from conftest import program

import checkpoint_store
from checkpoint_store import errors

from .imports import PACKAGE, ROOT, Import, imports_of, nodes_of, room_of, sources, tree_of, within

if TYPE_CHECKING:
    from pathlib import Path

THIRD_PARTY_OF_THE_CORE = {"alembic", "filelock", "sqlalchemy"}
OF_AN_EXTRA = {
    "execution/job/frame_columns.py": {"pandas", "polars"},
    "loop/executors/clusters.py": {"distributed", "ray"},
    "loop/progress_bar.py": {"tqdm"},
    "report/write.py": {"jinja2"},
    "storage/datasette/plugin.py": {"markupsafe", "pluggy"},
    "testing/__init__.py": {"pytest"},
}
"""The distributions of extras, and the one file that imports each."""
NEED_SQLALCHEMY = {
    "storage/sql.py",
    "storage/tables.py",
    "storage/upgrade/sqlalchemy_connection.py",
}
"""The files that import SQLAlchemy when they run: statements are built from the names that ``storage/sql.py`` gives."""
WATCH = [str(program(__file__, "watch_import"))]
HEAVY = ["alembic", "click", "filelock", "pydantic", "rich", "sqlalchemy", "sqlite3"]


def all_but(*rooms: str) -> list[Path]:
    """The files of the package that stand in none of these rooms."""
    return [path for path in sources(PACKAGE) if room_of(path) not in rooms]


def third_party(path: Path) -> set[str]:
    """The distributions that a file imports at run time."""
    tops = {one.top for one in imports_of(path) if one.at_run_time}
    return tops - set(sys.stdlib_module_names) - {PACKAGE}


def run(words: list[str], folder: Path) -> dict[str, list[str]]:
    """What a new process in an empty folder prints as JSON."""
    done = subprocess.run([sys.executable, "-B", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


# -- imports from elsewhere


def test_nobody_imports_the_command() -> None:
    """Only the command itself and ``python -m`` know that there is a command, also in annotations."""
    knowing = [within(path) for path in all_but("cli", "__main__") for one in imports_of(path) if one.room == "cli"]
    assert knowing == []


@pytest.mark.parametrize("room", ["cli", "report"])
def test_the_command_and_the_report_use_what_everyone_can(room: str) -> None:
    """The command and the report are built on public names only, so that anyone could have written them."""
    public = {*checkpoint_store.__all__, "__version__"} | ({"report"} if room == "cli" else set())
    hidden = [
        (within(path), one)
        for path in sources(f"{PACKAGE}/{room}")
        for one in imports_of(path)
        if one.top == PACKAGE and one.room != room and one.name not in public
    ]
    assert hidden == []


def test_only_the_command_uses_the_report() -> None:
    """No face imports it: who never writes a report pays nothing for it."""
    using = [within(path) for path in all_but("cli", "report") for one in imports_of(path) if one.room == "report"]
    assert using == []


def test_the_core_needs_three_packages() -> None:
    """Outside of the command only SQLAlchemy, Alembic and filelock are imported, and each extra in one place."""
    others = {
        within(path): {one.top for one in imports_of(path)}
        - set(sys.stdlib_module_names)
        - {PACKAGE}
        - THIRD_PARTY_OF_THE_CORE
        for path in all_but("cli")
    }
    assert {file: tops for file, tops in others.items() if tops} == OF_AN_EXTRA


def test_statements_import_no_sqlalchemy() -> None:
    """A process that does ordinary work never imports SQLAlchemy: only migrations, and a text that is not prepared, need it."""
    importing = {within(path) for path in all_but() if "sqlalchemy" in third_party(path)}
    assert importing == NEED_SQLALCHEMY


def test_no_import_hides() -> None:
    """No module is imported by a computed name, where these tests would not see it.

    The package's own door is excepted, and the command group, which has the modules of its commands in a table.
    """
    hiding = [
        within(path)
        for path in all_but("")
        if re.search("__import__|import_module", path.read_text("utf-8"))
        for node in nodes_of(tree_of(path))
        if isinstance(node, ast.Name) and node.id in ("__import__", "import_module")
    ]
    assert hiding == ["cli/app.py"]


def test_dependencies_are_what_is_imported() -> None:
    """pyproject.toml asks for what the core imports, and for nothing else."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    core = [path for path in sources(PACKAGE) if room_of(path) != "cli" and within(path) not in OF_AN_EXTRA]
    imported = {top for path in core for top in third_party(path)}
    assert sorted(imported) == sorted(one.split(">")[0] for one in declared) == sorted(THIRD_PARTY_OF_THE_CORE)


def test_migrations_depend_on_the_storage_only() -> None:
    """The environment enters through the storage; a revision, which is never edited again, depends on nothing here."""
    for path in sources("migrations"):
        entered = {one.room for one in imports_of(path) if one.top == PACKAGE}
        assert entered <= (set() if path.parent.name == "versions" else {"storage"})
        assert third_party(path) <= {"alembic", "sqlalchemy"}


def test_the_reader_of_imports_sees_them(tmp_path: Path) -> None:
    """The control: imports in functions, by alias and in an else branch are seen, those for annotations told apart."""
    path = tmp_path / "module.py"
    path.write_text(
        "import typing\nif typing.TYPE_CHECKING:\n    import alembic\nelse:\n    import sqlalchemy.orm as orm\n"
        "def work():\n    from checkpoint_store import storage\n    from checkpoint_store.cli.app import run\n"
    )
    found = imports_of(path)
    assert found == [
        Import("typing", None, True),
        Import("alembic", None, False),
        Import("sqlalchemy.orm", None, True),
        Import("checkpoint_store", "storage", True),
        Import("checkpoint_store.cli.app", "run", True),
    ]
    assert [one.room for one in found[3:]] == ["storage", "cli"]
    assert third_party(path) == {"sqlalchemy"}


# -- importing the package


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    "name",
    ["", ".errors", ".model.state", ".model.plan", ".model.codec.json_text", ".model.codec.secrets", ".system.files"],
)
def test_importing_is_light_and_opens_nothing(tmp_path: Path, name: str) -> None:
    """Importing the package (or a leaf) loads no database library, writes no file, and starts nothing."""
    assert run([*WATCH, f"{PACKAGE}{name}", *HEAVY], tmp_path) == {"loaded": [], "events": []}
    assert list(tmp_path.iterdir()) == []


def test_the_watch_sees() -> None:
    """The control: the first use of a store does load sqlite3. Neither SQLAlchemy nor Alembic comes with it."""
    assert run([*WATCH, f"{PACKAGE}.store", *HEAVY], ROOT)["loaded"] == ["sqlite3"]


def test_all_is_sorted() -> None:
    """The public names are sorted, and none stands twice."""
    names = checkpoint_store.__all__
    assert sorted(set(names)) == names


def test_every_public_name_resolves_to_its_home() -> None:
    """Each public name is there, and is the object of the module that it is said to live in."""
    for name in checkpoint_store.__all__:
        home = f"{PACKAGE}.{checkpoint_store._HOMES.get(name, 'errors')}"
        found = getattr(checkpoint_store, name)
        assert found is getattr(import_module(home), name)
        assert (name, found.__module__) == (name, home)


def test_homes_names_public_things_alone() -> None:
    """The table of homes has no name that is not public, and is sorted: the modules, and the names of each."""
    names = checkpoint_store._NAMES
    assert {module: " ".join(sorted(names[module].split())) for module in sorted(names)} == names
    assert sorted(names) == list(names)
    assert set(checkpoint_store._HOMES) <= set(checkpoint_store.__all__)


def test_type_checkers_see_the_same_names() -> None:
    """What a type checker is told is what there is."""
    told = {one.name: one.module for one in imports_of(ROOT / PACKAGE / "__init__.py") if one.top == PACKAGE}
    homes = checkpoint_store._HOMES
    actual = {name: f"{PACKAGE}.{homes.get(name, 'errors')}" for name in checkpoint_store.__all__}
    assert actual == told


def test_every_error_is_public() -> None:
    """Each error class of the library can be caught by its public name."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert classes - set(checkpoint_store.__all__) == set()


def test_an_unknown_name() -> None:
    """A name that does not exist is the usual AttributeError, and dir() lists the public names."""
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = checkpoint_store.Nothing
    assert checkpoint_store.__all__ == dir(checkpoint_store)


def test_star_import(tmp_path: Path) -> None:
    """``from checkpoint_store import *`` gives every public name."""
    code = f"import json\nfrom {PACKAGE} import *\nprint(json.dumps({{'names': sorted(set(globals()))}}))"
    assert set(checkpoint_store.__all__) <= set(run(["-c", code], tmp_path)["names"])
