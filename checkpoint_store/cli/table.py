"""Tables: for people, in the cells of a screen, of which a Chinese character takes two; for programs, as CSV or TSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Console


_CUT: Final = ".."
_COLUMN_GAP_WIDTH: Final = 2
"""Blanks between two columns."""
_CUT_WIDTH_MIN: Final = 12
"""A narrow screen drops other columns until the column whose cells are cut has this many cells."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    is_right: bool = False
    may_be_left_out: bool = False
    """Whether the column is left out if all its cells are empty."""
    cut: Callable[[str, int], str] | None = None
    """Cuts a cell to a number of cells of the screen: one column of a table has this."""


def print_fitting(
    console: Console, columns: Iterable[Column], rows: Sequence[Mapping[str, str | Text]], dropped_first: Iterable[str]
) -> None:
    """Print rows, whose cells have the names of their columns; a narrow screen drops columns in the order given."""
    widths = {column.name: max(_width(row[column.name]) for row in rows) for column in columns}
    fitting = [column for column in columns if widths[column.name] or not column.may_be_left_out]

    def room() -> int:
        others = (
            max(cell_len(column.name), widths[column.name]) + _COLUMN_GAP_WIDTH for column in fitting if not column.cut
        )
        return console.width - sum(others)

    for name in dropped_first:
        if room() < _CUT_WIDTH_MIN:
            fitting = [column for column in fitting if column.name != name]
    width = max(_CUT_WIDTH_MIN, room())
    lines = [
        [column.cut(str(row[column.name]), width) if column.cut else row[column.name] for column in fitting]
        for row in rows
    ]
    right = frozenset(place for place, column in enumerate(fitting) if column.is_right)
    print_rows(console, [column.name for column in fitting], lines, right=right)


def table(*columns: str, right: frozenset[int] = frozenset()) -> Table:
    """Return an empty table; each cell stays on one line."""
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for position, name in enumerate(columns):
        result.add_column(name, justify="right" if position in right else "left", no_wrap=True)
    return result


def print_rows(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, right: frozenset[int]
) -> None:
    """Print a table of any number of rows, each cell on one line. Where it fits, in a tenth of the time of Rich's."""
    widths = [max(_width(row[column]) for row in [columns, *rows]) for column in range(len(columns))]
    if sum(widths) + 2 * (len(widths) - 1) > console.width:
        narrow = table(*columns, right=right)
        for row in rows:
            narrow.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
        print_table(console, narrow)
        return
    text = Text()
    for row in [[Text(name, style="bold") for name in columns], *rows]:
        parts: list[str | Text] = []
        for column, cell in enumerate(row):
            blanks = " " * (widths[column] - _width(cell))
            parts += ["  " if column else "", *((blanks, cell) if column in right else (cell, blanks))]
        line = Text.assemble(*parts)
        line.rstrip()
        text.append_text(line).append("\n")
    console.print(text, soft_wrap=True, end="")


def _width(cell: str | Text) -> int:
    return cell_len(cell if isinstance(cell, str) else cell.plain)


def print_table(console: Console, table: Table) -> None:
    """Print a table without the blanks at the ends of its lines."""
    for line in console.render_lines(table, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        console.print(text, soft_wrap=True)


def facts_table(facts: Iterable[tuple[str, str | Text | None]]) -> Table:
    """Return a table of the facts that are not empty, each beside its name; a long fact is broken."""
    result = Table.grid(padding=(0, 2, 0, 0))
    result.add_column(no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in facts:
        if value:
            result.add_row(Text(f"  {name}", style="dim"), value if isinstance(value, Text) else Text(value))
    return result


def without_end(text: str, width: int, cut: str = _CUT) -> str:
    """Return a text that takes at most ``width`` cells; ``cut`` says where its end is cut off."""
    if cell_len(text) <= width:
        return text
    stop = max(0, width - len(cut))  # no character that can be seen takes less than a cell
    while cell_len(text[:stop]) > width - len(cut) and stop:
        stop -= 1
    return f"{text[:stop]}{cut}"[: max(0, width)]


def without_beginning(text: str, width: int) -> str:
    """Return a text that takes at most ``width`` cells; two dots say where its beginning is cut off."""
    if cell_len(text) <= width:
        return text
    start = max(0, len(text) - max(0, width - len(_CUT)))
    while cell_len(text[start:]) > width - len(_CUT) and start < len(text):
        start += 1
    return f"{_CUT}{text[start:]}"[: max(0, width)]


_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--csv`` and ``--tsv``; the function takes ``table_format``: ``"csv"``, ``"tsv"`` or None."""
    for name in reversed(_DELIMITERS):
        text = f"Print a table on stdout, as {name.upper()}."
        function = click.option("table_format", f"--{name}", flag_value=name, default=None, help=text)(function)
    return function


def refuse_two_formats(table_format: str | None, *, as_json: bool) -> None:
    """Raise a usage error where both JSON and a table are asked for."""
    if as_json and table_format is not None:
        raise click.UsageError(f"--json and --{table_format} exclude each other.")


def print_csv(table_format: str, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Print these fields of the rows under a line with their names; what is absent or None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, extrasaction="ignore", delimiter=_DELIMITERS[table_format], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)
    click.echo(text.getvalue(), nl=False)


def _csv_cell(value: Any) -> Any:
    """Return a text on one line, without what steers a screen: a line is a row."""
    if not isinstance(value, str):
        return value
    return "".join(char if char.isprintable() else " " for char in str(value))
