"""Texts cut to a width in the cells of a screen: a Chinese character takes two of them, an accent none."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, chop_cells

_CUT: Final = ".."


def without_end(text: str, width: int) -> str:
    """Return a text that takes at most so many cells; where its end is cut off, two dots say so."""
    if cell_len(text) <= width:
        return text
    kept = next(iter(chop_cells(text, max(1, width - len(_CUT)))), "") if width > len(_CUT) else ""
    return f"{kept}{_CUT}"[: max(0, width)]


def without_beginning(text: str, width: int) -> str:
    """Return a text that takes at most so many cells; where its beginning is cut off, two dots say so."""
    if cell_len(text) <= width:
        return text
    start = max(0, len(text) - max(0, width - len(_CUT)))  # no character that can be seen takes less than a cell
    while start < len(text) and cell_len(text[start:]) > width - len(_CUT):
        start += 1
    return f"{_CUT}{text[start:]}"[: max(0, width)] if width > len(_CUT) else _CUT[: max(0, width)]
