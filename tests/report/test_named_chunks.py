"""What a caller says of a job and its chunks is on the page: keys, handles, metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkpoint_store import report

from .browser import Browser
from .pages import blocks, facts

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener

PAGES = {"cover.png": "c", "page-1.png": "p", "page-2.png": "q", "page-3.png": "r"}


@pytest.fixture
def page(open_store: Opener, tmp_path: Path) -> Path:
    """A page of a job whose chunks have keys: one is completed, one failed once with its work at a service."""
    store = open_store()
    job = store.open_job("book", chunks=PAGES, metadata={"owner": "ana"})
    job.complete(0, {"text": "C"})
    job.record_handle(1, "batch_77")
    job.fail_chunk(1, "no answer yet")
    return report.write(store, tmp_path / "page.html", inputs={"book": PAGES})


def test_keys_handles_and_metadata_are_told(page: Path) -> None:
    """The report names chunks by their keys, and shows handles and metadata."""
    columns = blocks(page)["columns-0"]
    assert columns["keys"] == {str(index): key for index, key in enumerate(PAGES)}
    assert columns["handles"] == {"1": "batch_77"}
    assert (facts(page)["metadata"], facts(page)["inputs"]) == ({"owner": "ana"}, "given")


@pytest.mark.browser
def test_a_chunk_is_found_by_its_key(page: Path, tmp_path: Path) -> None:
    """The list and the chunk show the key, a search finds it; a handle is shown where the work is."""
    browser = Browser(tmp_path)
    try:
        browser.look()
        browser.open(page, "#q=PAGE-1.png")
        assert browser.js("[...document.querySelectorAll('.chunks tbody .key')].map((one) => one.textContent)") == [
            "page-1.png"
        ]
        browser.open(page, "#chunk=1")
        assert browser.js("document.querySelector('#chunk-title').textContent") == "Chunk 1 of 4 page-1.png"
        assert "batch_77" in browser.js("document.querySelector('dialog .note').textContent")
        browser.open(page, "#chunk=3")  # never tried
        assert "null" not in browser.js("document.querySelector('dialog').textContent")
        assert browser.complaints() == []
    finally:
        browser.close()
