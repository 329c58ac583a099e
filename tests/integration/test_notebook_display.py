"""What a notebook shows of a job and of its progress."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from conftest import SECRET

if TYPE_CHECKING:
    from conftest import Children, Opener

    from checkpoint_store import CheckpointStore

EVIL = "<script>alert('x')</script>&<b>\"'"


class Page(HTMLParser):
    """The tags and the texts of a piece of HTML; each tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        assert all(name in ("value", "max", "scope") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


HARMLESS = {"table", "caption", "tr", "th", "td", "span", "progress"}


def test_a_job_is_shown_as_a_table(store: CheckpointStore) -> None:
    """What its file is, where it stands, and with which settings; a bar says how far it is."""
    job = store.open_job("talk.srt", chunks=["a", "b", "c"], video_title="A talk", model="m", config={"language": "en"})
    job.complete(0, "A")
    page = Page(job._repr_html_())
    for text in ("talk.srt", job.job_id, "A talk", "interrupted", "1 of 3 chunks (33%)", '{"language": "en"}', "UTC"):
        assert text in page.text
    assert ("failed" in page.text, "provider" in page.text) == (False, False)
    assert set(page.tags) == HARMLESS


def test_failures_are_shown(store: CheckpointStore) -> None:
    """A person sees failed chunks and the error that ended the job."""
    job = store.open_job("talk.srt", chunks=["a", "b"])
    for _ in range(3):
        job.fail_chunk(1, "too long")
    job.fail("the service is closed for good")
    page = Page(job._repr_html_())
    assert "status failed done  0 of 2 chunks (0%) failed 1 error the service" in page.text
    assert "the service is closed for good" in page.text


def test_progress_is_shown_as_a_bar(store: CheckpointStore) -> None:
    """A notebook shows progress as a bar with numbers, and a job without chunks as done."""
    job = store.open_job("talk.srt", chunks=["a", "b", "c", "d"])
    job.complete(2, "C")
    html = job.progress()._repr_html_()
    assert '<progress value="1" max="4"></progress> 1 of 4 chunks (25%), ' in html
    assert set(Page(html).tags) == {"span", "progress"}
    empty = store.open_job("empty.srt", chunks=[])
    assert '<progress value="1" max="1"></progress> 0 of 0 chunks (100%)' in empty.progress()._repr_html_()


def test_texts_are_escaped(store: CheckpointStore) -> None:
    """A file name, a title, a model, a config and an error are texts, whatever is in them."""
    job = store.open_job(EVIL, chunks=["a"], video_title=EVIL, model=EVIL, provider=EVIL, config={EVIL: EVIL})
    job.fail(EVIL)
    page = Page(job._repr_html_())
    assert set(page.tags) == HARMLESS
    assert page.text.count(EVIL) == 5
    store.close()
    assert Page(job._repr_html_()).tags == []


def test_no_secret_is_shown(store: CheckpointStore, open_store: Opener, children: Children) -> None:
    """A notebook shows no secret of a name, of an error, or of a config that another program wrote."""
    job = store.open_job(f"https://host/?key={SECRET}", chunks=["a"], video_title=SECRET, model=f"m-{SECRET}")
    job.fail(f"401: Bearer {SECRET}")
    store.close()
    children.run(
        "import json, sqlite3, sys\n"
        "driver = sqlite3.connect('talks.db')\n"
        "driver.execute('UPDATE jobs SET config = ?', [json.dumps({'headers': [['Authorization', sys.argv[1]]], 'size': 3})])\n"
        "driver.commit(); driver.close()\n",
        "correct horse",
    )
    again = open_store(read_only=True).job(job.job_id)
    assert again.config == {"headers": [["Authorization", "correct horse"]], "size": 3}
    html = again._repr_html_()
    assert [secret for secret in (SECRET, "correct horse") if secret in html] == []
    assert "[redacted]" in html
    assert '"size": 3' in Page(html).text


def test_a_long_config_is_cut(store: CheckpointStore) -> None:
    """A prompt of many pages leaves room for the rest; the end is never half a character."""
    job = store.open_job("talk.srt", chunks=["a"], config={"prompt": "<&>" * 5_000})
    page = Page(job._repr_html_())
    assert 900 < len(page.text) < 1_500
    assert "<&><&><…" in page.text


def test_what_cannot_be_asked_any_more_is_shown_all_the_same(store: CheckpointStore) -> None:
    """The job of a closed store, and a deleted one, are a line of text, and no traceback."""
    job = store.open_job("talk.srt", chunks=["a"])
    store.delete_job(job.job_id)
    assert Page(job._repr_html_()).text.strip() == f"<Job {job.job_id} of 'talk.srt', 1 chunk>"
    store.close()
    assert Page(job._repr_html_()).text.strip() == f"<Job {job.job_id} of 'talk.srt', 1 chunk>"
