"""The map of a job's chunks: what is completed, failed, in doubt, being worked on, and left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.text import Text

from checkpoint_store.cli import screen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console


class _Sign(NamedTuple):
    name: str
    sign: str
    plain: str
    """The sign on a console that shows ASCII alone."""
    style: str


_SIGNS: Final = (
    _Sign("failed", "✗", "!", "bold red"),
    _Sign("in doubt", "?", "?", "yellow"),
    _Sign("running", "▸", ">", "cyan"),
    _Sign("to redo", "↻", "~", "blue"),
)
"""The marks that take precedence in a cell over the share that is completed, the most important first."""


def chunk_map(
    console: Console,
    completed: Sequence[tuple[int, int]],
    total: int,
    others: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> Text:
    """Return a map of the chunks: one line for few chunks, at most three for any number, and a line of words.

    Args:
        console: the console that the map has to fit.
        completed: half-open ranges of completed indices, in ascending order.
        total: the number of chunks, at least 1.
        others: half-open ranges of the chunks that are ``failed``, ``in doubt``, ``running`` or ``to redo``. A cell of
            several chunks has the sign of the first of these kinds that it holds, so that one failed chunk in a million
            is seen.
    """
    width = max(10, min(console.width, 104) - 4)
    width -= width % 10
    cells = min(total, width * (1 if total <= width else 3))
    drawn = list(_cells(console, completed, total, others or {}, cells))
    picture = Text()
    for start in range(0, cells, width):
        picture.append("  ")
        for character, style in drawn[start : start + width]:
            picture.append(character, style=style)
        picture.append("\n")
    each = "a cell is one chunk" if cells == total else f"a cell is about {screen.chunk_count(round(total / cells))}"
    words = f"  chunks 0 to {total - 1:,}, {each}"
    if len(words) > console.width:
        words = f"  0 to {total - 1:,}, {'' if cells == total else 'about '}{round(total / cells):,} a cell"
    picture.append(words, style="dim")
    return picture


def _cells(
    console: Console,
    completed: Sequence[tuple[int, int]],
    total: int,
    others: Mapping[str, Sequence[tuple[int, int]]],
    cells: int,
) -> Iterator[tuple[str, str]]:
    shades = screen.marks(console).shades
    signs = [sign for sign in _SIGNS if others.get(sign.name)]
    held = [screen.shares(others[sign.name], total, cells) for sign in signs]
    for cell, share in enumerate(screen.shares(completed, total, cells)):
        sign = next((sign for sign, parts in zip(signs, held, strict=True) if parts[cell]), None)
        if sign is not None:
            yield _character(console, sign), sign.style
        else:
            yield screen.shade(share, shades), "green" if share else "dim"


def ranges_of(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Return chunk indices as half-open ranges, ascending."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges


def _character(console: Console, sign: _Sign) -> str:
    return sign.plain if console.options.ascii_only else sign.sign


def legend(console: Console, names: Sequence[str], *, is_left: bool = True) -> Text:
    """Return the signs of the map with their meaning: completed chunks, the kinds in ``names``, and chunks left."""
    shades = screen.marks(console).shades
    parts = [(shades[-1], "green", "completed")]
    parts += [(_character(console, sign), sign.style, sign.name) for sign in _SIGNS if sign.name in names]
    parts += [(shades[0], "dim", "left")] if is_left else []
    lines, line = [], Text("  ")
    for sign, style, name in parts:
        entry = Text.assemble((sign, style), (f" {name}", "dim"))
        if line.cell_len + entry.cell_len > console.width:
            lines.append(line)
            line = Text("  ")
        line.append_text(entry).append("  ")
    for each in (*lines, line):
        each.rstrip()
    return Text("\n").join([*lines, line])
