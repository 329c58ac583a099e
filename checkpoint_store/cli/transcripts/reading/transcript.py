"""Read a file as the text of a talk: its format is known by its content first, and by its suffix second."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.cli.paths import as_argument, input_text, shell_words
from checkpoint_store.cli.transcripts.reading.ass import is_ass, read_ass
from checkpoint_store.cli.transcripts.reading.cue import BadLineError
from checkpoint_store.cli.transcripts.reading.json_file import is_json, read_json
from checkpoint_store.cli.transcripts.reading.lrc import is_lrc, is_whisper_text, read_lrc, read_whisper_text
from checkpoint_store.cli.transcripts.reading.speech import speech
from checkpoint_store.cli.transcripts.reading.srt import is_sbv, is_srt, read_sbv, read_srt
from checkpoint_store.cli.transcripts.reading.table import are_labels, is_csv, is_tsv, read_csv, read_labels, read_tsv
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError, other_text_kind, read_text
from checkpoint_store.cli.transcripts.reading.timed_text import without_time_lines
from checkpoint_store.cli.transcripts.reading.ttml import is_ttml, read_ttml
from checkpoint_store.cli.transcripts.reading.webvtt import has_header, read_webvtt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from checkpoint_store.cli.transcripts.reading.cue import Cue, Line

_READER_VERSION: Final = 2
"""Raise it once a release reads a format better: results of another reading belong to another plan."""
_TIMED_TEXT: Final = "Text with times"
_AS_IT_IS: Final = "--plain-text"
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
"""A surrogate without its other half: JSON can write it, and UTF-8 cannot."""
_END_OF_FILE: Final = re.compile(r"\x1a\s*\Z")
"""The sign with which programs of DOS end a file."""


class _Format(NamedTuple):
    """A format with times."""

    read: Callable[[str], list[Cue]]
    is_of_kind: Callable[[str], bool]
    """Knows the format by the beginning of a text."""
    suffixes: tuple[str, ...] = ()
    are_captions: bool = False
    """Whether a word that stands twice may only be shown twice; in the other formats it was heard twice."""


_FORMATS: Final = {
    "WebVTT": _Format(read_webvtt, has_header, (".vtt",), are_captions=True),
    "TSV": _Format(read_tsv, is_tsv),
    "ASS": _Format(read_ass, is_ass, (".ass", ".ssa"), are_captions=True),
    "TTML": _Format(read_ttml, is_ttml, (".ttml", ".dfxp"), are_captions=True),
    "JSON": _Format(read_json, is_json, (".json",)),
    "CSV": _Format(read_csv, is_csv),
    "Labels": _Format(read_labels, are_labels),
    "LRC": _Format(read_lrc, is_lrc, (".lrc",)),
    "Whisper text": _Format(read_whisper_text, is_whisper_text),
    "SRT": _Format(read_srt, is_srt, (".srt",), are_captions=True),
    "SBV": _Format(read_sbv, is_sbv, (".sbv",), are_captions=True),
}
"""The formats in the order in which a text is looked at for them."""
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
    kind = next((name for name, form in _FORMATS.items() if form.is_of_kind(text)), None)
    if kind == "SRT" and suffix == ".vtt":  # the header is missing
        kind = "WebVTT"
    other = other_text_kind(text, suffix) if kind is None else None
    if other is not None:
        raise UnreadableTranscriptError(f"{input_text(path)} {other.format(name=shell_words([as_argument(path)]))}")
    kind = kind or next((name for name, form in _FORMATS.items() if suffix in form.suffixes), None)
    if kind is None:
        turns = without_time_lines(text)
        reader = f"{_TIMED_TEXT} {_READER_VERSION}"
        return Transcript(text, None) if turns is None else Transcript(turns, reader, plain_text)
    form = _FORMATS[kind]
    if form.are_captions:
        text = text.replace("\ufeff", "")  # each file has a mark of its own where some were put together
    cues = form.read(text)
    words = speech(with_names(cues) if form.are_captions else cues, shows_again=form.are_captions)
    return Transcript(words, f"{kind} {_READER_VERSION}", plain_text)
