"""What fits into the cells of a screen: a Chinese character takes two of them, an accent none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CUT: Final = ".."
_COLUMN_GAP_WIDTH: Final = 2
"""Blanks between two columns."""


def fitting_columns(
    widths: Mapping[str, int], width: int, *, flexible: str, flexible_width_min: int, dropped_first: Sequence[str]
) -> tuple[list[str], int]:
    """Return the columns that a screen has room for, and the width of the one whose cells are cut: ``flexible``.

    ``widths`` are those of the longest cell of each column, by its name. A narrow screen drops columns in the order of
    ``dropped_first``.
    """
    names = list(widths)

    def room() -> int:
        others = (max(cell_len(name), widths[name]) + _COLUMN_GAP_WIDTH for name in names if name != flexible)
        return width - sum(others)

    for name in dropped_first:
        if room() < flexible_width_min and name in names:
            names.remove(name)
    return names, max(flexible_width_min, room())


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
