"""Find the positions at which a text may be cut without tearing a character that a reader sees as a single sign.

The rules are those of grapheme clusters in Unicode Standard Annex 29. Where the annex asks for a property that the
standard library has no table of, the rule here holds more together than the annex does, and never less.
"""

from __future__ import annotations

import unicodedata
from typing import Final

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

    Args:
        text: the text.
        position: the index of the character behind the cut.
        known_cut: an index up to ``position`` where the text may be cut, from which flags are counted.
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
