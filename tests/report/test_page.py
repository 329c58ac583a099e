"""The page as a person sees it, in a real Chromium."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from checkpoint_store import CheckpointStore, ProcessingState, report

if TYPE_CHECKING:
    from pathlib import Path

    from .browser import Browser

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=alert(1)></script>\u202e\x1b[31m"
TEXTS = [f"So um we look at river number {number} and uh its source." for number in range(30)]
THEMES_AND_WIDTHS = [(theme, width) for theme in ("light", "dark") for width in (1280, 420)]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three jobs: one with results, tries, failures and chunks left; one that a result ended; an empty one."""
    folder = tmp_path_factory.mktemp("page")
    with CheckpointStore(folder / "talks.db", durability="process") as store:
        store.open_job(EVIL, chunks=[EVIL], video_title=EVIL).complete(0, EVIL)
        first = store.open_job(
            "rivers.srt", chunks=TEXTS[:10], model="small", config={"prompt": "Remove filler words."}
        )
        first.complete_many((index, cleaned(TEXTS[index])) for index in range(5))
        job = store.open_job(
            "rivers.srt",
            chunks=TEXTS,
            model="small",
            config={"prompt": "Remove all filler words."},
            on_change="reuse",
            reuse_ignoring=("config.prompt",),
        )
        tried: list[str] = []

        def work(text: str) -> dict[str, Any]:
            tried.append(text)
            if text == TEXTS[12] or (text == TEXTS[8] and tried.count(text) == 1):
                raise RuntimeError(f"HTTP 422: request {len(tried)} was refused {EVIL}")
            return cleaned(text)

        for item in job.map(work, max_attempts=2, wait=0.0, on_error="record"):
            if item.index == 20:
                job.pause()
                break
        store.open_job("empty.txt", total_chunks=0)
        return report.write(
            store, folder / "page.html", ["rivers.srt", EVIL, "empty.txt"], inputs={"rivers.srt": TEXTS}
        )


def cleaned(text: str) -> dict[str, Any]:
    """A result."""
    return {"cleaned_text": text.replace("um ", "").replace("uh ", ""), "cost": 0.25, "note": "kept"}


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    """The page, as it opens on a desk."""
    browser.look()
    browser.open(page)
    return browser


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Browser) -> None:
    """No request leaves it; its policy lets its own script run, and the console is empty."""
    assert opened.js("document.documentElement.dataset.ready") == "true"
    assert opened.js("typeof alert.called") == "undefined"
    assert (opened.requests(), opened.complaints()) == ([], [])


@pytest.mark.parametrize(("theme", "width"), THEMES_AND_WIDTHS)
def test_the_page_fits_and_is_readable(browser: Browser, page: Path, theme: str, width: int) -> None:
    """Nothing is wider than the window, and text has the contrast that WCAG asks for, in both themes."""
    browser.look(width=width, theme=theme)
    browser.open(page)
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js(LOW_CONTRAST) == []
    assert browser.js("matchMedia('(prefers-color-scheme: dark)').matches") == (theme == "dark")


LOW_CONTRAST = """
(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((one) => { const v = one / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(color) && color !== "transparent") return color;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("script, style, [disabled], dialog:not([open]), svg") || !element.getClientRects().length) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) low.push(`${element.tagName}.${element.className}: ${element.textContent.slice(0, 30)}`);
  }
  return low;
})()
"""


def test_room_is_kept_for_a_scrollbar(opened: Browser) -> None:
    """A scrollbar that comes when the chunks are listed does not make the page narrower than its map is drawn."""
    assert opened.js("getComputedStyle(document.documentElement).scrollbarGutter") == "stable"


def test_names_and_texts_are_never_markup(opened: Browser, page: Path) -> None:
    """What looks like HTML is shown as it is written; what would turn the text around is shown by its number."""
    opened.js("location.hash = document.querySelectorAll('#jobs-rows a')[1].getAttribute('href')")
    opened.js("new Promise((done) => setTimeout(done))")
    shown = opened.js("document.querySelector('#job-title').textContent")
    assert shown == "<img src=x onerror=alert(1)></script>\u2039U+202E\u203a\u241b[31m"
    assert opened.js("document.querySelectorAll('img').length") == 0
    assert opened.complaints() == []


def test_the_map_shows_each_chunk_by_colour_and_sign(opened: Browser) -> None:
    """The map has as many cells of each kind as the job has chunks of it, and its words agree."""
    counts = opened.js(
        "['completed','carried','failed','pending'].map((kind) => document.querySelectorAll(`.map rect.k-${kind}`).length)"
    )
    assert counts == [15, 5, 1, 9]
    assert "15 completed; 5 carried over from another job; 1 failed" in opened.js(
        "document.querySelector('.map').getAttribute('aria-label')"
    )
    assert opened.js("document.querySelector('.map .sign.k-failed').textContent") == "\u00d7"


def test_the_map_is_walked_by_keys(opened: Browser) -> None:
    """Arrow keys move, Enter opens the chunk, Escape goes back to the map."""
    opened.js("document.querySelector('.map').focus()")
    for _ in range(4):
        opened.key("ArrowRight")
    assert opened.js("document.querySelector('.told').textContent") == "chunk 3: carried over from another job"
    opened.key("Enter")
    assert (
        opened.js("document.querySelector('#chunk').open && document.querySelector('#chunk-title').textContent")
        == "Chunk 3 of 30"
    )
    opened.key("ArrowRight")
    assert opened.js("document.querySelector('#chunk-title').textContent") == "Chunk 4 of 30"
    opened.key("Escape")
    assert opened.js("document.querySelector('#chunk').open") is False
    assert opened.js("document.activeElement.className") == "map"


def test_changed_words_are_marked_side_by_side(browser: Browser, page: Path) -> None:
    """Removed words are marked in the input and new words in the result; all other words are unmarked."""
    browser.look()
    browser.open(page, "#chunk=10")
    assert browser.js("[...document.querySelectorAll('dialog del')].map((one) => one.textContent)") == ["um", "uh"]
    assert browser.js("[...document.querySelectorAll('dialog ins')].length") == 0
    texts = browser.js("[...document.querySelectorAll('dialog .prose')].map((one) => one.textContent)")
    assert texts == [TEXTS[10], cleaned(TEXTS[10])["cleaned_text"]]
    boxes = browser.js("[...document.querySelectorAll('dialog .prose')].map((one) => one.getBoundingClientRect().x)")
    assert boxes[1] > boxes[0] + 300
    assert '"note": "kept"' in browser.js("document.querySelector('dialog details pre').textContent")


def test_tries_and_errors_of_a_chunk(browser: Browser, page: Path) -> None:
    """The page shows each try with its outcome and error, and groups errors that differ in numbers only."""
    browser.look()
    browser.open(page, "#chunk=8")
    outcomes = browser.js("[...document.querySelectorAll('.tries tbody tr')].map((row) => row.children[1].textContent)")
    assert outcomes == ["failed", "completed"]
    assert "HTTP 422" in browser.js("document.querySelector('.tries .error').textContent")
    assert browser.js("document.querySelectorAll('.errors li').length") == 1
    assert browser.js("document.querySelector('.errors b').textContent").startswith("3")


def test_search_and_filters_narrow_the_list(opened: Browser) -> None:
    """Words of results and inputs, an index, errors; what is looked for stands in the address."""
    opened.js("document.querySelector('#search').focus()")
    opened.call("Input.insertText", text="number 17")
    found = opened.js(
        "new Promise((done) => { const look = () => location.hash.includes('number+17') ? "
        "done([...document.querySelectorAll('.chunks tbody th')].map((one) => one.textContent)) : setTimeout(look, 20); look(); })"
    )
    assert found == ["17"]
    opened.js(
        "document.querySelector('#search').value = ''; document.querySelector('#search').dispatchEvent(new Event('input'))"
    )
    opened.js(
        "new Promise((done) => { const look = () => location.hash.includes('q=') ? setTimeout(look, 20) : done(); look(); })"
    )
    opened.js("document.querySelector('[data-filter=trouble]').click()")
    assert opened.js("[...document.querySelectorAll('.chunks tbody th')].map((one) => one.textContent)") == ["12"]


def test_what_changed_between_jobs_is_marked(opened: Browser) -> None:
    """Field by field, the words of a prompt too, with a way to the job before."""
    rows = opened.js(
        "[...document.querySelectorAll('.changes tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    assert ["chunks", "10", "30"] in rows
    assert ["config.prompt", "Remove filler words.", "Remove all filler words."] in rows
    assert opened.js("document.querySelector('.changes ins').textContent") == "all"


def test_plots_tell_their_numbers_in_words(opened: Browser) -> None:
    """Three plots with titles, and the numbers below for those who do not see them."""
    assert opened.js("[...document.querySelectorAll('.plot svg')].map((one) => one.getAttribute('aria-label'))") == [
        "Time of each try, by chunk",
        "Done over the run",
        "Cost over the run",
    ]
    assert "3.75 spent" in opened.js("document.querySelector('[aria-labelledby=cost-title] p').textContent")
    assert opened.js("document.querySelectorAll('.dot').length") == 15
    assert opened.js("document.querySelectorAll('[aria-labelledby=times-title] .cross').length") == 3


def test_every_control_has_a_name(opened: Browser) -> None:
    """A screen reader says what each button, field and picture is."""
    nodes = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "searchbox", "combobox", "textbox", "image", "dialog"}
    named = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node.get("ignored")]
    assert [one for one in named if one[0] in roles and not one[1]] == []
    assert len([one for one in named if one[0] == "button"]) > 10


def test_print_is_light_and_without_controls(browser: Browser, page: Path) -> None:
    """On paper there is ink on white, also where the screen is dark, and nothing to click."""
    browser.look(theme="dark", medium="print")
    browser.open(page)
    assert browser.js("getComputedStyle(document.body).color") == "rgb(27, 36, 48)"
    assert browser.js("getComputedStyle(document.querySelector('.filters')).display") == "none"
    browser.look()


def test_a_job_without_chunks_has_a_page(opened: Browser) -> None:
    """Nothing to draw is nothing to stumble over."""
    opened.js("document.querySelectorAll('#jobs-rows a')[2].click()")
    opened.js("new Promise((done) => setTimeout(done, 50))")
    assert opened.js("document.querySelector('#job-title').textContent") == "empty.txt"
    assert opened.complaints() == []


def test_a_page_that_follows_loads_itself_again(browser: Browser, tmp_path: Path) -> None:
    """What is written meanwhile is seen without a click, in the view that was chosen; the last page stays."""
    browser.look()
    with CheckpointStore(tmp_path / "talks.db") as store:
        job = store.open_job("talk.txt", chunks=["a", "b", "c"])
        seen: list[str] = []

        def written(path: Path) -> None:
            if not seen:
                browser.open(path, "#sort=when")
            done = len(seen)
            wanted = f"{done} of 3 chunks"
            look = f"document.querySelector('.tiles dd span')?.textContent === {wanted!r}"
            until(browser, look)
            seen.append(browser.js("location.hash"))
            if done < 3:
                job.complete(done, "done")

        report.follow(store, tmp_path / "page.html", every_seconds=0.2, idle_seconds=30.0, on_written=written)
    assert len(seen) == 4
    assert all("sort=when" in one for one in seen)


def until(browser: Browser, condition: str) -> None:
    """Wait for what is about to happen in the page, which may load itself again meanwhile."""
    for _ in range(3000):
        try:
            if browser.js(f"new Promise((done) => setTimeout(() => done(Boolean({condition})), 20))"):
                return
        except AssertionError:  # the page was loaded again while it was asked
            continue
    raise AssertionError(condition)


def test_a_long_job_opens_quickly(browser: Browser, tmp_path: Path) -> None:
    """Of 100,000 chunks only what is looked at is drawn; the last page of the list is one click away."""
    with CheckpointStore(tmp_path / "talks.db", durability="process") as store:
        job = store.open_job("long.jsonl", total_chunks=100_000)
        for start in range(0, 90_000, 3_000):
            job.complete_many(
                (index, {"text": f"result {index}", "cost": 0.001}) for index in range(start, start + 3_000)
            )
        page = report.write(store, tmp_path / "page.html")
    browser.look()
    browser.open(page, "#chunk=89999")
    assert browser.js("document.querySelector('dialog .prose').textContent") == "result 89999"
    assert browser.js("document.querySelectorAll('*').length") < 4_000
    assert browser.js("document.querySelectorAll('.map rect').length") < 1_500
    assert browser.js("performance.getEntriesByType('navigation')[0].loadEventEnd") < 10_000  # half a second where idle
    assert browser.complaints() == []


def test_numbers_are_shown_as_they_were_stored(browser: Browser, tmp_path: Path) -> None:
    """The page shows numbers as they were stored, even whole numbers that JavaScript would round."""
    result = {"id": 12345678901234567891, "small": -7, "share": 0.1}
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.open_job("numbers", total_chunks=1).complete(0, result)
        page = report.write(store, tmp_path / "page.html")
    browser.open(page, "#chunk=0")
    assert json.loads(browser.js("document.querySelector('dialog pre').textContent")) == result
    assert "12345678901234567891" in browser.js("document.querySelector('.chunks .text').textContent")


def test_a_job_of_any_id_is_chosen(browser: Browser, tmp_path: Path) -> None:
    """An imported state may have an id that means something in an address."""
    odd = "a&chunk=1#%41+é"
    (tmp_path / "state.json").write_text(ProcessingState(job_id=odd, file_name="odd", total_chunks=1).to_json())
    with CheckpointStore(tmp_path / "talks.db") as store:
        store.import_state(tmp_path / "state.json")
        store.open_job("newer", total_chunks=1)
        page = report.write(store, tmp_path / "page.html")
    browser.look()
    browser.open(page)
    assert browser.js("document.querySelector('#job-title').textContent") == "newer"
    browser.js("document.querySelectorAll('#jobs-rows a')[1].click()")
    until(browser, "document.querySelector('#job-title').textContent === 'odd'")
    browser.js("document.querySelector('[data-filter=left]').click()")
    browser.js("location.reload()")
    until(browser, "document.querySelector('#job-title')?.textContent === 'odd' && location.hash.includes('show=left')")
