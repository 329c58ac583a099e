"""What the command answers to people who come from other tools: the page, and the tables behind it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from cli.conftest import Folder
from each_case import each_case

from checkpoint_store.cli.app import group
from checkpoint_store.cli.hints import COMMANDS, OPTIONS, RUN_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| `checkpoint-store (.+?)` \| (.+) \|$", (ROOT / "docs" / "coming-from.md").read_text("utf-8"), re.MULTILINE
)
_CONTEXT = click.Context(group, **group.context_settings)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of the page: an input, and the store of its job."""
    folder = Folder(tmp_path_factory.mktemp("coming_from"))
    folder.write("talk.txt", "We choose to go to the moon.")
    folder.run("run", "talk.txt")
    return folder


def test_the_page_has_its_rows() -> None:
    """The control: as many lines as a person from six tools would try."""
    assert len(ROWS) >= 40


@each_case(("typed", "answer"), ROWS, ids=[typed for typed, _ in ROWS])
def test_a_line_gets_the_answer_of_the_page(worked: Folder, typed: str, answer: str) -> None:
    """The last thing that it says is what to type; nothing else is guessed."""
    words = shlex.split(typed)
    done = worked.run(*words, code=0 if answer == "works" else 2)
    said = " ".join(done.stderr.split())
    assert answer == "works" or said.endswith(f" {answer}")
    assert said.count("Did you mean") == answer.count("Did you mean")


def unknown(table: Mapping[str, str]) -> list[str]:
    """Commands and options of ours that a table names and that there are not."""
    commands = {name: group.get_command(_CONTEXT, name) for name in group.list_commands(_CONTEXT)}
    options = {option for command in commands.values() if command for one in command.params for option in one.opts}
    found = []
    for meaning in table.values():
        named = set(re.findall(r"checkpoint-store ([a-z][a-z-]*)", meaning))
        found += sorted(named - set(commands))
        own = meaning.partition("llm")[0]
        found += sorted(set(re.findall(r"(?<!\S)--[a-z][a-z-]+", own)) - options - {"--help", "--version"})
    return found


@each_case("table", [COMMANDS, RUN_OPTIONS, OPTIONS], ids=["commands", "options of run", "options"])
def test_an_answer_names_what_there_is(table: Mapping[str, str]) -> None:
    """Whoever follows the answer is not sent to a command or an option that does not exist."""
    assert unknown(table) == []


def test_a_wrong_answer_is_noticed() -> None:
    """The control: a command and an option that do not exist are found in an answer."""
    assert unknown({"x": "checkpoint-store gone --nowhere N"}) == ["gone", "--nowhere"]


def test_nothing_that_there_is_stands_in_the_tables() -> None:
    """A command or an option that is added here one day answers for itself."""
    assert set(COMMANDS) & set(group.list_commands(_CONTEXT)) == set()
    of_run = {
        option for name in ("run", "plan") for one in group.get_command(_CONTEXT, name).params for option in one.opts
    }  # type: ignore[union-attr]
    assert set(RUN_OPTIONS) & of_run == set()
