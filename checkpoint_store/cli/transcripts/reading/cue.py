"""Cues: what captions show, and when. The times of all formats are read here, and the tags that several share."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.times import SETTING

if TYPE_CHECKING:
    from collections.abc import Iterable


class BadLineError(Exception):
    """A line (from 1; 0 where the place has none) cannot be read without guessing; ``reason`` says what is wrong."""

    def __init__(self, line_number: int, reason: str) -> None:
        self.line_number, self.reason = line_number, reason
        super().__init__(line_number, reason)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a cue, without markup."""

    text: str
    speaker: str = ""
    """The speaker, if the format or the line itself names one."""
    label: str = ""
    """The label before the words in the line itself: a dash, a name and its colon. It is no part of ``text``."""
    is_turn: bool = False
    """Whether a dash or ``>>`` says that another person speaks."""


@dataclass(frozen=True, slots=True)
class Cue:
    """The lines that are shown from ``start_ms`` to ``end_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[Line, ...]
    marked: int | None = None
    """The number of characters before the first word that is marked (underlined, coloured), or None."""

    @property
    def text(self) -> str:
        """The words of the cue in one line."""
        return " ".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class TimeLine:
    """A time line: the two times and the words that stand behind them."""

    start_ms: int
    end_ms: int
    words: str


def spoken_by(cues: Iterable[Cue], speakers: Iterable[str]) -> list[Cue]:
    """Return cues whose lines have these speakers, one for each cue."""
    return [
        replace(cue, lines=tuple(replace(line, speaker=speaker) for line in cue.lines))
        for cue, speaker in zip(cues, speakers, strict=True)
    ]


def first_lines(text: str, count: int) -> list[str]:
    """Return the first lines that are not empty, without a byte order mark."""
    lines = (line.removesuffix("\n") for line in StringIO(text.lstrip("\ufeff")))  # no list of a million lines
    return list(islice(filter(str.strip, lines), count))


_CLOCK: Final = (
    r"(?:(\d{1,4})\s?[:\uff1a]\s?)?(\d{1,2})\s?[:\uff1a]\s?(\d{1,2})"
    r"(?:\s?[.,:;\uff0c\uff0e\uff1a]\s?(\d{1,9}))?"  # Chinese keyboards type wide marks
)
_ARROW: Final = r"(?:[-–—−=]+ ?(?:>|&gt;)|[→⟶⇒➔➜])"  # people and word processors type other dashes
_UNUSUAL_SIGN: Final = re.compile("[\uff1a\uff0c\uff0e⟶⇒➔➜]|&gt;")
_COLONS: Final = (":", "\uff1a")
_CLOCK_ALONE: Final = re.compile(rf"\s*{_CLOCK}\s*")
_TIME_LINE: Final = re.compile(rf"\s*{_CLOCK}\s*{_ARROW}\s*{_CLOCK}(?![\w:])(.*)")
_BEFORE_ZERO: Final = re.compile(r"(?:^|(?<=>))\s*-\s?\d{1,4}(?::\d{1,2}){1,2}[.,]\d{1,9}(?=\s|$)")
"""A time before the beginning, as a program writes it that shifts all times; ``- 1:2 → 3:2`` is speech."""
_TWO_CLOCKS: Final = re.compile(rf"\s*{_CLOCK}[\s,;|-]+{_CLOCK}\s*")
_TWO_LONG_CLOCKS: Final = re.compile(rf"(?=[^:]*:[^:]*:[^:]*:[^:]*:)\s*{_CLOCK}[^\d:]{{1,8}}{_CLOCK}\s*")
"""Two times with hours and fractions, and some word or arrow between them: ``00:00:01,000 to 00:00:03,000``."""
_HOURS, _FRACTION = 0, 3
_SETTING: Final = re.compile(SETTING)
_HALF_A_CLOCK: Final = re.compile(r"(?:\d\w?|\w\d)\s?[:;.,]\s?(?:\d\w?|\w\d)\s?[:;.,]")
_HAS_ARROW: Final = re.compile(r"[-–—−=] ?>|→")
_ONLY_TIMES: Final = re.compile(r"(?=\D*\d)[\d\s:.,;OoIl>–—-]*")
_COLONS_MIN: Final = 2
_DIRECTIONS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def without_directions(line: str) -> str:
    """Return a line without the marks that programs for Hebrew and Arabic put before a number or around the times."""
    return line if line.isascii() else _DIRECTIONS.sub("", line)


def clock_ms(text: str) -> int | None:
    """Return the milliseconds of ``1:02:03.5`` or ``02:03,500``; None if the text is no time."""
    match = _CLOCK_ALONE.fullmatch(text)
    return _milliseconds(match.groups()) if match else None


def _milliseconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return (int(hours) * 60 + int(minutes)) * 60_000 + int(seconds) * 1_000 + int(f"{fraction:0<3}"[:3])


def time_line(line: str, *, expected: bool = False) -> TimeLine | None:
    """Return the times of ``00:00:01,000 --> 00:00:03,000``, or None if the line is no time line.

    Separators and arrows that people mistype are read as what is meant. Settings (``align:start``) are dropped; other
    words behind the times are kept. The score of a match (``1:2 ⇒ 3:2``) is speech, unless a time line is expected.
    A time before the beginning counts as the beginning.
    """
    if not any(colon in line for colon in _COLONS):
        return None
    line = _BEFORE_ZERO.sub(" 0:00:00.0", line) if "-" in line else line
    match = _TIME_LINE.fullmatch(line) or (None if line.isascii() else _TIME_LINE.fullmatch(without_directions(line)))
    if match is None:
        return None
    *numbers, rest = match.groups()
    start, end = tuple(numbers[:4]), tuple(numbers[4:])
    has_sign = match.string != line or _UNUSUAL_SIGN.search(line, 0, match.start(len(match.groups()))) is not None
    if has_sign and not expected and not all(clock[_HOURS] or clock[_FRACTION] for clock in (start, end)):
        return None
    words = " ".join(word for word in (rest or "").split() if not _SETTING.fullmatch(word))
    return TimeLine(_milliseconds(start), _milliseconds(end), words)


def time_line_without_arrow(line: str) -> TimeLine | None:
    """Return the times of a line that holds two times and no more than a word between them, or None.

    With a word between them the times have fractions: ``10:15:00 or 11:15:00`` is speech.
    """
    match = _TWO_CLOCKS.fullmatch(line)
    is_bare = match is not None
    match = match or _TWO_LONG_CLOCKS.fullmatch(line)
    if match is None:
        return None
    start, end = match.groups()[:4], match.groups()[4:]
    if not is_bare and not (start[_FRACTION] and end[_FRACTION]):
        return None
    return TimeLine(_milliseconds(start), _milliseconds(end), "")


def is_broken_time_line(line: str, *, expected: bool) -> bool:
    """Return whether a line that is no time line was meant to be one; ``expected``: a cue's number stands above."""
    arrow = (">" in line or "→" in line) and _HAS_ARROW.search(line) is not None
    if arrow and (_HALF_A_CLOCK.search(line) or expected):
        return True
    return expected and line.count(":") >= _COLONS_MIN and _ONLY_TIMES.fullmatch(line) is not None


def broken_time_line(line_number: int, line: str, example: str) -> BadLineError:
    """Return the refusal of a mistyped time line."""
    return BadLineError(line_number, f"{line.strip()!r} should be a time line such as {example!r}; correct it by hand")


_ATTRIBUTES: Final = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*"
_STYLES: Final = r"i|b|u|s|em|strong|c|font|span"
_OPENING_STYLE: Final = re.compile(rf"(?i)<(?:{_STYLES})(?:\.[^\s<>]+)?{_ATTRIBUTES}\s*>")
_CODE: Final = (
    r"an?\d+|[ibus][01]|[ibus]\d{3}|\d?c&[^{}\\]*|fn[^{}\\]*|fs\d+|(?:pos|move|fad|clip|org)\([^{}()]*\)|[kK][fo]?\d+|"
    r"(?:[xy]?(?:bord|shad)|be|blur|fs(?:c[xy]|p|[+-])|fr[xyz]?|fa[xy]|fe|q|pbo|kt)-?\d+(?:\.\d+)?|r"
    r"|fs(?:-\d+|\d+(?=\.))(?:\.\d+)?|(?:alpha|\da)&[^{}\\]*|(?:fade|iclip|t)\((?:[^{}()]|\([^{}()]*\))*\)"
)
"""What .srt borrows from .ass: ``{\\an8}``, ``{\\i1}``.

A text matches one of the codes in one way only: else a list of codes with a wrong end takes time without bound.
"""
_TAG: Final = re.compile(
    rf"(?i)</?(?:{_STYLES}|ruby|rt|rp)(?:\.[^\s<>]+)?{_ATTRIBUTES}\s*/?>"  # <b>, <c.yellow>, <font color="red">
    r"|<(?:v|lang)(?:\.[^\s<>]+)?(?:\s+(?:[^\s<>][^<>\n]*)?)?>|</(?:v|lang)>"
    r"|<(?:\d+:)?\d+:\d+(?:[.,]\d+)?>"  # the time of a word
)
_CODES: Final = re.compile(rf"(?i)\{{(?:\\(?:{_CODE}))+\}}")
_PLACE: Final = re.compile(r"\{\\an\d\}")
_HARD_SPACE: Final = r"\h"
_LINE_BREAK: Final = re.compile(r"(?i)<br\s*/?>")
_VOICE: Final = re.compile(r"(?i)<v(?:\.[^\s<>]+)?\s+((?:[^\s<>][^<>\n]*)?)>|</v>")
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def marked_up_cue(start_ms: int, end_ms: int, raw: str) -> Cue:
    """Return the cue of a text with tags as SRT, SBV and WebVTT have them; its line ends are line ends."""
    raw = _LINE_BREAK.sub("\n", raw)
    if _HARD_SPACE in raw and _PLACE.search(raw):  # FFmpeg writes it into broadcast captions, which it places
        raw = raw.replace(_HARD_SPACE, " ")
    lines = [
        Line(text, voice)
        for voice, part in _voices(raw)
        for text in (_plain(line) for line in part.split("\n"))
        if text
    ]
    style = _OPENING_STYLE.search(raw)
    return Cue(start_ms, end_ms, tuple(lines), None if style is None else len(_plain(raw[: style.start()])))


def _voices(raw: str) -> list[tuple[str, str]]:
    """Return the parts of a cue, each with the voice that says it."""
    parts, voice, position = [], "", 0
    for match in _VOICE.finditer(raw):
        parts.append((voice, raw[position : match.start()]))
        voice, position = " ".join(_unescaped(match[1] or "").split()), match.end()
    return [*parts, (voice, raw[position:])]


def _plain(line: str) -> str:
    return " ".join(_unescaped(_CODES.sub("", _TAG.sub("", line))).replace("\ufeff", "").split())


def _unescaped(text: str) -> str:
    """Resolve ``&amp;``, but nothing without its semicolon: ``?a=1&copy=2`` is text."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)
