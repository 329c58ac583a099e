"""Take names of speakers as programs write them: Google Meet ``(Ana Costa)`` above her words, Amazon ``spk_0:``."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store.cli.transcripts.reading.cue import Cue, Line

_NAME_LINE: Final = re.compile(r"\(([^()]{1,60})\)")
_MACHINE_NAME: Final = re.compile(
    r"(?:(?P<amazon>(?:spk|speaker)_\d+):|\((?P<whisper>speaker (?:\d+|\?))\)|\[(?P<pyannote>SPEAKER_\d+)\](?!:))\s*"
)
_BETWEEN_SPEAKERS: Final = "-"


def with_names(cues: list[Cue]) -> list[Cue]:
    """Return the cues with the names as speakers, or the cues as they are.

    A name that only a program writes counts if half of the cues begin with such a name. A line in brackets may be a
    noise; it counts if nine of ten cues begin with such a line.
    """
    full = [cue for cue in cues if cue.lines]
    by_machine = sum(bool(_machine_name(cue.lines[0])[0]) for cue in full)
    if by_machine and 2 * by_machine >= len(full):
        return [_with_speakers(cue, _machine_name) for cue in cues]
    names = [name for cue in full if len(cue.lines) > 1 and (name := _name_line(cue.lines[0]))]
    if len(names) <= 1 or 10 * len(names) < 9 * len(full):
        return cues
    known = set(names)

    def name_and_words(line: Line) -> tuple[str, str]:
        name = _name_line(line)
        return (name, "") if name in known else ("", line.text)

    return [_with_speakers(cue, name_and_words) for cue in cues]


def _machine_name(line: Line) -> tuple[str, str]:
    """Return the name that a program wrote at the beginning of a line, or an empty text, and the words behind it."""
    match = _MACHINE_NAME.match(line.text)
    return (next(filter(None, match.groups())), line.text[match.end() :]) if match else ("", line.text)


def _name_line(line: Line) -> str:
    match = _NAME_LINE.fullmatch(line.text)
    return match[1].strip() if match else ""


def _with_speakers(cue: Cue, name_and_words: Callable[[Line], tuple[str, str]]) -> Cue:
    """Return a cue whose names are its speakers; a dash above the name of another speaker goes, too."""
    lines: list[Line] = []
    speaker = ""
    for line in cue.lines:
        name, words = name_and_words(line)
        speaker = name or speaker
        if name and lines and lines[-1].text == _BETWEEN_SPEAKERS:
            lines.pop()
        if words:
            lines.append(dataclasses.replace(line, text=words, speaker=line.speaker or speaker))
    return dataclasses.replace(cue, lines=tuple(lines))
