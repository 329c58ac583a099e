"""What the pages refer to is there: other pages, and the files of the repository that they name."""

from __future__ import annotations

import re
from pathlib import Path

from each_case import each_case

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*.md"))]
OF_THE_REPOSITORY = ("checkpoint_store/", "tests/", "migrations/", "docs/", "examples/", "benchmarks/")
each_page = each_case("page", PAGES, ids=lambda page: page.name)


def links(text: str) -> list[str]:
    """The relative targets of a page's links, without their anchors."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.partition("#")[0] for target in targets if "://" not in target]


def named_files(text: str) -> list[str]:
    """The files and folders of the repository that a page names as code, without the text that its example writes."""
    named = re.findall(r"`([\w./-]+)`", text)
    return [name for name in named if name.startswith(OF_THE_REPOSITORY) and not name.endswith(".cleaned.txt")]


@each_page
def test_every_link_leads_to_a_page(page: Path) -> None:
    """A reader who follows a link finds the page, on the web and in a clone."""
    assert [target for target in links(page.read_text("utf-8")) if not (page.parent / target).exists()] == []


@each_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """A maintainer who is sent to a file finds it where the page says."""
    assert [name for name in named_files(page.read_text("utf-8")) if not (ROOT / name).exists()] == []


def test_missing_pages_and_files_are_noticed() -> None:
    """A control: a dead link and a file that was moved away are seen."""
    text = "See [this](docs/gone.md#top), [that](https://example.org) and `checkpoint_store/gone.py`, `NAME.db`."
    assert (links(text), named_files(text)) == (["docs/gone.md"], ["checkpoint_store/gone.py"])
