"""Read texts whose lines begin with times in brackets: lyrics (``.lrc``), and what Whisper prints on the screen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.cue import clock_ms, first_lines, marked_up_cue

if TYPE_CHECKING:
    from checkpoint_store.cli.transcripts.reading.cue import Cue

_CLOCK: Final = r"(?:\d{1,2}:)?\d{1,3}:[0-5]?\d(?:[.,]\d{1,3})?"
_TIME: Final = re.compile(rf"\s*\[({_CLOCK})\]")
_WORD_TIME: Final = re.compile(rf"\[{_CLOCK}\]")
_TAG: Final = re.compile(r"(?i)\s*\[(?:ti|ar|al|au|lr|by|re|ve|tool|length|offset|la|lang|id|kana|#)\s*:.*\]\s*")
_MOMENT: Final = rf"(?:{_CLOCK}|\d{{1,9}}\.\d{{1,18}})s?"
_SPAN: Final = re.compile(rf"(?:Transcript:)?\s*\[({_MOMENT})\s*-?->\s*({_MOMENT})\]")
_BEFORE_SPANS: Final = re.compile(r"Detecting language .*|Detected language:? .*")
_LINES_LOOKED_AT_MAX: Final = 12


def is_lrc(text: str) -> bool:
    """Return whether a text begins with a tag of LRC (``[ar:Ana]``), and lines with times follow."""
    lines = first_lines(text, _LINES_LOOKED_AT_MAX)
    sung = [line for line in lines if not _TAG.fullmatch(line)]
    return bool(lines) and lines[0] not in sung and _are_enough(_TIME, sung)


def read_lrc(text: str) -> list[Cue]:
    """Return the lines of lyrics; a line with several times is sung as often, and an empty line ends what is sung."""
    lines: list[tuple[int, str]] = []
    starts: list[int] = []
    for line in text.strip("\ufeff").split("\n"):
        words, times = line, []
        while match := _TIME.match(words):
            times.append(_moment_ms(match[1]))
            words = words[match.end() :]
        if _TAG.fullmatch(line):
            continue
        starts = times or starts
        lines += [(start, _WORD_TIME.sub("", words)) for start in (starts or [0]) if times or words.strip()]
    if not starts:
        return []
    lines.sort(key=lambda timed: timed[0])
    ends = [start for start, _ in lines[1:]] + [lines[-1][0]]
    return [marked_up_cue(start, end, words) for (start, words), end in zip(lines, ends, strict=True) if words.strip()]


def is_whisper_text(text: str) -> bool:
    """Return whether the first lines begin with two times in brackets, as Whisper prints them."""
    return _are_enough(
        _SPAN, [line for line in first_lines(text, _LINES_LOOKED_AT_MAX) if not _BEFORE_SPANS.fullmatch(line.strip())]
    )


def _are_enough(times: re.Pattern[str], lines: list[str]) -> bool:
    """Return whether half of the lines, two at least, begin with times: a line of prose may do so, too."""
    count = sum(times.match(line) is not None for line in lines)
    return 2 * count >= len(lines) and (count > 1 or count == len(lines) == 1)


def read_whisper_text(text: str) -> list[Cue]:
    """Return what Whisper prints; a line without times belongs to the line before it."""
    spans: list[tuple[int, int, list[str]]] = []
    for line in text.strip("\ufeff").split("\n"):
        span = _SPAN.match(line)
        if span:
            spans.append((_moment_ms(span[1]), _moment_ms(span[2]), [line[span.end() :]]))
        elif spans:
            spans[-1][2].append(line)
        elif line.strip() and not _BEFORE_SPANS.fullmatch(line.strip()):
            spans.append((0, 0, [line]))
    return [marked_up_cue(start, end, "\n".join(lines)) for start, end, lines in spans]


def _moment_ms(text: str) -> int:
    clock = clock_ms(text)
    if clock is not None:
        return clock
    minutes, _, seconds = text.removesuffix("s").replace(",", ".").rpartition(":")  # 100:23.45 or 12.5s
    return round((int(minutes or 0) * 60 + float(seconds)) * 1000)
