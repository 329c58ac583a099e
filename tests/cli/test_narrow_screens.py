"""Screens of any width, and names, numbers and costs of any size: nothing is cut that people type or pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from each_case import each_case
from rich.cells import cell_len

from checkpoint_store import BudgetReached, CheckpointStore
from checkpoint_store.cli import screen, table
from checkpoint_store.cli.run.progress import LiveView
from checkpoint_store.cli.run.run_context import Files

from .conftest import SIX
from .unread_job import unread_job

if TYPE_CHECKING:
    from .conftest import Folder

WIDE = "talks/" + "講義の記録と長い名前のファイル" * 4 + "その二.srt"
DEAR = 24_691_356.789


@pytest.fixture
def jobs(folder: Folder) -> Folder:
    """A folder with a store of jobs that are hard to show."""
    with CheckpointStore(folder.path / ".processing_state.db") as store:
        job = store.open_job(WIDE, total_chunks=1_000_000, config={"prompt": "詩を一つ" * 80})
        job.complete_many([(0, {"cost": 0.000012, "tokens": 1_234_567}), (1, {"cost": DEAR, "tokens": 1})])
        job.fail_chunk(30, "長い日本語のエラーメッセージ" * 20)
        store.open_job("e\u0301 👩‍👩‍👧.txt", total_chunks=7)
        store.open_job("empty.txt", total_chunks=0)
    return folder


@pytest.mark.slow_variants
@pytest.mark.parametrize("width", [40, 80, 120])
def test_each_screen_fits(jobs: Folder, width: int) -> None:
    """Wide characters, a million chunks and a large cost: no line is wider than the screen, and ids stay whole."""
    ids = [job["job_id"] for job in jobs.json("list")["jobs"]]
    for words in (("list",), ("show", WIDE), ("chunks", WIDE)):
        lines = jobs.run(*words, COLUMNS=str(width)).stdout.splitlines()
        if words[0] == "show":
            lines = lines[1:]  # the name itself is one line, to be copied
        assert max(map(cell_len, lines)) <= width, words
        assert not any(line.startswith("C…") for line in lines)
        if words[0] == "list":
            assert [line[:8] for line in lines[1:]] == [job_id[:8] for job_id in ids]
            assert "その二.srt" in "".join(lines)
        if words[0] == "show":
            assert ids[-1] in "".join(line.strip() for line in lines)
            assert all(line.startswith("  ") for line in lines if line), "a line was broken by the screen"


def test_colours_in_a_log_cut_nothing(jobs: Folder) -> None:
    """CI often sets FORCE_COLOR: a pipe with colours has no width, either."""
    plain, coloured = jobs.run("list").stdout, jobs.run("list", FORCE_COLOR="1").stdout
    assert "\x1b[" in coloured
    assert screen.plain(coloured).splitlines()[0] == plain.splitlines()[0]


def test_a_width_of_zero_is_no_width(jobs: Folder) -> None:
    """Some containers and editors set ``COLUMNS=0``: each screen is as in a pipe, and not empty."""
    for words in (("list",), ("show", WIDE), ("chunks", WIDE)):
        assert jobs.run(*words, COLUMNS="0").stdout == jobs.run(*words, COLUMNS="200").stdout


def test_a_narrow_table_of_chunks_leaves_columns_out_and_cuts_no_word(jobs: Folder) -> None:
    """A narrow table shows the chunks and their statuses, and a wider table also their tries and times."""
    narrow, wide = (jobs.run("chunks", WIDE, COLUMNS=width).stdout.splitlines() for width in ("40", "100"))
    assert narrow[0].split() == ["CHUNKS", "STATUS", "LAST", "ERROR"]
    assert [line.split()[:2] for line in narrow[1:]] == [
        ["0-1", "completed"],
        ["2-29", "pending"],
        ["30", "pending"],
        ["31-999999", "pending"],
    ]
    assert wide[0].split() == ["CHUNKS", "COUNT", "STATUS", "TRIES", "SINCE", "LAST", "ERROR"]


def test_help_on_a_narrow_screen_breaks_no_word(folder: Folder) -> None:
    """The line of a command is wrapped and not cut off, and so is what an option does."""
    said = folder.run("--help", COLUMNS="50").stdout
    assert " ".join("run Clean each FILE, paying for no chunk twice.".split()) in " ".join(said.split())
    assert "..." not in said.partition("Work:")[2]
    assert "CHECKPOINT_STORE_CONTEXT" in folder.run("run", "--help", COLUMNS="50").stdout.partition("Options:")[2]


def test_help_fits_a_narrow_screen(folder: Folder) -> None:
    """No line of a help is wider than the screen, which would break it within a word."""
    for words in ((), ("results",), ("redo",), ("merge",), ("doctor",)):
        _usage, *lines = folder.run(*words, "--help", COLUMNS="40").stdout.splitlines()
        assert max(map(len, lines)) <= 40, words


def test_a_list_has_the_time_that_is_left(jobs: Folder) -> None:
    """How long each job has yet to go stands beside how fast it goes; what is complete has none."""
    with CheckpointStore(jobs.path / ".processing_state.db") as store:
        left = store.job(WIDE).summary().seconds_left
    assert left is not None
    head, *_, last = jobs.run("list", COLUMNS="200").stdout.splitlines()
    assert "TIME LEFT" in head
    assert screen.duration(left) in last
    assert jobs.json("list")["jobs"][-1]["seconds_left"] == left
    assert f"{screen.duration(left)} of work left" in jobs.run("show", WIDE).stdout


@each_case(
    ("value", "words"),
    [
        (0, "0"),
        (0.0, "0"),
        (0.0000123456, "0.00001235"),
        (0.1 + 0.2, "0.3"),
        (1.23456, "1.23456"),
        (3.3000000000000003, "3.3"),
        (99.5, "99.5"),
        (DEAR, "24,691,356.79"),
        (1e15, "1,000,000,000,000,000"),
        (1e300, "1e+300"),
        (1e-20, "0"),
        (10**400, f"{10**400:,}"),
    ],
)
def test_a_cost_is_a_number_that_people_read(value: float, words: str) -> None:
    """No cost is shown as 2.469e+07: not a large one, not a tiny one, not the sum of many."""
    assert screen.cost(value) == words


def test_a_column_of_costs_is_read_from_top_to_bottom() -> None:
    """The costs of a column have their decimal points below each other."""
    assert screen.costs([0.75, 12, 1234.5678]) == ["0.75", "12.00", "1,234.57"]
    assert screen.costs([0.000012, 3]) == ["0.000012", "3.000000"]
    assert screen.costs([0, 24_691_356]) == ["0", "24,691,356"]
    assert screen.costs([0.5, 1e300]) == ["0.5", "1e+300"]


@each_case(
    ("per_minute", "words"),
    [(None, "-"), (1e6, "16,667/s"), (299, "299/min"), (1.5, "1.5/min"), (0.5, "30/h"), (0.0002, "0.012/h")],
)
def test_a_rate_is_a_number_that_people_read(per_minute: float | None, words: str) -> None:
    """A chunk in two minutes is thirty in an hour; no rate has an exponent."""
    assert screen.rate(per_minute) == words


def test_the_library_writes_numbers_the_same_way() -> None:
    """The message of a spent budget names the amounts as people read them."""
    error = BudgetReached("a", 3, spent=1234567.5, reserved=0.00001, dearest_cost=0.25, max_cost=2_000_000.0)
    for amount in ("1,234,567.5,", "0.00001 more", "0.25,", "2,000,000."):
        assert amount in str(error)
    assert "max_cost is 1e+300." in str(BudgetReached("a", 3, spent=1, reserved=0, dearest_cost=1, max_cost=1e300))


@each_case("width", range(-1, 12))
def test_a_cut_text_takes_its_width_and_no_more(width: int) -> None:
    """A character of two cells is not halved, what is cut off is said, and no more is cut off than has to be."""
    for text in ("講義の記録", "e\u0301a\u0301e\u0301a\u0301e\u0301", "abcdefghijkl"):
        for cut in (table.without_end(text, width), table.without_beginning(text, width)):
            assert cell_len(cut) <= max(0, width)
            assert cut == text or ".." in cut or width < 2
            assert cut == text or cell_len(cut) >= width - 1


@each_case("width", [30, 40, 60, 80, 120])
def test_the_live_line_fits_with_wide_names_and_many_files(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """The live line never wraps, whatever the name of the file, and shows the end of the name."""
    monkeypatch.setenv("COLUMNS", str(width))
    view = LiveView(
        screen.Screen(), WIDE, before=0, total=1000, stopping=lambda: False, snapshot=unread_job(), files=Files(1200)
    )
    line = view.line().plain
    assert cell_len(line) <= width - 3
    assert "1 of 1,200" in line
    assert "0/1,000 0%" in line
    if width >= 80:
        assert "その二.srt" in line


def test_a_bar_without_colours_shows_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR, done and left are two characters."""
    monkeypatch.setenv("COLUMNS", "80")
    terminal = screen.Screen()
    monkeypatch.setattr(type(terminal.err), "encoding", "utf-8")
    view = LiveView(
        terminal, "a.txt", before=12, total=24, stopping=lambda: False, snapshot=unread_job(), files=Files(1)
    )
    line = view.line().plain
    mark = screen.marks(terminal.err)
    assert mark.bar != mark.bar_left
    assert mark.bar * 12 + mark.bar_left * 12 in line


@pytest.fixture
def troubled(lecture: Folder) -> Folder:
    """A folder with a job that is paused, a copy of its input, and an output that somebody else made."""
    lecture.run("run", "lecture.txt", *SIX, "--model", "one")
    lecture.write("copy.txt", lecture.read("lecture.txt"))
    lecture.write("half.txt", "One sentence.")
    lecture.run("run", "half.txt", "--retries", 0, "--", "false", code=1)
    lecture.write("mine.txt", "my own")
    return lecture


@pytest.mark.slow_variants
@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (("plan", "lecture.txt", *SIX, "--model", "another"), "--on-change reuse --reuse-ignoring model"),
        (("plan", "copy.txt", *SIX, "--model", "one"), "--on-change reuse takes those"),
        (("plan", "copy.txt", *SIX, "--output", "mine.txt"), "mine.txt is there, and was not made from copy.txt here"),
        (("run", "lecture.txt", *SIX, "--model", "another"), "--on-change reuse --reuse-ignoring model"),
        (("show", "half.txt"), "go on with: checkpoint-store resume"),
    ],
)
def test_what_people_copy_stands_on_one_line_of_any_screen(
    troubled: Folder, words: tuple[str, ...], whole: str
) -> None:
    """A command line, an option with its value, a path: what is copied from a narrow terminal works when it is pasted."""
    screens = [troubled.try_to_run(*words, COLUMNS=width) for width in ("50", "80", "200")]
    lines = [[line for line in (done.stdout + done.stderr).splitlines() if whole in line] for done in screens]
    assert lines[0], screens[0]
    assert lines[0] == lines[1] == lines[2]
