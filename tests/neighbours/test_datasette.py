"""What a person sees who opens a store in Datasette: every link leads somewhere, in every table and view."""

from __future__ import annotations

import asyncio
import functools
import re
import sqlite3
from contextlib import closing
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, StoreTargetError, datasette_metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow  # Datasette is in the extra dev


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store with a failed chunk, a carried result, a paused job, and a file name that HTML must escape."""
    with CheckpointStore(tmp_path / "talk.db") as store:
        job = store.open_job("talk.txt", chunks=["a", "b", "c"], model="small-1", provider="p")

        def work(text: str) -> dict[str, Any]:
            if text == "b":
                raise ValueError("no good")
            return {"cleaned_text": text, "cost": 0.25}

        list(job.map(work, on_error="record", max_attempts=2, wait=0.0))
        again = store.open_job("talk.txt", chunks=["a", "c", "d"], model="small-1", provider="p", on_change="reuse")
        again.pause()
        store.open_job("<b> & co.txt", chunks=["x"]).complete(0, "plain")
    return tmp_path / "talk.db"


def shown(
    path: Path,
    visit: Callable[[Callable[[str], Any]], Any],
    metadata: dict[str, Any] | None = None,
    *,
    as_root: bool = False,
) -> Any:
    """Let Datasette show a file, as ``datasette FILE -m METADATA`` does, and visit its pages."""
    from datasette.app import Datasette

    async def run() -> Any:
        tool = Datasette([str(path)], metadata=metadata)
        cookies = {"ds_actor": tool.sign({"a": {"id": "root"}}, "actor")} if as_root else None
        try:
            await tool.invoke_startup()
            return await visit(functools.partial(tool.client.get, cookies=cookies))
        finally:
            for database in tool.databases.values():
                database.close()
            tool.executor.shutdown()

    return asyncio.run(run())


def links_of(page: str) -> list[str]:
    """The addresses in a page's content that lead to a table, a view, a row or a query."""
    content = page[page.index('<section class="content">') :]
    found = [unescape(link) for link in re.findall(r'<a [^>]*href="([^"]+)"', content)]
    return [link for link in found if link.startswith("/talk") and not re.search(r"\.(json|csv|db)|_sort|_facet", link)]


async def crawled(get: Any) -> dict[str, int]:
    """Follow every link from the page of the database on; return the status of each page."""
    status: dict[str, int] = {}
    left = ["/talk"]
    while left:
        address = left.pop()
        if address in status:
            continue
        answer = await get(address)
        status[address] = answer.status_code
        if answer.status_code == 200 and answer.headers["content-type"].startswith("text/html"):
            left += links_of(answer.text)
    return status


def test_every_link_leads_to_a_page(filled: Path) -> None:
    """Whoever clicks through tables, views, rows and canned queries finds a page behind every link."""
    status = shown(filled, crawled, datasette_metadata(filled))
    assert {address: code for address, code in status.items() if code != 200} == {}
    assert len(status) > 40
    assert {"/talk/jobs", "/talk/attempts", "/talk/job_progress", "/talk/costs_by_model", "/talk/jobs/1"} <= set(status)


def test_the_links_between_tables_come_from_the_plug_in(filled: Path) -> None:
    """The control: without it Datasette's own links to a job lead nowhere, and the crawler sees that."""
    from datasette.plugins import pm

    ours = pm.get_plugin("checkpoint_store")
    pm.unregister(ours)
    try:
        status = shown(filled, crawled, datasette_metadata(filled))
    finally:
        pm.register(ours, "checkpoint_store")
    assert [address for address, code in status.items() if code == 404 and address.startswith("/talk/jobs/")]


def test_a_cell_names_its_job_and_leads_to_it(filled: Path) -> None:
    """A job is shown by the name of its file, escaped, and the link shows that job alone."""

    async def visit(get: Any) -> tuple[str, str]:
        page = (await get("/talk/completed_chunks")).text
        (link,) = re.findall(r'<a href="([^"]+)">&lt;b&gt; &amp; co.txt</a>', page)
        return page, (await get(unescape(link))).text

    page, job = shown(filled, visit, datasette_metadata(filled))
    assert "<b> & co.txt" not in page
    assert "&lt;b&gt; &amp; co.txt" in job
    assert "talk.txt" not in job


def test_the_page_of_a_job_counts_what_belongs_to_it(filled: Path) -> None:
    """The row of a job says how many chunks and tries it has, where Datasette alone says 0."""

    async def visit(get: Any) -> str:
        return str((await get("/talk/jobs/1")).text)

    page = re.sub(r"\s+", " ", shown(filled, visit))
    assert re.search(r"> 2 rows</a> from job_id in completed_chunks", page)
    assert re.search(r"> 4 rows</a> from job_id in attempts", page)


def test_every_canned_query_runs(filled: Path) -> None:
    """Each is named on the page of the database, and gives rows; the one about a job asks for its id."""
    metadata = datasette_metadata(filled)
    with CheckpointStore(filled, read_only=True) as store:
        job_id = store.job("talk.txt").job_id

    async def visit(get: Any) -> list[tuple[int, int]]:
        answers = [await get(f"/talk/{name}.json?job_id={job_id}") for name in metadata["databases"]["talk"]["queries"]]
        return [(answer.status_code, len(answer.json()["rows"])) for answer in answers]

    found = shown(filled, visit, metadata)
    assert [code for code, _ in found] == [200] * 5
    assert min(rows for _, rows in found) >= 1


def test_tables_of_no_interest_are_hidden(filled: Path) -> None:
    """The page of the database lists what people ask for; the rest is behind a link."""

    async def visit(get: Any) -> list[str]:
        return [table["name"] for table in (await get("/talk.json")).json()["tables"] if not table["hidden"]]

    shown_tables = shown(filled, visit, datasette_metadata(filled))
    assert sorted(shown_tables) == ["attempts", "chunk_results", "completed_chunks", "jobs", "runners"]


def test_a_private_store_is_forbidden_to_strangers(filled: Path) -> None:
    """``--private`` hides the store from everybody who did not start Datasette with --root."""

    async def visit(get: Any) -> list[int]:
        return [(await get(address)).status_code for address in ("/talk", "/talk/jobs", "/talk/chunk_results/1")]

    private = datasette_metadata(filled, private=True)
    assert shown(filled, visit, private) == [403, 403, 403]
    assert shown(filled, visit, private, as_root=True) == [200, 200, 200]
    assert shown(filled, visit, datasette_metadata(filled)) == [200, 200, 200]


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    """A database of another program that has columns of the same names is shown as Datasette shows it."""
    with closing(sqlite3.connect(tmp_path / "talk.db")) as other:
        other.executescript(
            "CREATE TABLE jobs (id INTEGER PRIMARY KEY, job_id TEXT); INSERT INTO jobs VALUES (1, 'x');"
        )

    async def visit(get: Any) -> list[str]:
        return [(await get(address)).text for address in ("/talk/jobs", "/talk/jobs/1")]

    for page in shown(tmp_path / "talk.db", visit):
        assert "job_id=x" not in page


def test_looking_changes_nothing_beside_a_running_job(filled: Path) -> None:
    """While Datasette shows the store, a job goes on in it, and what it records is seen at once."""
    with CheckpointStore(filled) as store:
        job = store.open_job("next.txt", chunks=["1", "2"])

        async def visit(get: Any) -> list[int]:
            counts = []
            for index in range(2):
                job.complete(index, {"cleaned_text": str(index)})
                answer = await get(f"/talk/completed_chunks.json?job_id={job.job_id}")
                counts.append(len(answer.json()["rows"]))
            return counts

        assert shown(filled, visit, datasette_metadata(filled)) == [1, 2]
        assert store.check() == []


def test_metadata_of_no_store_is_refused(tmp_path: Path) -> None:
    """A path that is no store is named, and nothing is made there."""
    with pytest.raises(StoreTargetError, match=r"gone\.db"):
        datasette_metadata(tmp_path / "gone.db")
    assert list(tmp_path.iterdir()) == []
