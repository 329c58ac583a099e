"""Read TTML (``.ttml``, ``.dfxp``, ``.itt``, ``.imsc``): https://www.w3.org/TR/ttml2/.

``ttconv`` was tried: it reads no file of the namespaces before 2010, which most ``.dfxp`` files have, and drops text
outside of paragraphs. This reader goes by the names of the elements in any namespace.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from checkpoint_store.cli.transcripts.reading.cue import BadLineError, Cue, Line, clock_ms, spoken_by

_SEPARATOR: Final = " "
_METADATA: Final = "#metadata"
_NOT_SAID: Final = frozenset({"metadata", "desc", "title", "copyright", "agent", "actor", "name"})
_CLOCK: Final = re.compile(r"(\d{2,9}):(\d{2}):(\d{2})(?:\.(\d+)|:(\d{2,9})(?:\.\d+)?)?")
_OFFSET: Final = re.compile(r"(\d{1,18}(?:\.\d+)?)(h|ms|m|s|f|t|)")  # Apple leaves the s out
_PARTS_WORDS: Final = (" ", "\t", "\n", "\0")
_WORD: Final = "word"  # Apple writes each word into an element of its own, and no space between them
_ROOT: Final = re.compile(
    r"(?s)(?:\s*<(?:\?(?:(?!\?>).)*\?|!--(?:(?!-->).)*--|!DOCTYPE[^>\[]*)>)*\s*<(?:[\w.-]+:)?([\w.-]+)"
)
_TAG: Final = re.compile(r"""<(?:[^<>"']|"[^<"]*"|'[^<']*')*>""")
_PREFIX: Final = re.compile(r"[<\s/]([A-Za-z_][A-Za-z0-9_.-]*):(?=[A-Za-z_])")
_DECLARED: Final = re.compile(r"\sxmlns:([\w.-]+)\s*=")
_OF_XML: Final = {"xml", "xmlns"}
_NAMESPACE: Final = "http://www.w3.org/ns/ttml"
_METADATA_PREFIX: Final = "ttm"
_RATE_MIN: Final = 0.001
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0, "ms": 0.001}


@dataclass(slots=True)
class _Element:
    """An element that is open while the file is read."""

    name: str
    is_metadata: bool
    begin_ms: int | None
    """When it begins, or None if neither the element nor one around it says so."""
    end_ms: int
    agent: str
    """The identifier of the person who speaks, or an empty text."""
    words: list[str] = field(default_factory=list)


class _Reader:
    """Collects the paragraphs of a document."""

    def __init__(self) -> None:
        self.cues: list[Cue] = []
        self.root = ""
        self._agents: list[str] = []
        self._names: dict[str, str] = {}
        self._open: list[_Element] = []
        self._rates = {"f": 30.0, "t": 1.0}
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._entity

    def read(self, text: str) -> None:
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            raise BadLineError(error.lineno, f"this is not well-formed XML ({why})") from error

    def paragraphs(self) -> list[Cue]:
        """Return the paragraphs; if several people speak, with their names."""
        if len({*self._agents} - {""}) <= 1:
            return self.cues
        return spoken_by(self.cues, (" ".join(self._names.get(agent, "").split()) or agent for agent in self._agents))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(_SEPARATOR)
        values = {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()}
        if not self._open:
            self.root = name
            self._set_rates(values)
        parent = self._open[-1] if self._open else _Element("", is_metadata=False, begin_ms=None, end_ms=0, agent="")
        begin, end = self._times(parent, values)
        is_metadata = parent.is_metadata or name == "head" or (namespace.endswith(_METADATA) and name in _NOT_SAID)
        agent = values.get("id" if name == "agent" else "agent", parent.agent)
        self._open.append(_Element(name, is_metadata or name == "metadata", begin, end, agent))
        if name == "br":
            self._text("\n", is_break=True)
        if values.get("unit") == _WORD:
            self._part_words()

    def _times(self, parent: _Element, values: dict[str, str]) -> tuple[int | None, int]:
        """Return the beginning and the end of an element; they count from the beginning of the element around it."""
        base = parent.begin_ms or 0
        begin = base + self._milliseconds(values["begin"]) if "begin" in values else parent.begin_ms
        if "end" in values:
            return begin, base + self._milliseconds(values["end"])
        if "dur" in values:
            return begin, (begin or 0) + self._milliseconds(values["dur"])
        return begin, parent.end_ms

    def _end(self, _: str) -> None:
        element = self._open.pop()
        if element.name != "p" or element.is_metadata:
            return
        raw = (" ".join(line.split()) for line in "".join(element.words).split("\0"))
        begin = element.begin_ms
        if begin is None:  # the paragraph keeps its place in the file
            begin = self.cues[-1].start_ms if self.cues else 0
        self.cues.append(Cue(begin, max(begin, element.end_ms), tuple(Line(line) for line in raw if line)))
        self._agents.append(element.agent)

    def _text(self, text: str, *, is_break: bool = False) -> None:
        if self._open and self._open[-1].name == "name" and self._open[-1].agent:
            self._names[self._open[-1].agent] = self._names.get(self._open[-1].agent, "") + text
        if not self._open or self._open[-1].is_metadata or self.root != "tt":
            return
        paragraph = self._paragraph()
        if paragraph is not None:
            paragraph.words.append("\0" if is_break else text)
        elif text.strip():
            line = self._parser.CurrentLineNumber
            raise BadLineError(line, f"{text.strip()[:60]!r} stands outside of a paragraph (<p>)")

    def _part_words(self) -> None:
        """Put a space between a word and the word before it, if nothing stands between them."""
        paragraph = self._paragraph()
        if paragraph is not None and paragraph.words and not paragraph.words[-1].endswith(_PARTS_WORDS):
            paragraph.words.append(" ")

    def _paragraph(self) -> _Element | None:
        return next((element for element in reversed(self._open) if element.name == "p"), None)

    def _entity(self, name: str, *_: object) -> None:
        raise BadLineError(self._parser.CurrentLineNumber, f"the entity {name!r} is declared; no caption needs it")

    def _set_rates(self, values: dict[str, str]) -> None:
        try:
            self._rates["f"] = float(values.get("frameRate", "30"))
            self._rates["t"] = float(values.get("tickRate", "1"))
            if any(rate and not _RATE_MIN <= rate < math.inf for rate in self._rates.values()):
                raise ValueError
        except ValueError:
            raise BadLineError(self._parser.CurrentLineNumber, "frameRate and tickRate should be numbers") from None

    def _milliseconds(self, text: str) -> int:
        clock, offset, lenient = _CLOCK.fullmatch(text.strip()), _OFFSET.fullmatch(text.strip()), clock_ms(text)
        if clock:
            hours, minutes, seconds, fraction, frames = clock.groups()
            whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
            return round(1000 * (whole + float(f"0.{fraction or 0}") + int(frames or 0) / (self._rates["f"] or 30.0)))
        if lenient is not None:
            return lenient
        if offset:
            number, unit = float(offset[1]), offset[2]
            return round(1000 * (number * _SECONDS[unit] if unit in _SECONDS else number / (self._rates[unit] or 1.0)))
        wrong = f"{text!r} should be a time such as '00:00:01.000' or '1.5s'"
        raise BadLineError(self._parser.CurrentLineNumber, wrong)


def read_ttml(text: str) -> list[Cue]:
    """Return the cues of a TTML file: its paragraphs, in the order of the file.

    :class:`BadLineError` if it is no well-formed XML, or where a time or a text in it cannot be placed.
    """
    reader = _Reader()
    reader.read(_with_prefixes_declared(text))
    return reader.paragraphs()


def _with_prefixes_declared(text: str) -> str:
    """Declare at the root the prefixes of names that the file declares nowhere, as people write TTML by hand."""
    root = _ROOT.match(text)
    tags = "".join(_TAG.findall(text))
    lacking = {*_PREFIX.findall(tags)} - {*_DECLARED.findall(tags)} - _OF_XML
    if root is None or not lacking:
        return text
    kinds = {prefix: _METADATA if prefix == _METADATA_PREFIX else f"#{prefix}" for prefix in sorted(lacking)}
    declared = "".join(f' xmlns:{prefix}="{_NAMESPACE}{kind}"' for prefix, kind in kinds.items())
    return text[: root.end()] + declared + text[root.end() :]


def is_ttml(text: str) -> bool:
    """Return whether the root element of an XML text is ``tt``, in any namespace."""
    match = _ROOT.match(text.lstrip("\ufeff"))
    return match is not None and match[1] == "tt"
