"""Read SubRip (``.srt``) and YouTube's ``.sbv``: numbered or bare time lines, each followed by text.

The readers of ``pysubs2``, ``srt`` and ``webvtt-py`` were tried: each drops words without an error, behind a mistyped
time, beside a time, under an hour-less time, before the first cue, or a spoken number above a time. This reader keeps
every word that does not stand in a time line, and refuses a time line that it cannot read.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.cue import (
    TimeLine,
    broken_time_line,
    clock_ms,
    first_lines,
    is_broken_time_line,
    marked_up_cue,
    time_line,
    time_line_without_arrow,
    without_directions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store.cli.transcripts.reading.cue import Cue

_SRT_EXAMPLE: Final = "00:00:01,000 --> 00:00:03,000"
_SBV_EXAMPLE: Final = "0:00:01.000,0:00:03.000"
_NUMBER: Final = re.compile(r"\s*(\d{1,9})\s*")
_COUNTED_NAME: Final = re.compile(r"(.*?)(\d{1,9})\s*")
_SBV_BREAK: Final = re.compile(r"(?i)\[br\]")
_TWO_HALVES: Final = re.compile(r"\s*([\w:.]+)\s?[,;]\s?[\w:.]*\s*")
_BEFORE_COLON: Final = re.compile(r"\w:")


def is_srt(text: str) -> bool:
    """Return whether one of the first two lines that are not empty has two times."""
    return any(map(time_line, first_lines(text, 2)))


def is_sbv(text: str) -> bool:
    """Return whether one of the first two lines that are not empty has the two times of a ``.sbv`` file."""
    return any(map(sbv_times, first_lines(text, 2)))


class CueTexts:
    """The cues of a file while its lines are read."""

    def __init__(self) -> None:
        self._cues: list[tuple[int, int, list[str]]] = []
        self._has_times = False
        self._begins_file = False
        self._shift_ms = 0
        self._last_start_ms = self._last_end_ms = 0
        self._voice = ""

    def begin_file(self) -> None:
        """Begin with the next of the files that were put together: its times may begin again."""
        self._begins_file = True

    def begins_again(self, times: TimeLine) -> bool:
        """Return whether a time is earlier than that of the last cue."""
        return times.start_ms + self._shift_ms < self._last_start_ms

    def name_speaker(self, name: str) -> None:
        """Take a name that stands above a time line as that of the next cue's speaker."""
        self._voice = f"<v {html.escape(name)}>"

    def open(self, times: TimeLine) -> None:
        """Begin a cue. Where the times begin again in the next file, they go on behind the file before."""
        if self._begins_file:
            self._begins_file = False
            if self.begins_again(times):
                self._shift_ms = self._last_end_ms
        start_ms, end_ms = times.start_ms + self._shift_ms, times.end_ms + self._shift_ms
        self._last_start_ms, self._last_end_ms = max(self._last_start_ms, start_ms), max(self._last_end_ms, end_ms)
        self._cues.append((start_ms, end_ms, [self._voice + times.words]))
        self._has_times, self._voice = True, ""

    def add(self, line: str) -> None:
        """Add a line to the cue; a line before the first cue is one of its own, since it may have been said."""
        if not self._cues:
            self._cues.append((0, 0, []))
        self._cues[-1][2].append(line)

    def drop_last_line(self) -> None:
        """Take the last line out again: it was the number of the cue that follows."""
        self._cues[-1][2].pop()

    def drop_spaced_number(self, index: int, number_lines: Mapping[int, int]) -> None:
        """Take the number of the cue that follows out again, and the empty lines behind it; see :func:`spaced_numbers`.

        ``number_lines`` has the index of each such number by that of its time line; ``index`` is that of the time line.
        """
        if index in number_lines:
            del self._cues[-1][2][number_lines[index] - index :]

    def drop_number_at_end(self, lines: list[str], last_number: int) -> None:
        """Take the number of a cue whose rest is cut off out of the last cue.

        The number is the last of the lines, behind an empty line, and follows ``last_number``, that of the cue before.
        """
        end = next((index for index in reversed(range(len(lines))) if lines[index].strip()), 0)
        number = _NUMBER.fullmatch(lines[end])
        if number and last_number and int(number[1]) == last_number + 1 and not lines[end - 1].strip():
            del self._cues[-1][2][end - len(lines) :]

    def finished(self) -> list[Cue]:
        """Return the cues in the order of the file; none if no time line was found."""
        if not self._has_times:
            return []
        return [marked_up_cue(start, end, "\n".join(lines)) for start, end, lines in self._cues]


def read_srt(text: str) -> list[Cue]:
    """Return the cues of a ``.srt`` file. :class:`BadLineError` at a time line whose times cannot be told."""
    lines, cues, numbers = text.split("\n"), CueTexts(), _Numbers()
    spaced = spaced_numbers(lines)
    for index, line in enumerate(lines):
        above = _NUMBER.fullmatch(without_directions(lines[index - 1])) if index else None
        numbered = above is not None and (index == 1 or not lines[index - 2].strip())
        expected = numbered or (not numbers.last and (not index or not lines[index - 1].strip()))
        times = time_line(line, expected=expected) or (time_line_without_arrow(line) if numbered else None)
        if times is not None:
            begins_again = cues.begins_again(times)
            if above is not None and numbers.is_next(
                int(above[1]), after_blank_line=numbered, begins_again=begins_again
            ):
                cues.drop_last_line()
                if numbers.begin_again:
                    cues.begin_file()
            cues.drop_spaced_number(index, spaced)
            numbers.last = int(lines[spaced[index]]) if index in spaced else numbers.last
            cues.open(times)
        elif is_broken_time_line(line, expected=numbered):
            raise broken_time_line(index + 1, line, _SRT_EXAMPLE)
        else:
            cues.add(line)
    cues.drop_number_at_end(lines, numbers.last)
    return cues.finished()


def spaced_numbers(lines: Sequence[str]) -> dict[int, int]:
    """Return the index of each cue's number by that of its times, in a file with an empty line behind every line.

    Empty without such a file: elsewhere a number that stands alone may be said.
    """
    number_lines: dict[int, int] = {}
    above = first = -1
    for index, line in enumerate(lines):
        if time_line(line) is not None:
            number = _NUMBER.fullmatch(lines[above]) if 0 <= above < index - 1 else None
            first = int(number[1]) if number and not number_lines else first
            if number is None or int(number[1]) != first + len(number_lines):
                return {}
            number_lines[index] = above
        above = index if line.strip() else above
    return number_lines


def crowded_names(lines: Sequence[str]) -> frozenset[int]:
    """Return the indices of the cues' names in a file without empty lines between its cues; else none.

    Elsewhere a line above a time line may be said, so the name of each cue has to count up: ``cue-1``, ``cue-2`` …
    """
    above = [index - 1 for index, line in enumerate(lines) if time_line(line) is not None]
    names = [_COUNTED_NAME.fullmatch(lines[index]) if index >= 0 else None for index in above]
    first = names[0] if len(names) > 1 else None
    if first is None or not all(
        name and name[1] == first[1] and int(name[2]) == int(first[2]) + place for place, name in enumerate(names)
    ):
        return frozenset()
    return frozenset(above)


class _Numbers:
    """Tells the number of a cue from a number that is said."""

    def __init__(self) -> None:
        self.last = 0
        """The number of the last cue; 0 before the first cue."""
        self._has_begun = False
        self.begin_again = False
        """Whether the last number was a second 1: two files were put together."""

    def is_next(self, number: int, *, after_blank_line: bool, begins_again: bool) -> bool:
        """Return whether ``number``, which stands on the line above a time line, is the number of the cue.

        ``begins_again``: the times begin again, as where a file ends without an empty line before the next.
        """
        is_first_of_file = number == 1 and begins_again and self._has_begun
        if not after_blank_line and number != self.last + 1 and not is_first_of_file:
            return False
        self.last = number
        self.begin_again = number == 1 and self._has_begun
        self._has_begun = self._has_begun or number == 1
        return True


def read_sbv(text: str) -> list[Cue]:
    """Return the cues of a ``.sbv`` file. :class:`BadLineError` at a time line whose times cannot be told."""
    cues = CueTexts()
    for number, line in enumerate(text.split("\n"), start=1):
        times = sbv_times(line)
        if times is not None:
            cues.open(times)
        elif _is_broken_sbv_line(line):
            raise broken_time_line(number, line, _SBV_EXAMPLE)
        else:
            cues.add(_SBV_BREAK.sub("\n", line))
    return cues.finished()


def _is_broken_sbv_line(line: str) -> bool:
    """Return whether a line has a comma, and before it what looks like a time."""
    halves = _TWO_HALVES.fullmatch(line)
    colon = _BEFORE_COLON.search(halves[1]) if halves else None
    return halves is not None and colon is not None and any(map(str.isdecimal, halves[1][colon.end() :]))


def sbv_times(line: str) -> TimeLine | None:
    """Return the times of ``0:00:01.000,0:00:03.000``, or None if the line is no time line."""
    start, _, end = line.partition(",")
    times = clock_ms(start), clock_ms(end)
    return TimeLine(times[0], times[1], "") if times[0] is not None and times[1] is not None else None
