"""Read WebVTT by its own rules: https://www.w3.org/TR/webvtt1/#file-structure.

Two rules are stricter here than in browsers, so that no word is lost: text behind an empty line belongs to the cue
before it (a browser drops it), and a mistyped time line is refused (a browser drops its cue). A cue under a line that
says NOTE and nothing else is taken for commented out, although a browser shows the cue.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.cue import (
    BadLineError,
    broken_time_line,
    first_lines,
    is_broken_time_line,
    time_line,
)
from checkpoint_store.cli.transcripts.reading.json_entries import entries_of, plain_cue
from checkpoint_store.cli.transcripts.reading.srt import CueTexts, crowded_names, spaced_numbers

if TYPE_CHECKING:
    from checkpoint_store.cli.transcripts.reading.cue import Cue

_EXAMPLE: Final = "00:00:01.000 --> 00:00:03.000"
_NOTE: Final = re.compile(r"NOTE(?:[ \t].*)?")
_STYLE: Final = re.compile(r"STYLE[ \t]*")
_REGION: Final = re.compile(r"REGION[ \t]*")
_METADATA: Final = re.compile(r"(?:X-TIMESTAMP-MAP|Kind|Language|Region|Style)\s*[=:].*")
_SPEAKER_NAME: Final = re.compile(r"\d+ \"([^\"]+)\" \(\d+\)")  # Webex: 12 "Ana Costa" (123456)
_HEADER: Final = re.compile(r"\ufeff?WEBVTT(?:[ \t].*)?")


def has_header(text: str) -> bool:
    """Return whether the first line that is not empty says ``WEBVTT``."""
    return any(_HEADER.fullmatch(line.strip()) for line in first_lines(text, 1))


def read_webvtt(text: str) -> list[Cue]:
    """Return the cues of a WebVTT file. :class:`BadLineError` at a time line whose times cannot be told."""
    lines, cues = text.split("\n"), CueTexts()
    index, has_cue, last_number = _after_header(lines), False, 0
    spaced, crowded = spaced_numbers(lines), crowded_names(lines)
    while index < len(lines):
        line, starts_block = lines[index], index == 0 or not lines[index - 1].strip()
        times = time_line(line)
        if starts_block and times is None and (_NOTE.fullmatch(line) or _REGION.fullmatch(line)):
            index = _after_block(lines, index)
        elif starts_block and times is None and _STYLE.fullmatch(line):
            index = _after_style(lines, index)
        elif times is None and _begins_file(lines, index):
            cues.begin_file()
            index = _after_metadata(lines, index + 1)
        elif times is not None:
            cues.drop_spaced_number(index, spaced)
            cues.open(times)
            index, has_cue = index + 1, True
        elif is_broken_time_line(line, expected=False):
            raise broken_time_line(index + 1, line, _EXAMPLE)
        elif index not in crowded and not _names_next_cue(lines, index) and (has_cue or not _METADATA.fullmatch(line)):
            cues.add(line)
            index += 1
        else:
            last_number = int(line) if line.strip().isdecimal() else 0
            speaker = _SPEAKER_NAME.fullmatch(line.strip())
            if speaker:
                cues.name_speaker(speaker[1])
            index += 1
    if has_cue:
        cues.drop_number_at_end(lines, last_number)
    return _decoded(cues.finished())


def _decoded(cues: list[Cue]) -> list[Cue]:
    """Return the words of cues that each hold a JSON object, as Microsoft Graph writes for Teams; else the cues."""
    full = [cue for cue in cues if cue.lines]
    if not full or not all(cue.text.startswith("{") for cue in full):
        return cues
    try:
        entries = entries_of([json.loads(cue.text) for cue in full], {})
    except (ValueError, RecursionError):
        return cues
    if not all(entries):
        raise BadLineError(0, "its cues hold JSON for a program, and no speech")
    pairs = zip(full, entries, strict=True)
    return [plain_cue(cue.start_ms, cue.end_ms, entry.text, entry.speaker) for cue, entry in pairs if entry]


def _after_header(lines: list[str]) -> int:
    """Return the index of the first line behind the header: its first block, or what stands before a time line."""
    index = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if index < len(lines) and not _HEADER.fullmatch(lines[index].strip()):
        return 0
    while index < len(lines) and lines[index].strip() and time_line(lines[index]) is None:
        index += 1
    return index


def _begins_file(lines: list[str], index: int) -> bool:
    """Return whether a line is the header of another file: recordings are sent, and put together, in parts."""
    if not _HEADER.fullmatch(lines[index]) or index + 1 == len(lines):
        return False
    return not lines[index + 1].strip() or _METADATA.fullmatch(lines[index + 1]) is not None


def _after_metadata(lines: list[str], index: int) -> int:
    while index < len(lines) and _METADATA.fullmatch(lines[index]):
        index += 1
    return index


def _names_next_cue(lines: list[str], index: int) -> bool:
    """Return whether a line is the identifier of a cue: alone between an empty line and a time line."""
    if index + 1 >= len(lines) or not lines[index].strip() or time_line(lines[index + 1]) is None:
        return False
    return index == 0 or not lines[index - 1].strip()


def _after_block(lines: list[str], index: int) -> int:
    """Return the index behind a note or a region; a time line ends it, too, unless NOTE alone stands above the cue."""
    first = index + 1
    if len("".join(lines[first : first + 1]).split()) == 1:  # the name of the cue; a note says more than one word
        first += 1
    is_commented_out = lines[index].strip() == "NOTE" and any(map(time_line, lines[index + 1 : first + 1]))
    while index < len(lines) and lines[index].strip() and (is_commented_out or time_line(lines[index]) is None):
        index += 1
    return index


def _after_style(lines: list[str], index: int) -> int:
    """Return the index behind a style sheet; an empty line within braces does not end it, a time line does."""
    depth = 0
    while index < len(lines) and (lines[index].strip() or depth > 0) and time_line(lines[index]) is None:
        depth += lines[index].count("{") - lines[index].count("}")
        index += 1
    return index
