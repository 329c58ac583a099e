"""Texts cut to a width in the cells of a screen: a Chinese character takes two of them, an accent none."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len

_CUT: Final = ".."


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
