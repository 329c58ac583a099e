"""Read transcripts that are plain text, with a line for the time, and perhaps the speaker, above each turn.

Otter, Zoom, Teams, Rev, Descript, Sonix, Premiere and DaVinci Resolve write these files, and a transcript copied from
YouTube's page is like them.
Only the times go; the name of a speaker moves to the words. All other lines stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.times import ANY_CLOCK, are_of_transcript, says_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIME: Final = rf"(?P<time>{ANY_CLOCK})"
_CLOCK: Final = rf"(?:\d\d[:;][0-5]\d[:;][0-5]\d[:;]\d\d|{ANY_CLOCK})"
"""A time that may count frames: ``00:00:05:12``."""
_NAME: Final = r"(?P<name>[^\W\d_][^\n:\t?!;\"]{0,59}?)"
_NAME_IN_BRACKETS: Final = re.compile(rf"\[(?P<name>[^\W\d_][^\[\]:]{{0,59}})\]\s*{_TIME}(?P<style>)(?P<words>)")
"""Zoom: ``[Ana Costa] 10:15:22``, the time of the day."""
_SPEAKER_IN_LINE: Final = re.compile(
    rf"(?P<style>){_TIME}(?:\s*[-–—])?\s+(?P<name>)(?P<words>[^\W\d_][^\n:.?!;]{{0,59}}:\s.*)"
)
"""``0:05 Ana: Hello``; chapters look alike, but each has another title, or some have no colon."""
_TIME_BEFORE_WORDS: Final = re.compile(rf"\s*{ANY_CLOCK}(?:\s*[-–—])?\s+\S")
_FORMS: Final = (
    # Otter: "Ana Costa  0:05"; Rev: "Ana Costa (00:05):"; others: "Ana Costa - 0:05".
    re.compile(rf"{_NAME}:?(?P<style>\s+[-–—|]\s*|\s*[\[(]|\s+){_TIME}[\])]?:?(?P<words>)"),
    _NAME_IN_BRACKETS,
    re.compile(rf"(?P<style>[\[(]?){_TIME}[\])]?\s+[-–—|]\s+{_NAME}:?(?P<words>)"),
    re.compile(rf"(?P<style>[\[(]?)(?P<time>{_CLOCK})[\])]?(?P<name>)(?P<words>)"),
    # Premiere: "00:00:05:12 - 00:00:07:00"; Resolve has it in brackets.
    re.compile(rf"(?P<style>[\[(]?)(?P<time>{_CLOCK})\s*[-–—]\s*{_CLOCK}[\])]?(?P<name>)(?P<words>)"),
    # "Ana Costa (00:05): Hello", "SPEAKER_00 [00:00:05 - 00:00:07]: Hello".
    re.compile(rf"{_NAME}\s*(?P<style>[\[(]){_TIME}(?:\s*[-–—]+>?\s*{_CLOCK})?[\])]:\s*(?P<words>\S.*)"),
    # Descript and Sonix: "[00:00:05] Ana: Hello".
    re.compile(rf"(?P<style>[\[(]){_TIME}[\])]\s*(?P<name>)(?P<words>\S.*)"),
    _SPEAKER_IN_LINE,
)
_CREDIT: Final = re.compile(r"(?i)\s*transcribed by https?://(?:www\.)?otter\.ai\s*")


@dataclass(frozen=True, slots=True)
class _Mark:
    """The time in a line, with the speaker whom the line names, and the words that stand behind it."""

    line: int
    time: str
    name: str
    words: str


def without_time_lines(text: str) -> str | None:
    """Return a text without the times of its turns, speakers before their words; None if it is no transcript."""
    lines = text.strip("\ufeff").split("\n")
    candidates = [marks for form in _FORMS for marks in _marks_of(form, lines) if _are_times(form, marks, lines)]
    if not candidates:
        return None
    marks = max(candidates, key=len)
    return "\n".join(_without_times(lines, {mark.line: mark for mark in marks}))


def _marks_of(form: re.Pattern[str], lines: list[str]) -> list[list[_Mark]]:
    """Return the marks of a form, those of each style apart: a sentence that ends with a time has another style."""
    by_style: dict[str, list[_Mark]] = {}
    for number, line in enumerate(lines):
        match = form.fullmatch(line.strip()) if ":" in line or ";" in line else None
        if match is None:
            continue
        style = match["style"].strip() or ("  " if len(match["style"].expandtabs(2)) > 1 else match["style"])
        follows_blank = not number or not lines[number - 1].strip()
        if style != " " or follows_blank:
            time = match["time"].replace(";", ":")
            mark = _Mark(number, time, match["name"].strip(), match["words"])
            by_style.setdefault(style, []).append(mark)
    return list(by_style.values())


def _are_times(form: re.Pattern[str], marks: list[_Mark], lines: list[str]) -> bool:
    """Return whether marks are those of a transcript: the times never go back, and words follow most of them."""
    clocks = [mark.time for mark in marks]
    if form is _NAME_IN_BRACKETS:
        clocks = ["00:00", *clocks]  # it begins at any time of the day
    if len(marks) <= 1 or not are_of_transcript(clocks):
        return False
    if form is _SPEAKER_IN_LINE and (
        len({mark.words.partition(":")[0] for mark in marks}) == len(marks)
        or sum(map(bool, map(_TIME_BEFORE_WORDS.match, lines))) > len(marks)
    ):
        return False
    ends = [*(mark.line for mark in marks[1:]), len(lines)]
    with_words = sum(
        bool(mark.words) or any(line.strip() for line in lines[mark.line + 1 : end])
        for mark, end in zip(marks, ends, strict=True)
    )
    return 2 * with_words > len(marks)


def _without_times(lines: list[str], marks: Mapping[int, _Mark]) -> Iterator[str]:
    mark: _Mark | None = None
    for number, line in enumerate(lines):
        words = line
        if number in marks:
            if mark and mark.name:
                yield f"{mark.name}:"
            mark = marks[number]
            words = mark.words
        if _CREDIT.fullmatch(words) or (mark and (not words.strip() or says_time(words, mark.time))):
            continue
        yield f"{mark.name}: {words.strip()}" if mark and mark.name else words
        mark = None
    if mark and mark.name:
        yield f"{mark.name}:"
