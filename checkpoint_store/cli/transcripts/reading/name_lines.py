"""Take names on lines of their own, ``(Ana Costa)`` above her words, for speakers: so Google Meet writes them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.cue import ReadAnewCues

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from checkpoint_store.cli.transcripts.reading.cue import Cue, Line

_NAME_LINE: Final = re.compile(r"\(([^()]{1,60})\)")
_BETWEEN_SPEAKERS: Final = "-"


def with_name_lines(cues: list[Cue]) -> list[Cue]:
    """Return the cues with the names as speakers, if half of the cues begin with a name; else the cues as they are."""
    full = [cue for cue in cues if cue.lines]
    names = [_name(cue.lines[0]) for cue in full if len(cue.lines) > 1]
    named = [name for name in names if name]
    if len(named) <= 1 or 2 * len(named) < len(full):
        return cues
    return ReadAnewCues(_with_speakers(cue, frozenset(named)) for cue in cues)


def _name(line: Line) -> str:
    match = _NAME_LINE.fullmatch(line.text)
    return match[1].strip() if match else ""


def _with_speakers(cue: Cue, names: AbstractSet[str]) -> Cue:
    """Return a cue without its lines of names; the dash above the name of another speaker goes, too."""
    lines: list[Line] = []
    speaker = ""
    for line in cue.lines:
        name = _name(line)
        if name in names:
            speaker = name
            if lines and lines[-1].text == _BETWEEN_SPEAKERS:
                lines.pop()
        else:
            lines.append(dataclasses.replace(line, speaker=line.speaker or speaker))
    return dataclasses.replace(cue, lines=tuple(lines))
