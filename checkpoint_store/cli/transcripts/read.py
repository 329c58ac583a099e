# ruff: noqa: RUF001 - the dashes and quotation marks of transcripts are meant
"""Read transcripts as text."""

from __future__ import annotations

import codecs
import html
import re
import sys
from typing import TYPE_CHECKING, Final

import pysubs2

from checkpoint_store.cli.paths import STANDARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SPEAKER: Final = re.compile(r">>|[-–—•*] |[A-Z][\w.'’-]*(?: [A-Z0-9][\w.'’-]*){0,3}: ")
"""The beginning of a line that starts a speaker's turn: a name, a dash, or the captioner's ``>>``."""

_SUBTITLES: Final = {".srt": "srt", ".vtt": "vtt"}
_PARAGRAPH_GAP_MS: Final = 2_000
_ROLLING_MS: Final = 50
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_VOICE: Final = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_WORD_TIME: Final = re.compile(r"<[\d:.]+>")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}|</?>")


class UnreadableTranscriptError(Exception):
    """A file holds no transcript; the message is one line and names the file."""


def read_transcript(path: Path) -> str:
    """Return the text of a ``.srt``, ``.vtt`` or plain text file; its lines end with a line feed.

    Raises:
        UnreadableTranscriptError: the file does not exist, is no text, or is empty.
    """
    text = read_text(path)
    kind = _SUBTITLES.get(path.suffix.lower())
    if kind is not None:
        text = subtitle_text(text, kind)
    if not text.strip():
        what = "has no subtitles in it" if kind else "is empty"
        raise UnreadableTranscriptError(f"{path} {what}")
    return text


def read_text(path: Path) -> str:
    """Return what a file, or standard input (``-``), has in it; its lines end with a line feed.

    Raises:
        UnreadableTranscriptError: the file does not exist, or is no text.
    """
    return _decode(path, _read(path)).replace("\r\n", "\n").replace("\r", "\n")


def _read(path: Path) -> bytes:
    try:
        if path == STANDARD:
            return sys.stdin.buffer.read()
        if not path.exists():
            raise UnreadableTranscriptError(f"{path}: no such file")
        if not path.is_file():
            raise UnreadableTranscriptError(f"{path} is not a regular file; give a text, .srt or .vtt file")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableTranscriptError(f"{path} cannot be read: {error.strerror}") from error


def _decode(path: Path, data: bytes) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        byte = data[error.start : error.start + 1].hex()
        remedy = f"convert it first, e.g. iconv -f LATIN1 -t UTF-8 {path.name}"
        message = f"{path} is not {encoding.upper()} text (byte 0x{byte} at offset {error.start:,}); {remedy}"
        raise UnreadableTranscriptError(message) from error
    if "\0" in text:
        at = text.index("\0")
        raise UnreadableTranscriptError(f"{path} is not a text file (it has a NUL at character {at:,})")
    return text


def subtitle_text(text: str, kind: str) -> str:
    """Return the spoken text of subtitles; a pause or another voice starts a paragraph."""
    # The parser keeps every tag, because the voice tags are needed, and braces may be spoken text. The times of words
    # are removed first: the parser takes a line with two of them for a time line, and warns of a line with one.
    cues = pysubs2.SSAFile.from_string(_WORD_TIME.sub("", text), kind, keep_html_tags=True)
    paragraphs: list[list[str]] = []
    for line, starts_paragraph in _lines_with_breaks(cues):
        if starts_paragraph or not paragraphs:
            paragraphs.append([])
        paragraphs[-1].append(line)
    return "\n\n".join(" ".join(lines) for lines in paragraphs)


def _lines_with_breaks(cues: Iterable[pysubs2.SSAEvent]) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it starts a paragraph."""
    end, last, voice = 0, "", ""
    for cue in cues:
        lines = _cue_lines(cue.text)
        if lines and _rolls_on(cue, lines, end, last):
            lines = lines[1:]
        speaker = _voice(cue.text) or voice
        if lines and speaker != voice:
            voice, lines[0] = speaker, f"{speaker}: {lines[0]}"
        for number, line in enumerate(lines):
            pause = number == 0 and cue.start - end >= _PARAGRAPH_GAP_MS
            yield line, pause or SPEAKER.match(line) is not None
            last = line
        end = cue.end


def _voice(raw: str) -> str:
    match = _VOICE.search(raw)
    return html.unescape(match[1]).strip() if match else ""


def _cue_lines(raw: str) -> list[str]:
    # A cue ends at its first empty line; the parser leaves notes and the next cue's name after it.
    text = raw.split(r"\N\N", 1)[0].replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    lines = html.unescape(_MARKUP.sub("", text)).replace("\xa0", " ").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _rolls_on(cue: pysubs2.SSAEvent, lines: list[str], end: int, last: str) -> bool:
    """Return whether live captions repeat the last line, which has moved up or is shown for a moment."""
    shown_again = lines[0] == last and abs(cue.start - end) <= _ROLLING_MS
    return shown_again and (len(lines) > 1 or cue.end - cue.start <= _ROLLING_MS)
