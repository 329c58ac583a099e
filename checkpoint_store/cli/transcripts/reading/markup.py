"""Take known tags out of the text of a cue; everything else is what somebody said."""

from __future__ import annotations

import html
import re
from typing import Final

from checkpoint_store.cli.transcripts.reading.cue import Cue, Line

_ATTRIBUTES: Final = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*"
_STYLES: Final = r"i|b|u|s|em|strong|c|font|span"
_OPENING_STYLE: Final = re.compile(rf"(?i)<(?:{_STYLES})(?:\.[^\s<>]+)?{_ATTRIBUTES}\s*>")
_CODE: Final = (
    r"an?\d+|[ibus][01]|[ibus]\d{3}|\d?c&[^{}\\]*|fn[^{}\\]*|fs\d+|(?:pos|move|fad|clip|org)\([^{}()]*\)|[kK][fo]?\d+|"
    r"(?:[xy]?(?:bord|shad)|be|blur|fs(?:c[xy]|p|[+-])|fr[xyz]?|fa[xy]|fe|q|pbo|kt)-?\d+(?:\.\d+)?|r"
    r"|fs(?:-\d+|\d+(?=\.))(?:\.\d+)?|(?:alpha|\da)&[^{}\\]*|(?:fade|iclip|t)\((?:[^{}()]|\([^{}()]*\))*\)"
)
"""What .srt borrows from .ass: ``{\\an8}``, ``{\\i1}``.

A text matches one of the codes in one way only: else a list of codes with a wrong end takes time without bound.
"""
_TAG: Final = re.compile(
    rf"(?i)</?(?:{_STYLES}|ruby|rt|rp)(?:\.[^\s<>]+)?{_ATTRIBUTES}\s*/?>"  # <b>, <c.yellow>, <font color="red">
    r"|<(?:v|lang)(?:\.[^\s<>]+)?(?:\s+(?:[^\s<>][^<>\n]*)?)?>|</(?:v|lang)>"
    r"|<(?:\d+:)?\d+:\d+(?:[.,]\d+)?>"  # the time of a word
)
_CODES: Final = re.compile(rf"(?i)\{{(?:\\(?:{_CODE}))+\}}")
_PLACE: Final = re.compile(r"\{\\an\d\}")
_HARD_SPACE: Final = r"\h"
_LINE_BREAK: Final = re.compile(r"(?i)<br\s*/?>")
_VOICE: Final = re.compile(r"(?i)<v(?:\.[^\s<>]+)?\s+((?:[^\s<>][^<>\n]*)?)>|</v>")
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def marked_up_cue(start_ms: int, end_ms: int, raw: str) -> Cue:
    """Return the cue of a text with tags as SRT, SBV and WebVTT have them; its line ends are line ends."""
    raw = _LINE_BREAK.sub("\n", raw)
    if _has_hard_spaces(raw):
        raw = raw.replace(_HARD_SPACE, " ")
    lines = [
        Line(text, voice)
        for voice, part in _voices(raw)
        for text in (_plain(line) for line in part.split("\n"))
        if text
    ]
    return Cue(start_ms, end_ms, tuple(lines), _marked(raw))


def _voices(raw: str) -> list[tuple[str, str]]:
    """Return the parts of a cue, each with the voice that says it."""
    parts, voice, position = [], "", 0
    for match in _VOICE.finditer(raw):
        parts.append((voice, raw[position : match.start()]))
        voice, position = " ".join(_unescaped(match[1] or "").split()), match.end()
    return [*parts, (voice, raw[position:])]


def _plain(line: str) -> str:
    return " ".join(_unescaped(_CODES.sub("", _TAG.sub("", line))).replace("\ufeff", "").split())


def _unescaped(text: str) -> str:
    """Resolve ``&amp;``, but nothing without its semicolon: ``?a=1&copy=2`` is text."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _has_hard_spaces(raw: str) -> bool:
    r"""Return whether ``\h`` is a space: FFmpeg writes it into broadcast captions, which it places by ``{\an7}``."""
    return _HARD_SPACE in raw and _PLACE.search(raw) is not None


def _marked(raw: str) -> int | None:
    match = _OPENING_STYLE.search(raw)
    return None if match is None else len(_plain(raw[: match.start()]))
