"""The times of a transcript that was pasted as text, and a text that remembers where its characters stood."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class TracedChunk:
    """One chunk of the original text, as it was edited."""

    separator: str
    """The white space between the chunk before and this one; empty before the first chunk that has text."""
    text: str


@dataclass(frozen=True, slots=True)
class TracedText:
    """An edited text; ``origins`` has the position of each character in the original text, in ascending order."""

    text: str
    origins: list[int]

    @classmethod
    def of(cls, text: str) -> TracedText:
        """Return a text that was not edited yet."""
        return cls(text, list(range(len(text))))

    def replaced(self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]) -> TracedText:
        """Return the text with each match replaced: by ``new``, or by what it returns for the match."""
        matches = pattern.finditer(self.text)
        return self.edited((*match.span(), new if isinstance(new, str) else new(match)) for match in matches)

    def stripped(self) -> TracedText:
        """Return the text without the white space around it."""
        start, end = len(self.text) - len(self.text.lstrip()), len(self.text.rstrip())
        if not start and end == len(self.text):
            return self
        return TracedText(self.text[start:end], self.origins[start:end])

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> TracedText:
        """Return the text with each (start, end, new text) applied; the edits are in order and do not overlap."""
        parts: list[str] = []
        origins: list[int] = []
        position = 0
        for start, end, new in edits:
            parts += (self.text[position:start], new)
            origins += self.origins[position:start]
            origins += [self.origins[min(start, len(self.origins) - 1)]] * len(new)
            position = end
        if not position:
            return self if not parts else TracedText("".join(parts) + self.text, origins + self.origins)
        parts.append(self.text[position:])
        origins += self.origins[position:]
        return TracedText("".join(parts), origins)

    def chunks(self, starts: Sequence[int]) -> list[TracedChunk]:
        """Return each chunk as it was edited; ``starts`` are the positions of the chunks in the original text.

        The separators and texts, one after the other, are the whole text without the white space around it.
        """
        if not starts:
            return []
        borders = [0, *(bisect_left(self.origins, start) for start in starts[1:]), len(self.text)]
        traced: list[TracedChunk] = []
        separator, has_text = "", False
        for start, end in pairwise(borders):
            raw = self.text[start:end]
            text = raw.strip()
            if not text:
                separator += raw
                traced.append(TracedChunk("", ""))
                continue
            separator += raw[: len(raw) - len(raw.lstrip())]
            traced.append(TracedChunk(separator if has_text else "", text))
            separator, has_text = raw[len(raw.rstrip()) :], True
        return traced


_CLOCK: Final = r"\d{1,2}:[0-5]\d:[0-5]\d(?:[.,]\d{1,3})?"
ANY_CLOCK: Final = rf"(?:{_CLOCK}|\d{{1,3}}:[0-5]\d(?:[.,]\d{{1,3}})?)"
_SPACE: Final = r"[^\S\n]"
_CUE: Final = rf"{ANY_CLOCK}{_SPACE}*-->{_SPACE}*{ANY_CLOCK}"
_SBV_CUE: Final = r"\d:[0-5]\d:[0-5]\d\.\d{3},\d:[0-5]\d:[0-5]\d\.\d{3}"
_ONE_CUE: Final = re.compile(f"{_CUE}|{_SBV_CUE}")
_SBV: Final = re.compile(_SBV_CUE)

SETTING: Final = r"(?i:(?:vertical|line|position|size|align|region|[XY][12]):\S*|[DASLT]:\S+)"
"""A word behind the times of a cue that says where its text stands."""
_STUCK: Final = r"(?:\{[^{}\n]*\}|[^\w\s])*(?:(?<=\})|(?=[^\W\d])|\S*)"
"""Marks and codes behind the times without a space, before the first letter; a digit belongs to mistyped times."""
_PLACED_CUE: Final = rf"{_CUE}{_STUCK}(?:{_SPACE}+{SETTING})*"

# A subtitle's number and times, pasted as text: its words run on from the cue before, and may stand behind the times.
_CUES: Final = re.compile(
    rf"(?m)(?<!\n)\n*(?:^{_SPACE}*\d+{_SPACE}*\n)?^{_SPACE}*"
    rf"(?:{_PLACED_CUE}(?:{_SPACE}+{_PLACED_CUE})*(?:[^\w\n]*$\n?|{_SPACE}*)|{_SBV_CUE}{_SPACE}*$\n?)"
)
# Whisper prints "[00:00.000 --> 00:04.000] text"; other programs print one time in brackets. A row of them at the
# beginning of a paragraph goes at once: one a pass would take a pass over the whole text for each.
_IN_BRACKETS: Final = rf"{_SPACE}*\[{ANY_CLOCK}\]"
_BRACKETED: Final = re.compile(
    rf"\[{_CUE}\]{_SPACE}*|\[(?:{_CLOCK}|\d\d:[0-5]\d(?:\.\d{{1,3}})?)\]|\({_CLOCK}\)"
    rf"|(?:\A|(?<=\n\n))(?:{_IN_BRACKETS})+|(?m:^){_IN_BRACKETS}"
)
_TIME: Final = re.compile(rf"(?m){_SPACE}*({ANY_CLOCK})(?:{_SPACE}*[-–—:])?(?:$\n?|{_SPACE}+(?=\S))")
_AT_LINE_START: Final = re.compile(rf"(?m)^{_TIME.pattern.removeprefix('(?m)')}")
# YouTube's copy says each time once more for those who listen to the page.
_SPOKEN: Final = re.compile(r"(?:(\d+) hours?,? ?)?(?:(\d+) minutes?,? ?)?(?:(\d+) seconds?)?" rf"{_SPACE}*\n?")
_MINUTE_SECONDS: Final = 60


def without_times(text: TracedText) -> TracedText:
    """Return the text without the times of a transcript."""
    if "-->" in text.text or _SBV.search(text.text):  # otherwise the search for cues takes longer than all others
        text = text.replaced(_CUES, "\n")
    text = text.replaced(_BRACKETED, "")
    return text.edited((start, end, "") for start, end in _spans_at_line_starts(text.text))


def _spans_at_line_starts(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of the times with which lines begin; a paragraph may begin with a row of times.

    A row goes in a single search: a search of the whole text for each of its times would take quadratic time.
    """
    rows = {match.start(): match.start() for match in _AT_LINE_START.finditer(text)}
    ends: dict[int, int] = {}
    while rows:
        matches = {start: match for start, end in rows.items() if (match := _TIME.match(text, end))}
        if not are_of_transcript([match[1] for match in matches.values()]):
            break
        ends |= {start: _end_of_spoken(text, match) for start, match in matches.items()}
        rows = {start: ends[start] for start in matches if _goes_on(text, start, ends[start])}
    return list(ends.items())


def _goes_on(text: str, start: int, end: int) -> bool:
    """Return whether another time may follow: in the first line of a paragraph, unless the time is that of a cue."""
    begins_paragraph = not start or text.endswith("\n\n", 0, start)
    return begins_paragraph and text[end - 1] != "\n" and not _ONE_CUE.match(text, end)


def are_of_transcript(clocks: list[str]) -> bool:
    """Return whether the times of lines are a transcript's: they begin near 0 and never go back.

    So the times of a programme (``9:00 Breakfast``) stay, and so does a sentence that begins with a time.
    """
    seconds = [_seconds(clock) for clock in clocks]
    begins = bool(clocks) and (seconds[0] < _MINUTE_SECONDS or clocks[0].startswith("00:"))
    return begins and seconds == sorted(seconds)


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return total


def _end_of_spoken(text: str, match: re.Match[str]) -> int:
    """Return the end of a time, with the line that says the same time in words, if there is one."""
    line_end = text.find("\n", match.end()) + 1
    is_spoken = match[0].endswith("\n") and says_time(text[match.end() : line_end], match[1])
    return line_end if is_spoken else match.end()


def says_time(line: str, clock: str) -> bool:
    """Return whether a line says a time in words: ``1 minute, 5 seconds`` under ``1:05``."""
    spoken = _SPOKEN.fullmatch(line)
    if spoken is None or not any(spoken.groups()):
        return False
    hours, minutes, seconds = (int(number or 0) for number in spoken.groups())
    return hours * 3600 + minutes * 60 + seconds == int(_seconds(clock))
