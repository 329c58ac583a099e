"""What the pages call by name can be called: options of commands, attributes of stores, jobs and chunks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from each_case import each_case

from checkpoint_store import CheckpointStore, Job, PendingChunk
from checkpoint_store.cli.app import group

ROOT = Path(__file__).resolve().parents[2]
_OTHER_WORDS = "coming-from.md"
"""The page of what there is not; ``test_coming_from.py`` holds it."""
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != _OTHER_WORDS)]
CLASSES: dict[str, type] = {"store": CheckpointStore, "job": Job, "chunk": PendingChunk}
each_page = each_case("page", PAGES, ids=lambda page: page.name)


def command_lines(text: str) -> list[tuple[str, list[str]]]:
    """Each command of ``checkpoint-store`` that a text names, with the options beside it, up to its ``--``."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"checkpoint-store (?:--\w+ )?([a-z][\w-]*)([^`\n|#]*)", joined)
    return [(name, re.findall(r"(?<!\S)--[a-z][\w-]*", rest.split(" -- ")[0])) for name, rest in found]


def unknown_options(text: str) -> list[str]:
    """The options that a text gives to commands which have none of that name."""
    context = click.Context(group, **group.context_settings)
    unknown = []
    for name, options in command_lines(text):
        command = group.get_command(context, name)
        known = {"--help"} | {option for parameter in command.params for option in parameter.opts} if command else set()
        unknown += [f"{name} {option}" for option in options if option not in known]
    return unknown


def unknown_attributes(text: str) -> list[str]:
    """What a text, in code between two backquotes, takes from a store, a job or a chunk that these do not have."""
    named = re.findall(r"`(store|job|chunk)\.(?!py\b)([a-z]\w*)", text)  # but not the file job.py
    return [f"{owner}.{name}" for owner, name in named if not _has(CLASSES[owner], name)]


def _has(owner: Any, name: str) -> bool:
    return hasattr(owner, name) or any(name in vars(base).get("__annotations__", {}) for base in owner.__mro__)


@each_page
def test_every_option_of_a_command_exists(page: Path) -> None:
    """Whoever types a command of a page gets no 'no such option'."""
    assert unknown_options(page.read_text("utf-8")) == []


@each_page
def test_every_attribute_exists(page: Path) -> None:
    """Whoever writes what a page names gets no AttributeError."""
    assert unknown_attributes(page.read_text("utf-8")) == []


def test_wrong_names_are_noticed() -> None:
    """A control: an option and an attribute that do not exist are seen, also behind a continued line."""
    text = "`checkpoint-store run talk.srt \\\n  --gone 3 -- llm --other`, `job.gone()`, `job.pending()`, `chunk.index`"
    assert unknown_options(text) == ["run --gone"]
    assert unknown_attributes(text) == ["job.gone"]
