"""The spans that a cut leaves whole: brackets, tags, entities, and time lines of subtitles that were pasted as text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.graphemes import cut_after, cut_before

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PAIRS: Final = dict(zip(")]}）］】〕｝", "([{（［【〔｛", strict=True))
_BRACKET_OR_BLANK_LINE: Final = re.compile(rf"[{re.escape(''.join(_PAIRS) + ''.join(_PAIRS.values()))}]|\n[^\S\n]*\n")
_BRACKET_LENGTH_MIN: Final = 200
"""A bracket of this length is kept whole even where the chunks are smaller."""
_TAG: Final = r"<[/!?]?\w[^<>\n]{0,200}>|&#?\w{1,10};"
_CLOCK: Final = r"(?:\d{1,3}:)?\d{1,3}:[0-5]\d(?:[.,]\d{1,3})?"
# With the number before it and the first word after it: a time that has lost its text is speech to a reader.
_TIME_LINE: Final = (
    rf"(?m:^)(?:[^\S\n]*\d+[^\S\n]*\n)?[^\S\n]*{_CLOCK}"
    rf"(?:[^\S\n]*-->[^\S\n]*{_CLOCK}[^\n]*|,{_CLOCK}|[^\S\n]*[-–—:]?(?=\s))\s*\S?"
)
_TAG_OR_TIME: Final = re.compile(f"{_TAG}|{_TIME_LINE}")
_WORD_LENGTH_MAX: Final = 64


class UnbrokenSpans:
    """The spans of a text that a cut leaves whole, each with the rest of the words that it touches.

    Args:
        text: the text.
        chunk_size: the size of a chunk in characters; a longer bracket may be cut.
    """

    def __init__(self, text: str, chunk_size: int) -> None:
        length_max = max(chunk_size, _BRACKET_LENGTH_MIN)
        spans = [*_brackets(text, length_max), *(match.span() for match in _TAG_OR_TIME.finditer(text))]
        wide = (_with_words(text, start, stop, length_max) for start, stop in sorted(spans))
        self._spans = list(_merged(text, wide))
        self._starts = [start for start, _ in self._spans]

    def around(self, position: int) -> tuple[int, int] | None:
        """Return the (start, stop) of the span that a cut before ``position`` would break, or None."""
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return None
        start, stop = self._spans[index]
        return (start, stop) if start < position < stop else None


def _brackets(text: str, length_max: int) -> Iterator[tuple[int, int]]:
    """Yield the (start, stop) of each pair of brackets in one paragraph, the inner ones first."""
    opened: list[int] = []
    openers = Counter[str]()  # of each kind in ``opened``: without it, each closing bracket might search all of them
    for match in _BRACKET_OR_BLANK_LINE.finditer(text):
        opener = _PAIRS.get(match[0])
        if opener is not None:
            if openers[opener]:
                while text[start := opened.pop()] != opener:
                    openers[text[start]] -= 1
                openers[opener] -= 1
                if match.end() - start <= length_max:
                    yield start, match.end()
        elif len(match[0]) == 1:
            opened.append(match.start())
            openers[match[0]] += 1
        else:
            opened.clear()
            openers.clear()


def _with_words(text: str, start: int, stop: int, length_max: int) -> tuple[int, int]:
    """Widen a span to the white space around it, as ``(below)`` to ``(below),``, if that is near and the span fits."""
    before = _space_from(text, range(start - 1, max(-1, start - 1 - _WORD_LENGTH_MAX), -1), edge=-1)
    after = _space_from(text, range(stop, min(len(text), stop + _WORD_LENGTH_MAX)), edge=len(text))
    wide = start if before is None else before + 1, stop if after is None else after
    if wide[1] - wide[0] <= length_max:
        return wide
    return start, stop


def _space_from(text: str, positions: range, *, edge: int) -> int | None:
    """Return the first of ``positions`` with white space, ``edge`` if they end there without any, None if neither."""
    for position in positions:
        if text[position].isspace():
            return position
    return edge if positions.stop == edge else None


def _merged(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans without overlaps, each with the whole of its first and its last grapheme cluster."""
    current: tuple[int, int] | None = None
    for start, stop in spans:
        if current is not None and start < current[1]:
            if stop > current[1]:
                current = current[0], cut_after(text, stop)
            continue
        if current is not None:
            yield current
        current = cut_before(text, start), cut_after(text, stop)
    if current is not None:
        yield current
