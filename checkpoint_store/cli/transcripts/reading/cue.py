"""Cues: what captions show, and when. The times of all formats are read here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from checkpoint_store.cli.transcripts.times import SETTING


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
