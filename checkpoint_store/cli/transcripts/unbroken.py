"""The spans that a cut leaves whole: graphemes, brackets, tags, entities, and time lines of pasted subtitles."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_MARKS: Final = frozenset({"Mn", "Me", "Mc"})
_JOINER: Final = "\u200d"
_VIRAMA: Final = 9
"""The combining class of the signs that join two consonants of an Indic script."""
_FLAG: Final = ("\U0001f1e6", "\U0001f1ff")
_EXTENDING: Final = (
    ("\u0e33", "\u0e33"),  # Thai and Lao AM
    ("\u0eb3", "\u0eb3"),
    ("\u1160", "\u11ff"),  # vowels and final consonants of Hangul
    ("\ud7b0", "\ud7fb"),
    ("\u200c", _JOINER),
    ("\uff9e", "\uff9f"),  # the sound marks of halfwidth Katakana
    ("\U0001f3fb", "\U0001f3ff"),  # skin tones
    ("\U000e0020", "\U000e007f"),  # the tags of a flag
)
_BEGINNING: Final = (
    ("\u1100", "\u115f"),  # first consonants of Hangul
    ("\ua960", "\ua97c"),
    ("\u0600", "\u0605"),  # Arabic signs that stand around the digits after them
    ("\u06dd", "\u06dd"),
    ("\u070f", "\u070f"),
    ("\u0890", "\u0891"),
    ("\u08e2", "\u08e2"),
    ("\u0d4e", "\u0d4e"),
    ("\U000110bd", "\U000110bd"),
    ("\U000110cd", "\U000110cd"),
    ("\U000111c2", "\U000111c3"),
    ("\U000113d1", "\U000113d1"),
    ("\U0001193f", "\U0001193f"),
    ("\U00011941", "\U00011941"),
    ("\U00011a3a", "\U00011a3a"),
    ("\U00011a84", "\U00011a89"),
    ("\U00011d46", "\U00011d46"),
    ("\U00011f02", "\U00011f02"),
)


def may_cut(text: str, position: int, known_cut: int = 0) -> bool:
    """Return whether a cut before ``text[position]`` tears no grapheme cluster.

    White space that carries a mark is held to the character before it: who strips white space would lose it.
    ``known_cut`` is an index up to ``position`` where the text may be cut, from which flags are counted.
    """
    if not 0 < position < len(text):
        return True
    before, after = text[position - 1], text[position]
    if after.isascii() and before.isascii():
        return before + after != "\r\n" and not _carries_mark(text, position)
    if _extends(after) or before == _JOINER or _within(before, _BEGINNING):
        return False
    if _has_virama_before(text, position, known_cut):
        return False
    if _is_flag(before) and _is_flag(after):
        return _flags_before(text, position, known_cut) % 2 == 0
    return not _carries_mark(text, position)


def cut_before(text: str, position: int, known_cut: int = 0) -> int:
    """Return the last place up to ``position`` where the text may be cut."""
    while not may_cut(text, position, known_cut):
        position -= 1
    return position


def cut_after(text: str, position: int, known_cut: int = 0) -> int:
    """Return the first place from ``position`` on where the text may be cut."""
    while not may_cut(text, position, known_cut):
        position += 1
    return position


def _carries_mark(text: str, position: int) -> bool:
    return text[position].isspace() and position + 1 < len(text) and _extends(text[position + 1])


def _has_virama_before(text: str, position: int, known_cut: int) -> bool:
    while position > known_cut and _extends(text[position - 1]):
        position -= 1
        if unicodedata.combining(text[position]) == _VIRAMA:
            return True
    return False


def _extends(character: str) -> bool:
    if character.isascii():
        return False
    return unicodedata.category(character) in _MARKS or _within(character, _EXTENDING)


def _within(character: str, ranges: tuple[tuple[str, str], ...]) -> bool:
    return any(first <= character <= last for first, last in ranges)


def _is_flag(character: str) -> bool:
    return _FLAG[0] <= character <= _FLAG[1]


def _flags_before(text: str, position: int, known_cut: int) -> int:
    start = position
    while start > known_cut and _is_flag(text[start - 1]):
        start -= 1
    return position - start


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

    A bracket longer than ``chunk_size`` characters may be cut.
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
