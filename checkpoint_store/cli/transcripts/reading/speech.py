"""Make the text of a talk out of its cues: sorted, each word once, in paragraphs and turns."""

from __future__ import annotations

import dataclasses
import unicodedata
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.shown_again import said_once
from checkpoint_store.cli.transcripts.scripts import joint
from checkpoint_store.cli.transcripts.speakers import label_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.cli.transcripts.reading.cue import Cue, Line

_PARAGRAPH_GAP_MS: Final = 2_000
_INVISIBLE: Final = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))
"""The Unicode categories of controls, joiners, marks of direction and blanks."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Letters and marks that show nothing: fillers, the blank of Braille, selectors of a form."""


def speech(cues: Iterable[Cue], *, shows_again: bool) -> str:
    """Return the spoken text; a pause of two seconds or another speaker begins a paragraph.

    Args:
        cues: what is shown, in any order.
        shows_again: whether the format is one of captions, which may show a word more than once.
    """
    labelled = [_labelled(cue) for cue in sorted(cues, key=lambda cue: cue.start_ms)]
    once = said_once(labelled) if shows_again else labelled
    paragraphs: list[list[str]] = []
    for text, begins_paragraph in _lines(once, repeats_names=_names_each_cue(labelled)):
        if begins_paragraph or not paragraphs:
            paragraphs.append([text])
        else:
            paragraphs[-1] += (joint(paragraphs[-1][-1], text), text)
    return "\n\n".join("".join(parts) for parts in paragraphs)


def _labelled(cue: Cue) -> Cue:
    """Take names and dashes out of the lines that begin with them."""
    return dataclasses.replace(cue, lines=tuple(_labelled_line(line) for line in cue.lines))


def _labelled_line(line: Line) -> Line:
    label = label_of(line.text)
    if not label.length or (line.speaker and not label.marker):
        return line
    return dataclasses.replace(
        line,
        text=line.text[label.length :],
        label=line.text[: label.length],
        speaker=label.name or line.speaker,
        is_turn=bool(label.marker),
    )


def is_visible(text: str) -> bool:
    """Return whether a text has a visible sign; programs put an invisible sign into a cue that is empty."""
    return any(sign not in _BLANK and unicodedata.category(sign) not in _INVISIBLE for sign in text)


def _names_each_cue(cues: list[Cue]) -> bool:
    """Return whether most cues begin with a name, so that a name need not be said again while nobody else speaks."""
    filled = [cue for cue in cues if cue.lines]
    named = [cue for cue in filled if cue.lines[0].label.rstrip().endswith((":", "："))]  # wide colon
    return len(named) > 1 and 2 * len(named) >= len(filled)


def _lines(cues: list[Cue], *, repeats_names: bool) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it begins a paragraph."""
    end_ms, speaker = 0, ""
    for cue in cues:
        for number, line in enumerate(cue.lines):
            is_other = line.is_turn or line.speaker not in ("", speaker)
            pause = number == 0 and cue.start_ms - end_ms >= _PARAGRAPH_GAP_MS
            text = _with_name(line, is_other=is_other, repeats_names=repeats_names)
            if is_visible(text):
                yield text, pause or is_other
            speaker = line.speaker or ("" if line.is_turn else speaker)
        end_ms = max(end_ms, cue.end_ms)


def _with_name(line: Line, *, is_other: bool, repeats_names: bool) -> str:
    if line.label:
        machine_made = label_of(line.label).is_machine_made
        needless = not is_other and (repeats_names or machine_made)
        return line.text if needless else (line.label + line.text).rstrip()
    return f"{line.speaker}: {line.text}" if is_other and line.speaker and line.text else line.text
