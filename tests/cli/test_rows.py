"""Tables of many rows: drawn at once, and the same as Rich draws them."""

from __future__ import annotations

from io import StringIO

from each_case import each_case
from rich.console import Console
from rich.text import Text

from checkpoint_store.cli.table import print_rows, print_table, table

COLUMNS = ("JOB", "FILE", "DONE", "FAILED")
ROWS = [
    ("1a", "talk.srt", Text("1/3", style="red"), ""),
    ("2b", "講演 🙂.srt", Text("10/3,000"), "2"),
    ("3c", "", "", ""),
]


def _console(width: int, *, is_terminal: bool) -> Console:
    return Console(
        file=StringIO(),
        width=width,
        force_terminal=is_terminal,
        highlight=False,
        emoji=False,
        markup=False,
        color_system="standard" if is_terminal else None,
    )


@each_case("is_terminal", [True, False])
@each_case("width", [80, 24])
def test_rows_look_as_richs_table_does(width: int, *, is_terminal: bool) -> None:
    """Wide and right-aligned cells, empty ones at the end, colours; on a narrow screen each line stays within it."""
    drawn, by_rich = _console(width, is_terminal=is_terminal), _console(width, is_terminal=is_terminal)
    print_rows(drawn, COLUMNS, ROWS, right=frozenset({2, 3}))
    expected = table(*COLUMNS, right=frozenset({2, 3}))
    for row in ROWS:
        expected.add_row(*row)
    print_table(by_rich, expected)

    def shown(console: Console) -> list[str]:
        assert isinstance(console.file, StringIO)
        return [line.rstrip() for line in Text.from_ansi(console.file.getvalue()).plain.splitlines()]

    assert shown(drawn) == shown(by_rich)
    assert _is_red(drawn) == _is_red(by_rich)


def _is_red(console: Console) -> bool:
    assert isinstance(console.file, StringIO)
    return "\x1b[31m" in console.file.getvalue()
