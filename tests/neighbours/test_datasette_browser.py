"""Datasette's pages of a store, clicked through in a real Chromium: ``datasette STORE -m METADATA``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from checkpoint_store import CheckpointStore, datasette_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from report.browser import Browser

pytestmark = pytest.mark.browser

NAMES = ("my talk #1.txt", "50% of it?.srt", "a&b=c+d.txt", "<i>über</i> 'all'.txt", "folder/sub~2F.txt", "../up.txt")
"""Files whose names mean something in an address or in HTML."""
PAGES_OF_A_KIND_MAX = 3
WITHOUT_PLUG_IN = """
from datasette.cli import cli
from datasette.plugins import pm

pm.unregister(name="checkpoint_store")
cli()
"""
LINKS = """
[...document.querySelectorAll('section.content a[href]')]
  .map((link) => link.href)
  .filter((url) => url.startsWith(location.origin + '/') && !/\\.(json|csv|db)\\b|_sort|_facet|_col|_nocol|sql=|_hide_sql/.test(url))
"""


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of an awkward name, with jobs of awkward names: keys, failures, carried results, a job in the middle."""
    path = tmp_path_factory.mktemp("store") / "talks 100%.db"
    with CheckpointStore(path) as store:
        for name in NAMES:
            store.open_job(name, chunks=["a"], model="small#1").complete(0, {"cleaned_text": name, "cost": 0.25})
        keyed = store.open_job("keyed & co.txt", chunks={"a/b?c.txt": "x", "50%#": "y", "z": "z"}, provider="p q")

        def work(text: str) -> dict[str, Any]:
            if text == "y":
                raise ValueError("no good: <b>&amp;</b> #1")
            return {"cleaned_text": text, "cost": 0.5}

        list(keyed.map(work, on_error="record", max_attempts=2, wait=0.0))
        grown = store.open_job("keyed & co.txt", chunks={"a/b?c.txt": "x", "w": "w"}, provider="p q", on_change="reuse")
        grown.pause()
    return path


@contextmanager
def served(store_path: Path, program: tuple[str, str] = ("-m", "datasette")) -> Iterator[str]:
    """Datasette at work on a store; the address of its first page."""
    metadata = store_path.with_name("metadata.json")
    metadata.write_text(json.dumps(datasette_metadata(store_path)), "utf-8")
    command = [sys.executable, *program, store_path.name, "-m", metadata.name, "-h", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, cwd=store_path.parent, stderr=subprocess.PIPE, stdout=-3, text=True) as server:
        assert server.stderr is not None
        try:
            found = filter(None, (re.search(r"running on (http://\S+)", line) for line in server.stderr))
            yield next(found)[1]
        finally:
            server.terminate()
            server.communicate()


@pytest.fixture(scope="module")
def address(store_path: Path) -> Iterator[str]:
    """Datasette with the plug-in, as it is installed."""
    with served(store_path) as url:
        yield url


def status_of(browser: Browser) -> int:
    """What the server said of the page that was loaded last."""
    answers = [event["params"] for event in browser.events if event.get("method") == "Network.responseReceived"]
    return next(answer["response"]["status"] for answer in reversed(answers) if answer["type"] == "Document")


def kind_of(url: str) -> str:
    """What an address shows, without which one of them: the table, whether it is a row, and the filters."""
    parts = urlsplit(url)
    table, _, row = parts.path.strip("/").partition("/")[2].partition("/")
    return f"{table} {'row' if row else ''} {sorted(parse_qs(parts.query))}"


def crawled(browser: Browser, first: str) -> dict[str, int]:
    """Follow the links in the content of each page, a few of each kind; return the status of each."""
    status: dict[str, int] = {}
    of_kind: Counter[str] = Counter()
    left = [first]
    while left:
        url = left.pop(0)
        if url in status or of_kind[kind_of(url)] == PAGES_OF_A_KIND_MAX:
            continue
        of_kind[kind_of(url)] += 1
        browser.visit(url)
        status[url] = status_of(browser)
        left += [link.partition("#")[0] for link in browser.js(LINKS)]
    return status


def click(browser: Browser, text: str, nearby: str = "document") -> None:
    """Click the link with this text, and wait for its page."""
    browser.events.clear()
    link = f"[...{nearby}.querySelectorAll('section.content a')].find((one) => one.textContent.trim() === {text!r})"
    browser.js(f"{link}.click()")
    browser._wait_for("Page.loadEventFired")
    assert status_of(browser) == 200, browser.js("location.href")


def column(browser: Browser, name: str) -> list[str]:
    """The texts of a column of the table that is shown."""
    cells = f"[...document.querySelectorAll('td.col-{name}')].map((cell) => cell.textContent.trim())"
    found: list[str] = browser.js(cells)
    return found


def test_every_link_leads_to_a_page(browser: Browser, address: str) -> None:
    """A person who clicks any link of a table, a view, a row or a query finds a page: no error of the server or theirs."""
    status = crawled(browser, address)
    assert {url: code for url, code in status.items() if code >= 400} == {}
    kinds = {kind_of(url) for url in status}
    tables = {"jobs", "attempts", "completed_chunks", "chunk_results", "runners"}
    assert {f"{name}  []" for name in (*tables, "job_progress", "failed_chunks", "costs_by_model")} <= kinds
    assert {f"{name} row []" for name in tables} <= kinds
    assert {"jobs  ['job_id']", "attempts  ['chunk_index', 'job_id']"} <= kinds


def test_without_the_plug_in_links_lead_nowhere(browser: Browser, store_path: Path) -> None:
    """The control: without it Datasette's own links to a job are a 404, and the crawl sees that."""
    with served(store_path, ("-c", WITHOUT_PLUG_IN)) as url:
        status = crawled(browser, url)
    assert [one for one, code in status.items() if code == 404 and "/jobs/" in one]


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_reached_by_the_name_of_its_file(browser: Browser, address: str, name: str) -> None:
    """The cell of a chunk shows the file's name as it is; a click shows that job alone, and its row counts the chunk."""
    browser.visit(address)
    click(browser, "talks 100%")
    click(browser, "completed_chunks")
    assert name in column(browser, "job_id")
    click(browser, name)
    assert column(browser, "file_name") == [name]
    click(browser, column(browser, "job_number")[0])
    assert column(browser, "file_name") == [name]
    click(browser, "1 row")
    assert browser.js("document.querySelectorAll('table.rows-and-columns tbody tr').length") == 1


def test_a_failed_chunk_is_found_from_its_view(browser: Browser, address: str) -> None:
    """From the view of failed chunks a click leads to the tries of that chunk, with their errors as text."""
    browser.visit(f"{address}/talks~20100~25/failed_chunks")
    assert status_of(browser) == 200
    click(browser, "1")
    assert column(browser, "chunk_index") == ["1", "1"]
    assert {text.split(": ", 1)[1] for text in column(browser, "error")} == {"no good: <b>&amp;</b> #1"}
