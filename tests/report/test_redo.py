"""Chunks that are to be done again: on the page they are left, and their earlier results can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import report

from .browser import Browser
from .pages import blocks, facts, results

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener


@pytest.fixture
def page(open_store: Opener, tmp_path: Path) -> Path:
    """A page of a job of four chunks: one was done again, and one is to be."""
    store = open_store()
    job = store.open_job("talk.srt", chunks=list("abcd"))
    for chunk in job.pending():
        chunk.complete({"text": chunk.data.upper(), "cost": 0.5})
    job.redo([0])
    job.complete(0, {"text": "anew", "cost": 0.25})
    job.redo([2])
    return report.write(store, tmp_path / "page.html")


def test_what_is_to_be_done_again_is_left_and_keeps_its_result(page: Path) -> None:
    """What the replaced result cost was spent, too."""
    told = facts(page)
    assert (told["completed"], told["redo"], told["status"]) == (3, 1, "paused")
    assert (told["spent"], told["replaced_cost"]) == (2.25, 0.5)
    assert blocks(page)["columns-0"]["redo"] == [2]
    assert [results(page)[index]["text"] for index in ("0", "1", "2", "3")] == ["anew", "B", "C", "D"]


@pytest.mark.browser
def test_a_person_sees_what_is_to_be_done_again(page: Path, tmp_path: Path) -> None:
    """The tiles and the list show what is to be done again; its chunk opens with the earlier result."""
    browser = Browser(tmp_path)
    try:
        browser.look()
        browser.open(page)
        tiles = browser.js("document.querySelector('.tiles').textContent")
        assert "1 to do again, with an earlier result until then" in tiles
        assert "0.5 for results that were replaced" in tiles
        row = "document.querySelectorAll('table.chunks tbody tr')[2].textContent"
        assert "to do again" in browser.js(row)
        assert "1 to do again" in browser.js("document.querySelector('.map').getAttribute('aria-label')")
        browser.js("document.querySelector('[data-filter=left]').click()")
        assert browser.js("document.querySelectorAll('table.chunks tbody tr').length") == 1
        browser.open(page, "#chunk=2")
        said = browser.js("document.querySelector('dialog').textContent")
        assert "To be done again. This is its earlier result" in said
        assert browser.js("document.querySelector('dialog .prose').textContent") == "C"
        browser.open(page, "#chunk=0")
        assert "completed (result replaced since)" in browser.js("document.querySelector('dialog .tries').textContent")
        assert browser.complaints() == []
    finally:
        browser.close()
