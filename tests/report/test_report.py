"""The page as a file: what it says, what it never says, whom it belongs to, and what it never replaces."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import (
    CheckpointStore,
    InvalidArgumentError,
    JobNotFound,
    ProcessingState,
    ReportTargetError,
    report,
)

from .pages import blocks, facts, results

if TYPE_CHECKING:
    from conftest import Children, Opener

SECRET = "sk-proj-T9x4Qm2Zr7Kb1Vw8Np5LcY3HjD6"
EVIL = "</script><!-- <script>alert(1)</script> \u2028 \u202e \x1b[31m & ' \" \ud7ff"
DIES_AT_WORK = program(__file__, "die_with_two")
WITHOUT_JINJA = program(__file__, "without_jinja")


@pytest.fixture
def store(open_store: Opener) -> CheckpointStore:
    """A store with a job of four chunks that has a failed try, a failed chunk, and two results."""
    store = open_store()
    job = store.open_job("talk.txt", chunks=list("abcd"), model="small", config={"language": "en"})
    tried: list[str] = []

    def work(text: str) -> dict[str, Any]:
        tried.append(text)
        if text == "c" or tried == ["a"]:
            error = RuntimeError(f"refused {text}; the key was {SECRET}")
            error.cost = 0.25  # type: ignore[attr-defined]
            raise error
        return {"text": text.upper(), "cost": 0.5, "usage": {"input_tokens": 7}}

    for item in job.map(work, max_attempts=2, wait=0.0, on_error="record"):
        if item.index == 1:
            job.pause()
            break
    return store


def test_the_page_is_its_owners_alone_and_whole(store: CheckpointStore, tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, one file, and nothing left beside it."""
    before = {path.name for path in tmp_path.iterdir()}
    old = os.umask(0)
    try:
        page = report.write(store, tmp_path / "page.html")
    finally:
        os.umask(old)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} - before == {"page.html"}


def test_the_page_needs_nothing_else(store: CheckpointStore, tmp_path: Path) -> None:
    """No address to fetch from, and a policy that forbids it; the script's digest is the one that it allows."""
    text = report.write(store, tmp_path / "page.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert "unsafe-" not in text
    assert set(re.findall(r"https?://[^\"'\s)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(?:link|img|iframe|object|embed)\b|\bsrc=|@import|url\(", text)


def test_no_secret_is_on_the_page(store: CheckpointStore, tmp_path: Path) -> None:
    """What an error said of a key stands in it as in the store: redacted."""
    text = report.write(store, tmp_path / "page.html").read_text("utf-8")
    assert SECRET not in text
    assert "refused a; the key was [redacted]" in text


def test_no_text_of_a_job_is_markup(open_store: Opener, tmp_path: Path) -> None:
    """Names, titles, results, inputs and errors that would end the script or steer a screen are data, and exact."""
    store = open_store()
    job = store.open_job(EVIL, chunks=[EVIL], video_title=EVIL, model=EVIL, config={EVIL: EVIL})
    job.complete(0, {EVIL: EVIL, "cost": EVIL})
    text = report.write(store, tmp_path / "page.html", inputs={job.job_id: [EVIL]}).read_text("utf-8")
    assert results(text) == {"0": {EVIL: EVIL, "cost": EVIL}}
    assert facts(text)["title"] == EVIL
    data = "".join(re.findall(r'application/json" id="[^"]+">(.*?)</script>', text, re.DOTALL))
    assert not set(data) & set("<>&'\u2028\u202e\x1b")
    assert text.count("<script") == text.count("</script>") == 4
    assert "alert(1)</script>" not in text


def test_reading_changes_no_file(store: CheckpointStore, tmp_path: Path) -> None:
    """A report of a store that is opened read only touches nothing but the page."""
    store.close()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir() if path.is_file()}
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as reader:
        report.write(reader, tmp_path / "page.html")
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert after == before
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in before} | {"page.html"}


def test_costs_are_those_of_the_view(store: CheckpointStore, tmp_path: Path) -> None:
    """What is paid for failed tries counts, what other jobs paid does not, and one result in two places is one."""
    later = store.open_job(
        "talk.txt", chunks=["b", "x", "b", "a"], model="small", config={"language": "en"}, on_change="reuse"
    )
    later.complete(1, {"text": "X", "cost": 2.0})
    page = report.write(store, tmp_path / "page.html")
    with closing(sqlite3.connect(tmp_path / "talks.db")) as connection:
        told = {row[0]: row[1:] for row in connection.execute("SELECT job_id, cost, carried FROM job_costs")}
    assert len(told) == 2
    for one in blocks(page)["index"]["jobs"]:
        cost, carried = told[one["job_id"]]
        assert one["spent"] == pytest.approx(cost)
        assert one["carried_cost"] == pytest.approx(carried)
    assert facts(page, 1)["failed_tries_cost"] > 0


def test_chunks_in_doubt_say_what_they_may_have_cost(
    store: CheckpointStore, children: Children, tmp_path: Path
) -> None:
    """The dearest result so far, for each of them, also where nobody wrote down yet that the process died."""
    job = store.job("talk.txt")
    job.resume()
    store.close()
    children.run(DIES_AT_WORK)
    with CheckpointStore(tmp_path / "talks.db", read_only=True) as reader:
        page = report.write(reader, tmp_path / "page.html")
    said = facts(page)
    assert said["in_doubt"] == len(blocks(page)["columns-0"]["marks"]["in_doubt"]) > 0
    assert said["in_doubt_at_most"] == pytest.approx(0.5 * said["in_doubt"])
    assert said["status"] == "interrupted"


def test_what_changed_between_jobs_of_a_file(store: CheckpointStore, tmp_path: Path) -> None:
    """The report names each field of the plan that differs from the job before it, configs key by key."""
    store.open_job(
        "talk.txt", chunks=list("abc"), model="large", config={"language": "en", "top": 1}, on_change="restart"
    )
    later, earlier = blocks(report.write(store, tmp_path / "page.html"))["index"]["jobs"]
    assert later["changes"] == {
        "earlier": earlier["job_id"],
        "fields": [
            {"field": "chunks", "before": 4, "after": 3},
            {"field": "model", "before": "small", "after": "large"},
            {"field": "config.top", "before": None, "after": 1},
        ],
    }
    assert earlier["changes"] is None
    assert earlier["superseded_by"] == later["job_id"]


def test_results_beyond_the_room_are_counted(open_store: Opener, tmp_path: Path) -> None:
    """The page holds so much text and no more, and says how many results it has not."""
    store = open_store()
    job = store.open_job("long.txt", total_chunks=100)
    job.complete_many((index, "x" * 1000) for index in range(100))
    page = report.write(store, tmp_path / "page.html", text_bytes_max=10_100)
    assert sorted(map(int, results(page))) == list(range(10))
    assert facts(page)["left_out"]["results"] == 90
    assert len(blocks(page)["columns-0"]["completions"]["index"]) == 100


def test_a_job_of_too_many_chunks_is_summed_up(open_store: Opener, tmp_path: Path) -> None:
    """Counts, ranges and costs are whole; the chunks are not told one by one, and the page says so."""
    store = open_store()
    job = store.open_job("long.txt", total_chunks=100)
    job.complete_many((index, {"cost": 1}) for index in range(40))
    page = report.write(store, tmp_path / "page.html", rows_max=150)
    assert (facts(page)["is_detailed"], facts(page)["completed"], facts(page)["spent"]) == (False, 40, 40.0)
    assert blocks(page)["columns-0"] == {
        "marks": {"running": [], "retried": [], "in_doubt": [], "failed": []},
        "handles": {},
        "ranges": [[0, 40]],
    }


def test_inputs_are_compared_with_the_job(store: CheckpointStore, tmp_path: Path) -> None:
    """Chunks that the job was made of are told from others, too many are refused, and so is an unknown job."""
    page = tmp_path / "page.html"
    report.write(store, page, inputs={"talk.txt": list("abcd")})
    assert (facts(page)["inputs"], blocks(page)["texts-0-0"]["inputs"]["1"]) == ("given", "b")
    report.write(store, page, inputs={"talk.txt": {"k1": "a", "k2": "b", "k3": "other", "k4": "d"}})
    assert facts(page)["inputs"] == "doubtful"
    with pytest.raises(InvalidArgumentError, match=r"inputs\['talk.txt'\] has 3 chunks for a job of 4"):
        report.write(store, page, inputs={"talk.txt": ["a", "b", "c"]})
    with pytest.raises(InvalidArgumentError, match="neither the id nor the file name"):
        report.write(store, page, inputs={"other.txt": []})
    assert facts(page)["inputs"] == "doubtful"  # what was refused wrote nothing


def test_an_input_that_has_no_text_is_shown_by_its_type(store: CheckpointStore, tmp_path: Path) -> None:
    """An integer of more digits than Python writes stands in the page as its type, as a value or as a key."""
    page = tmp_path / "page.html"
    report.write(store, page, inputs={"talk.txt": [10**5000, {10**5000: 1}, 2**100, True]})
    inputs = blocks(page)["texts-0-0"]["inputs"]
    assert [inputs[number] for number in "0123"] == ["<int>", {"<int>": 1}, 2**100, True]
    with pytest.raises(InvalidArgumentError, match=r"inputs\['talk.txt'\]=3 is no list of chunks"):
        report.write(store, page, inputs={"talk.txt": 3})  # type: ignore[dict-item]


@dataclass
class Piece:
    """A chunk of a caller's own kind."""

    text: str
    weight: float
    inner: Any = None


def test_inputs_of_any_kind_are_shown(open_store: Opener, tmp_path: Path) -> None:
    """What JSON cannot hold is shown by its text, and a chunk that holds itself does no harm."""
    endless: list[Any] = []
    endless.append(endless)
    store = open_store()
    store.open_job("odd", total_chunks=4)
    given = [Piece("a", float("nan"), {1: (2, Path("p"))}), b"\xff", endless, float("inf")]
    page = report.write(store, tmp_path / "page.html", inputs={"odd": given})
    inputs = blocks(page)["texts-0-0"]["inputs"]
    assert inputs["0"] == {"text": "a", "weight": "nan", "inner": {"1": [2, "p"]}}
    assert (inputs["1"], inputs["3"]) == ("\\xff", "inf")
    assert facts(page)["inputs"] == "doubtful"


def test_only_the_jobs_that_are_named(store: CheckpointStore, tmp_path: Path) -> None:
    """A report is about the jobs named by id, by file name or as an object, in that order."""
    other = store.open_job("other.txt", total_chunks=1)
    page = report.write(store, tmp_path / "page.html", ["talk.txt", other, other.job_id])
    assert [job["file_name"] for job in blocks(page)["index"]["jobs"]] == ["talk.txt", "other.txt"]
    with pytest.raises(JobNotFound):
        report.write(store, tmp_path / "none.html", ["gone.txt"])
    assert not (tmp_path / "none.html").exists()


def test_an_empty_store_has_a_page(open_store: Opener, tmp_path: Path) -> None:
    """The report of an empty store says that the store has no job yet."""
    assert "This store has no job yet." in report.write(open_store(), tmp_path / "page.html").read_text("utf-8")


@each_case(
    ("option", "value"),
    [
        ("cost", "a..b"),
        ("cost", 3),
        ("text_bytes_max", -1),
        ("rows_max", True),
        ("inputs", ["a"]),
        ("jobs", 3),
        ("jobs", "talk.txt"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    store: CheckpointStore, tmp_path: Path, option: str, value: Any
) -> None:
    """A report refuses an unusable option by its name, before anything is read or written."""
    with pytest.raises(InvalidArgumentError, match=f"^{option}"):
        report.write(store, tmp_path / "page.html", **{option: value})
    assert not (tmp_path / "page.html").exists()


# -- what is there already


def test_an_earlier_report_is_replaced(store: CheckpointStore, tmp_path: Path) -> None:
    """A report of jobs that the store still has can be made again; an empty file is nobody's."""
    page = tmp_path / "page.html"
    page.touch()
    report.write(store, page)
    store.open_job("more.txt", total_chunks=1)
    report.write(store, page, ["talk.txt"])
    assert len(blocks(page)["index"]["jobs"]) == 1


def test_a_report_of_a_job_with_any_id_is_known_again(open_store: Opener, tmp_path: Path) -> None:
    """An imported state may have an id that is no UUID."""
    (tmp_path / "state.json").write_text(
        ProcessingState(job_id='Talk "7" <é>', file_name="a", total_chunks=1).to_json()
    )
    store = open_store()
    store.import_state(tmp_path / "state.json")
    page = report.write(store, tmp_path / "page.html")
    assert report.write(store, page) == page
    assert facts(page)["job_id"] == 'Talk "7" <é>'


def test_nothing_that_somebody_else_made_is_replaced(store: CheckpointStore, tmp_path: Path) -> None:
    """A page of another origin, a report of a job that is gone, and a link stay; replace=True takes the first two."""
    mine, gone, link = tmp_path / "mine.html", tmp_path / "gone.html", tmp_path / "link.html"
    mine.write_text('<!doctype html>\n<html lang="en">\n<head>\n<title>mine</title>')
    link.symlink_to(mine)
    report.write(store, gone, [store.open_job("short.txt", total_chunks=1)])
    store.delete_job(store.job("short.txt").job_id)
    for path, words in (
        (mine, "is no report"),
        (gone, "a report of a job that this store does not have"),
        (link, "no regular file"),
    ):
        before = path.read_bytes()
        with pytest.raises(ReportTargetError, match=words):
            report.write(store, path)
        assert path.read_bytes() == before
    for path in (mine, gone):
        assert facts(report.write(store, path, replace=True))["file_name"] == "talk.txt"
    with pytest.raises(ReportTargetError):
        report.write(store, link, replace=True)


@each_case("path", [3, None, "", b"a\0.html", "x" * 300 + "/page.html"])
def test_what_is_no_path_of_a_report_is_refused(store: CheckpointStore, path: Any) -> None:
    """A value that is no path, and a folder whose name is too long, are errors of the library that name them."""
    for ask in (report.write, report.follow):
        with pytest.raises(ReportTargetError, match=r"^no report is written to"):
            ask(store, path)


@each_case("name", ["talks.db", "talks.json", "page.txt", "nowhere/page.html", "."])
def test_no_report_goes_where_it_cannot_be(store: CheckpointStore, tmp_path: Path, name: str) -> None:
    """A report replaces no file of the store, and goes into no missing folder, even with replace=True."""
    store.job("talk.txt").export()
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    with pytest.raises(ReportTargetError):
        report.write(store, tmp_path / name, replace=True)
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before


def test_a_file_that_comes_meanwhile_is_not_replaced(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody puts there while the store is read stays, and no half page is left."""
    page = tmp_path / "page.html"
    summaries = CheckpointStore.summaries

    def meanwhile(self: CheckpointStore, *arguments: Any, **options: Any) -> Any:
        if not page.exists():
            page.write_text("mine")
        return summaries(self, *arguments, **options)

    monkeypatch.setattr(CheckpointStore, "summaries", meanwhile)
    with pytest.raises(ReportTargetError, match="is no report"):
        report.write(store, page)
    assert page.read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if ".tmp-" in path.name]


@pytest.mark.slow
def test_a_missing_extra_is_said_before_any_work(tmp_path: Path) -> None:
    """A report without jinja2 says what to install, and does not look at the store."""
    done = subprocess.run(
        [sys.executable, str(WITHOUT_JINJA)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(report.__file__).parents[2])},
    )
    assert done.stdout.splitlines() == ["a report needs jinja2: pip install 'checkpoint-store[report]'"] * 2
    assert list(tmp_path.iterdir()) == []
