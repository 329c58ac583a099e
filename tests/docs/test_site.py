"""The site leaves nothing out. (`.ci/run` builds it, and a warning fails the build.)"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import checkpoint_store
from checkpoint_store.cli.app import group

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """What makes the pages of the reference."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("generated")
    finally:
        sys.path.pop(0)


@pytest.mark.slow
def test_the_pages_are_made_outside_of_pytest() -> None:
    """A contributor builds the site, where nobody has put the folders of the tests on the path."""
    code = "import generated; print(generated.errors()[:5], end='')"
    made = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=False)
    assert (made.stderr, made.returncode, len(made.stdout)) == ("", 0, 5)


def options(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")}


def test_every_command_and_option_is_in_the_reference(generated: ModuleType) -> None:
    """A reader finds each command, each option and its default, as ``--help`` has them."""
    text = generated.commands()
    context = click.Context(group, **group.context_settings)
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == group.list_commands(context)
    for name, section in sections.items():
        command = group.get_command(context, name)
        assert command is not None
        described = set(
            re.findall(r"--[a-z][\w-]*", " ".join(re.findall(r"^\.\. option:: (.*)$", section, re.MULTILINE)))
        )
        assert described - {"--help"} == options(command)
    assert "Pause before the job costs more" in sections["run"]
    assert "[default: 2000]" in sections["run"]


def test_every_public_name_is_in_the_reference(generated: ModuleType) -> None:
    """A reader finds each public name of the package and of its public modules, once."""
    text = generated.api() + generated.errors()
    described = re.findall(r"^\.\. auto(?:class|function|data|exception):: (\S+)$", text, re.MULTILINE)
    public = [f"checkpoint_store.{name}" for name in checkpoint_store.__all__]
    for module in generated.public_modules():
        public += [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    assert sorted(described) == sorted(public)
    assert "checkpoint_store.executors.dask" in described


def test_every_error_shows_its_message(generated: ModuleType) -> None:
    """A reader who searches for a message finds the error that it belongs to, with its remedy and its fields."""
    sections = re.split(r"^\.\. autoexception:: ", generated.errors(), flags=re.MULTILINE)[1:]
    without = {section.split()[0] for section in sections if "code-block" not in section}
    warnings = ("StoreRecovered", "ChunksPassedOver", "JobsPassedOver", "ResultsElsewhere", "ResultIsNone")
    assert without <= {f"checkpoint_store.{name}" for name in warnings}
    full = next(section for section in sections if section.startswith("checkpoint_store.StorageFullError"))
    assert "Make room" in full
    assert "``free_bytes``" in full
    changed = next(section for section in sections if section.startswith("checkpoint_store.PlanChanged"))
    assert "CheckpointStore.open_job <" in changed
    in_work = next(section for section in sections if section.startswith("checkpoint_store.ChunkInWork"))
    assert "Job.redo <" in in_work  # a method that Job has from one of its bases


@pytest.mark.parametrize("page", ["README.md", "docs/install.md"])
def test_every_extra_is_in_the_table(page: str) -> None:
    """Whoever installs the package reads what each extra brings."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    rows = [line.split("|")[1] for line in (ROOT / page).read_text("utf-8").splitlines() if line.startswith("| ")]
    named = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert set(extras) - named == set()


def test_every_page_is_in_the_index() -> None:
    """A reader reaches every page from the index."""
    index = (DOCS / "index.md").read_text("utf-8")
    listed = [
        line
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", index, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line and not line.startswith(":")
    ]
    pages = {page.stem for page in DOCS.glob("*.md")} - {"index"}
    assert {page for page in pages if not any(fnmatch(page, pattern) for pattern in listed)} == set()
    assert {name for name in listed if "*" not in name} - pages == set()


def test_each_generated_page_has_a_place_for_it(generated: ModuleType) -> None:
    """A page of the reference is filled in when the site is built."""
    for page in generated.PAGES:
        assert "<!-- generated -->" in (DOCS / f"{page}.md").read_text("utf-8")
