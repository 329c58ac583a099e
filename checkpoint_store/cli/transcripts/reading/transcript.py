"""Read a file as the text of a talk: its format is known by its content first, and by its suffix second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.paths import as_argument, input_text, shell_words
from checkpoint_store.cli.transcripts.reading.ass import is_ass, read_ass
from checkpoint_store.cli.transcripts.reading.cue import BadLineError, time_line
from checkpoint_store.cli.transcripts.reading.json_file import is_json, read_json
from checkpoint_store.cli.transcripts.reading.lrc import is_lrc, is_whisper_text, read_lrc, read_whisper_text
from checkpoint_store.cli.transcripts.reading.names import with_names
from checkpoint_store.cli.transcripts.reading.speech import speech
from checkpoint_store.cli.transcripts.reading.srt import read_sbv, read_srt, sbv_times
from checkpoint_store.cli.transcripts.reading.table import are_labels, is_csv, is_tsv, read_csv, read_labels, read_tsv
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError, other_text_kind, read_text
from checkpoint_store.cli.transcripts.reading.timed_text import without_time_lines
from checkpoint_store.cli.transcripts.reading.ttml import is_ttml, read_ttml
from checkpoint_store.cli.transcripts.reading.webvtt import has_header, read_webvtt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.cli.transcripts.reading.cue import Cue

_READER_VERSION: Final = 2
"""Raise it once a release reads a format better: results of another reading belong to another plan."""
_FIRST_LINES: Final = 2
_TIMED_TEXT: Final = "Text with times"
_AS_IT_IS: Final = "--plain-text"
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
"""A surrogate without its other half: JSON can write it, and UTF-8 cannot."""
_END_OF_FILE: Final = re.compile(r"\x1a\s*\Z")
"""The sign with which programs of DOS end a file."""
_SUFFIXES: Final = {
    ".srt": "SRT",
    ".vtt": "WebVTT",
    ".sbv": "SBV",
    ".ass": "ASS",
    ".ssa": "ASS",
    ".ttml": "TTML",
    ".dfxp": "TTML",
    ".json": "JSON",
    ".lrc": "LRC",
}
_CAPTIONS: Final[dict[str, Callable[[str], list[Cue]]]] = {
    "SRT": read_srt,
    "WebVTT": read_webvtt,
    "SBV": read_sbv,
    "ASS": read_ass,
    "TTML": read_ttml,
}
_HEARD: Final[dict[str, Callable[[str], list[Cue]]]] = {
    "JSON": read_json,
    "TSV": read_tsv,
    "CSV": read_csv,
    "Labels": read_labels,
    "LRC": read_lrc,
    "Whisper text": read_whisper_text,
}
"""The formats in which a word that stands twice was heard twice; captions may only show it twice."""

_TESTS: Final[tuple[tuple[str, Callable[[str], bool]], ...]] = (
    ("WebVTT", has_header),
    ("TSV", is_tsv),
    ("ASS", is_ass),
    ("TTML", is_ttml),
    ("JSON", is_json),
    ("CSV", is_csv),
    ("Labels", are_labels),
    ("LRC", is_lrc),
    ("Whisper text", is_whisper_text),
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of a talk, and how it was read."""

    text: str
    reader: str | None
    """The format and the version of its reader, a part of the job's config; None for plain text."""
    plain_text: str | None = None
    """The text of the file as it is; None for plain text."""


def read_transcript(path: Path, encoding: str | None = None, *, as_plain_text: bool = False) -> Transcript:
    """Read a caption file, a recognizer's JSON or table, or plain text; its lines end with a line feed.

    ``as_plain_text``: the text is taken as it is, whatever it looks like. See :func:`read_text` for ``encoding`` and
    for :class:`UnreadableTranscriptError`, which also says that a line cannot be read without losing words, or that the
    file says nothing.
    """
    text = read_text(path, encoding)
    is_as_it_is = as_plain_text or not text.strip()
    transcript = Transcript(text, None) if is_as_it_is else _transcript_or_way_out(path, text)
    if not transcript.text.strip():
        raise UnreadableTranscriptError(f"{input_text(path)} is empty")
    half = _HALF_CHARACTER.search(transcript.text)
    if half is not None:  # neither a COMMAND nor a file takes it
        what = f"has {half[0]!a} in it, half of a character that was cut in two"
        raise UnreadableTranscriptError(f"{input_text(path)} {what}; put \\ufffd, or the character, in its place")
    return transcript


def _transcript_or_way_out(path: Path, text: str) -> Transcript:
    """Return the transcript of a text; each refusal names the option that takes the text as it is."""
    try:
        transcript = _transcript(path, text)
    except BadLineError as error:
        place = f", line {error.line_number}" if error.line_number else ""
        refusal = f"{input_text(path)}{place}: {error.reason}"
    except UnreadableTranscriptError as error:
        refusal = str(error)
    else:
        if transcript.text.strip():
            return transcript
        refusal = f"{input_text(path)} has no subtitles in it"
    way_out = "" if _AS_IT_IS in refusal else f"; for the text as it is: {_AS_IT_IS}"
    raise UnreadableTranscriptError(f"{refusal}{way_out}")


def _transcript(path: Path, text: str) -> Transcript:
    plain_text, suffix = text, path.suffix.lower()
    text = _END_OF_FILE.sub("", text)
    kind = _kind_by_content(text, suffix)
    other = other_text_kind(text, suffix) if kind is None else None
    if other is not None:
        raise UnreadableTranscriptError(f"{input_text(path)} {other.format(name=shell_words([as_argument(path)]))}")
    kind = kind or _SUFFIXES.get(suffix)
    if kind is None:
        turns = without_time_lines(text)
        return (
            Transcript(text, None)
            if turns is None
            else Transcript(turns, f"{_TIMED_TEXT} {_READER_VERSION}", plain_text)
        )
    if kind in _CAPTIONS:
        text = text.replace("\ufeff", "")  # each file has a mark of its own where some were put together
    cues = (_CAPTIONS | _HEARD)[kind](text)
    words = speech(with_names(cues) if kind in _CAPTIONS else cues, shows_again=kind in _CAPTIONS)
    return Transcript(words, f"{kind} {_READER_VERSION}", plain_text)


def _kind_by_content(text: str, suffix: str) -> str | None:
    for kind, is_of_kind in _TESTS:
        if is_of_kind(text):
            return kind
    first = [line for line in text.split("\n", 50) if line.strip()][:_FIRST_LINES]
    if any(time_line(line) for line in first):
        return "WebVTT" if suffix == ".vtt" else "SRT"
    return "SBV" if any(sbv_times(line) for line in first) else None
