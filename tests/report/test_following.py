"""A report that is written again as its jobs go on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from conftest import program
from each_case import each_case

from checkpoint_store import CheckpointStore, InvalidArgumentError, ReportTargetError, StoreBusy, report

from .pages import blocks, facts

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Children, Opener

WORKS_LINE_BY_LINE = program(__file__, "work_line_by_line")
FOLLOWS = program(__file__, "follow")


@pytest.mark.slow
def test_the_page_follows_the_work_to_its_end(children: Children, tmp_path: Path) -> None:
    """Each change is on a page that loads itself again; the last page is whole, and loads itself no more."""
    worker = children.start(WORKS_LINE_BY_LINE)
    children.next_line(worker)
    assert worker.stdin is not None
    seen: list[tuple[int, Any]] = []
    sent = 0

    def written(path: Path) -> None:
        nonlocal sent
        done = facts(path)["completed"]
        seen.append((done, blocks(path)["index"]["refresh_seconds"]))
        if done == sent < 3:  # the next chunk is done only after this page
            sent += 1
            worker.stdin.write("go\n")
            worker.stdin.flush()

    with CheckpointStore(tmp_path / "talks.db", read_only=True) as store:
        page = report.follow(store, tmp_path / "page.html", every_seconds=0.05, idle_seconds=0.0, on_written=written)
    children.finish(worker)
    assert seen[0] == (0, 0.05)
    assert seen[-1] == (3, None)
    assert {done for done, _ in seen} == {0, 1, 2, 3}
    assert facts(page)["status"] == "completed"


def test_a_job_that_is_complete_is_written_once(open_store: Opener, tmp_path: Path) -> None:
    """A report that follows a complete job is written once, and does not reload itself."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=1).complete(0, "done")
    pages: list[Path] = []
    report.follow(store, tmp_path / "page.html", ["talk.txt"], on_written=pages.append)
    assert pages == [tmp_path / "page.html"]
    assert blocks(pages[0])["index"]["refresh_seconds"] is None


def test_ctrl_c_leaves_a_page_that_loads_itself_no_more(open_store: Opener, children: Children, tmp_path: Path) -> None:
    """Nobody writes it again, so nobody waits for that."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=2).complete(0, "done")
    store.close()
    follower = children.start(FOLLOWS)
    children.next_line(follower)
    assert blocks(tmp_path / "page.html")["index"]["refresh_seconds"] == 0.05
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=60)
    assert follower.returncode == -signal.SIGINT
    assert blocks(tmp_path / "page.html")["index"]["refresh_seconds"] is None


@each_case("seconds", [0, -1.0, float("nan"), float("inf")])
def test_a_pace_that_means_nothing_is_refused(open_store: Opener, tmp_path: Path, seconds: float) -> None:
    """A pace that means nothing is refused before anything is written."""
    with pytest.raises(InvalidArgumentError, match="every_seconds"):
        report.follow(open_store(), tmp_path / "page.html", every_seconds=seconds)
    assert not (tmp_path / "page.html").exists()


def test_what_somebody_puts_there_meanwhile_ends_it(open_store: Opener, tmp_path: Path) -> None:
    """The file stays as it is, and the error says so."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=2)
    page = tmp_path / "page.html"

    def replaced(path: Path) -> None:
        path.write_text("mine")
        store.job("talk.txt").complete(0, "done")

    with pytest.raises(ReportTargetError, match="is no report"):
        report.follow(store, page, every_seconds=0.01, on_written=replaced)
    assert page.read_text() == "mine"


def test_a_job_that_nobody_works_on_ends_it(open_store: Opener, tmp_path: Path) -> None:
    """Where no runner comes, the page of an unfinished job is written to its end, and the command does not wait for ever."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=2).complete(0, "done")
    page = report.follow(store, tmp_path / "page.html", every_seconds=0.01, idle_seconds=0.02)
    assert (facts(page)["completed"], blocks(page)["index"]["refresh_seconds"]) == (1, None)


@pytest.mark.slow_variants
@pytest.mark.parametrize("call", ["summaries", "jobs"])
def test_a_busy_store_does_not_end_it(
    open_store: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A store that is busy at one look, or while the page is written, is read again at the next look."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=2).complete(0, "done")
    busy = iter([StoreBusy(store.path, 0.1)])
    read = getattr(store, call)

    def read_later(*args: Any, **options: Any) -> Any:
        for error in busy:
            raise error
        return read(*args, **options)

    monkeypatch.setattr(store, call, read_later)
    seen: list[int] = []

    def written(path: Path) -> None:
        seen.append(facts(path)["completed"])

    report.follow(store, tmp_path / "page.html", every_seconds=0.01, idle_seconds=0.2, on_written=written)
    assert set(seen) == {1}, "the last page; a page that follows may have no time on a slow machine"


@each_case("name", ["every_seconds", "idle_seconds"])
@each_case("seconds", [-1, float("nan"), float("inf"), 1e300, 10**400, True, "ten", None])
def test_what_is_no_time_is_refused(open_store: Opener, tmp_path: Path, name: str, seconds: Any) -> None:
    """A time that is no number of seconds is named, and no page is written: with NaN the writing would never end."""
    store = open_store()
    store.open_job("talk.txt", total_chunks=1)
    with pytest.raises(InvalidArgumentError, match=name):
        report.follow(store, tmp_path / "page.html", **{name: seconds})
    assert not (tmp_path / "page.html").exists()
