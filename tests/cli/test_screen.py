"""Words, numbers and the chunk map."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from each_case import each_case
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from checkpoint_store.cli import screen
from checkpoint_store.cli.inspect import chunk_rows
from checkpoint_store.cli.run.progress import LiveView
from checkpoint_store.cli.run.run_context import Files

from .unread_job import unread_job

if TYPE_CHECKING:
    import pytest


def console(width: int = 80, encoding: str = "utf-8") -> Console:
    """A console that writes into memory."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(file=file, width=width, force_terminal=False)


@each_case(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (42, "42 s"),
        (59.9, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (93600, "1 d 02 h"),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    """A duration is shown in two units at most."""
    assert screen.duration(seconds) == words


def test_a_percentage_is_full_only_when_all_is_done() -> None:
    """Rounding never says 100% of what is not complete."""
    assert screen.percent(999_999, 1_000_000) == "99%"
    assert screen.percent(7, 7) == "100%"
    assert screen.percent(0, 0) == "100%"


@given(st.sets(st.integers(0, 199)), st.integers(1, 200))
def test_each_cell_tells_the_share_of_its_chunks(done: set[int], cells: int) -> None:
    """However ranges and cells fall, each cell has exactly the share that is completed in it."""
    ranges = [(index, index + 1) for index in sorted(done)]
    expected = []
    for cell in range(cells):
        indices = range(cell * 200 // cells, (cell + 1) * 200 // cells)
        expected.append(sum(index in done for index in indices) / len(indices))
    assert screen.shares(ranges, 200, cells) == expected


def test_a_cell_is_full_or_empty_only_if_all_its_chunks_are() -> None:
    """One chunk in a million can be seen to be missing, and one to be there."""
    shades = ".-+#"
    assert [screen.shade(share, shades) for share in (0, 1e-9, 0.4, 0.6, 1 - 1e-9, 1)] == list(".--++#")


@each_case("total", [1, 7, 70, 71, 5_000, 1_000_000])
@each_case("width", [40, 80, 200])
def test_the_map_fits_the_screen(total: int, width: int) -> None:
    """The map has at most three lines of cells, none wider than the screen, and a line of words."""
    *cells, _words = chunk_rows.chunk_map(console(width), [(0, total // 2 + 1)], total).plain.splitlines()
    assert 1 <= len(cells) <= 3
    assert all(len(line) <= width for line in cells)


def test_a_map_without_unicode_is_drawn_in_ascii() -> None:
    """A console that cannot show blocks gets signs that it can."""
    picture = chunk_rows.chunk_map(console(encoding="ascii"), [(0, 3)], 6).plain
    assert picture.startswith("  ###...\n")
    assert picture.isascii()


@each_case("width", [30, 40, 60, 80, 200])
@each_case(("before", "total"), [(0, 8), (3, 40), (999_000, 1_000_000)])
def test_the_live_line_fits_any_screen(monkeypatch: pytest.MonkeyPatch, width: int, before: int, total: int) -> None:
    """The live line never wraps, not even with the terminal's ^C behind it, and counts from the completed chunks."""
    monkeypatch.setenv("COLUMNS", str(width))
    where = screen.Screen()
    stopping = False
    view = LiveView(
        where, "a/" + "long name " * 10, before=before, total=total, stopping=lambda: stopping,
        snapshot=unread_job(), files=Files(1),
    )  # fmt: skip
    assert f"{before:,}/{total:,}" in view.line().plain
    view.advance()
    assert f"{before + 1:,}/{total:,}" in view.line().plain
    assert len(view.line().plain) <= width - 3
    stopping = True
    said = view.line().plain
    assert said[2:27] == "finishing what is in hand"
    assert said[27:] in ("", "; ^C stops", "; Ctrl-C again stops at once"), "no word is cut"
    assert len(said) <= width - 3
