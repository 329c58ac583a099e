"""Read Advanced SubStation Alpha (``.ass``) and SubStation Alpha (``.ssa``).

``pysubs2`` was tried: it drops a line whose word ``Dialogue`` is mistyped, and reads one with a field too few as an
empty line. Both are refused here.
"""

from __future__ import annotations

import re
from typing import Final

from checkpoint_store.cli.transcripts.reading.cue import BadLineError, Cue, Line, clock_ms, spoken_by

_FIELDS: Final = ("Layer", "Start", "End", "Style", "Name", "MarginL", "MarginR", "MarginV", "Effect", "Text")
_EVENT: Final = re.compile(r"(?i)\s*(Dialogue|Format)\s*:\s*(.*)")
_NOT_SHOWN: Final = re.compile(r"(?i)\s*(?:(?:Comment|Picture|Sound|Movie|Command)\s*:.*|[;!].*)?")
_SECTION: Final = re.compile(r"\s*\[([^\]]+)\]\s*")
_FIRST_SECTIONS: Final = frozenset({"script info", "v4 styles", "v4+ styles", "events"})
_OVERRIDE: Final = re.compile(r"\{([^{}]*)\}")
_DRAWING: Final = re.compile(r"\\p([0-9]+)")
_ACTOR: Final = ("Name", "Actor")
_BREAK: Final = re.compile(r"\\[Nn]")


def is_ass(text: str) -> bool:
    """Return whether the first line that is not empty is a section of an ``.ass`` or ``.ssa`` file."""
    first = next((line for line in text.lstrip("\ufeff").split("\n") if line.strip() and line[0] != ";"), "")
    header = _SECTION.fullmatch(first)
    return header is not None and header[1].strip().lower() in _FIRST_SECTIONS


def read_ass(text: str) -> list[Cue]:
    """Return the cues of an ``.ass`` or ``.ssa`` file; :class:`BadLineError` at a line of the events that is none."""
    section, cues, actors = "", [], []
    fields: tuple[str, ...] = _FIELDS
    for number, line in enumerate(text.split("\n"), start=1):
        header, event = _SECTION.fullmatch(line), _EVENT.fullmatch(line)
        if header:
            section = header[1].strip().lower()
        elif section != "events":
            continue
        elif event and event[1].lower() == "format":
            fields = tuple(name.strip() for name in event[2].split(","))
        elif event:
            values = _values(number, fields, event[2])
            cues.append(_cue(number, values))
            actors.append(next((values[name].strip() for name in _ACTOR if name in values), ""))
        elif not _NOT_SHOWN.fullmatch(line):
            raise BadLineError(number, f"{line.strip()!r} is no event; a line that is shown begins with 'Dialogue:'")
    return _with_actors(cues, actors)


def _with_actors(cues: list[Cue], actors: list[str]) -> list[Cue]:
    """Return the cues with their actors as speakers, if most name an actor and not all the same, as programs do."""
    named = [actor for actor in actors if actor]
    if len(set(named)) <= 1 or 2 * len(named) < len(actors):
        return cues
    return spoken_by(cues, actors)


def _values(number: int, fields: tuple[str, ...], event: str) -> dict[str, str]:
    values = event.split(",", len(fields) - 1)
    if len(values) < len(fields) or fields[-1] != "Text" or not {"Start", "End"} <= set(fields):
        raise BadLineError(number, f"the event has {len(values)} fields, and its format is {', '.join(fields)}")
    return dict(zip(fields, values, strict=True))


def _cue(number: int, by_name: dict[str, str]) -> Cue:
    start, end = clock_ms(by_name["Start"]), clock_ms(by_name["End"])
    if start is None or end is None:
        wrong = by_name["Start"] if start is None else by_name["End"]
        raise BadLineError(number, f"{wrong.strip()!r} should be a time such as '0:00:01.00'")
    lines, marked = _visible_lines(by_name["Text"])
    return Cue(start, end, tuple(Line(line) for line in lines), marked)


def _visible_lines(raw: str) -> tuple[list[str], int | None]:
    """Return the lines that are shown and the marked place; override codes, comments and drawings are not shown."""
    parts, marked, drawing, position = [], None, False, 0
    for match in _OVERRIDE.finditer(raw):
        parts.append("" if drawing else raw[position : match.start()])
        position = match.end()
        mode = _DRAWING.findall(match[1])
        drawing = bool(mode[-1].strip("0")) if mode else drawing
        if marked is None and "\\" in match[1]:
            marked = len("".join(parts))
    parts.append("" if drawing else raw[position:])
    lines = (" ".join(line.replace("\\h", " ").split()) for line in _BREAK.split("".join(parts)))
    return [line for line in lines if line], marked
