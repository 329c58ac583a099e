"""Read the JSON and TSV files of speech recognizers: Whisper, whisper.cpp, WhisperX, OpenAI's service, Transformers."""

from __future__ import annotations

import json
from typing import Any, Final

from checkpoint_store.cli.transcripts.reading.cue import BadLineError, Cue, Line
from checkpoint_store.cli.transcripts.scripts import TOKEN

_TSV_HEADER: Final = "start\tend\ttext"
_SEGMENT_LISTS: Final = ("segments", "transcription", "chunks")
_TEXT_ALONE: Final = frozenset({"text", "language", "duration", "task", "usage", "logprobs", "type"})
_RECORDS: Final = "for records, one a line, there is --split lines"
_SECONDS_MAX: Final = 10**9


def is_tsv(text: str) -> bool:
    """Return whether the first line is the header of Whisper's TSV."""
    return text.lstrip("\ufeff\n").split("\n", 1)[0].rstrip() == _TSV_HEADER


def read_tsv(text: str) -> list[Cue]:
    """Return the segments of Whisper's TSV; its times are milliseconds.

    Raises:
        BadLineError: a line has not three columns, or its times are no numbers.
    """
    cues, has_header = [], False
    for number, line in enumerate(text.split("\n"), start=1):
        start, _, rest = line.strip("\ufeff").partition("\t")
        end, tab, words = rest.partition("\t")
        if not line.strip() or not has_header:
            has_header = has_header or bool(line.strip())
            continue
        if not tab or not start.strip().isdecimal() or not end.strip().isdecimal():
            wrong = f"{line.strip()[:60]!r} should be two times in milliseconds and a text, with tabs between them"
            raise BadLineError(number, wrong)
        cues.append(_cue(int(start), int(end), words, ""))
    return cues


def is_json(text: str) -> bool:
    """Return whether the text is a JSON document or a list of documents, one a line."""
    first = text.strip("\ufeff \t\n").split("\n", 1)[0]
    return _document(text) is not None or isinstance(_document(first), dict)


def read_json(text: str) -> list[Cue]:
    """Return the segments of a recognizer's JSON document.

    Raises:
        BadLineError: the document is no JSON, or is of another kind; a segment has no text; or the whole text has words
            that the segments have not.
    """
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        raise BadLineError(line, f"this is not one JSON document; {_RECORDS}") from error
    cues = _cues_of(document) if isinstance(document, dict) else None
    if cues is None:
        raise BadLineError(0, f"this JSON is no transcript: it has no 'segments' with a 'text' each; {_RECORDS}")
    return cues


def _document(text: str) -> Any:
    """Return the object or array that a text is, or None."""
    text = text.strip("\ufeff \t\n")
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _cues_of(document: dict[str, Any]) -> list[Cue] | None:
    whole = document.get("text")
    for name in _SEGMENT_LISTS:
        if isinstance(document.get(name), list) and (document[name] or isinstance(whole, str)):
            cues = _segments(name, document[name])
            if isinstance(whole, str):
                _check_same_words(whole, cues, name)
            return cues
    if isinstance(whole, str) and set(document) <= _TEXT_ALONE:
        return [_cue(0, 0, whole, "")]
    return None


def _segments(name: str, values: list[Any]) -> list[Cue]:
    """Return the segments; one without a time keeps its place behind the one before it."""
    cues: list[Cue] = []
    for index, value in enumerate(values):
        cues.append(_segment(name, index, value, cues[-1].start_ms if cues else 0))
    return cues


def _segment(name: str, index: int, segment: Any, start_ms: int) -> Cue:
    words = segment.get("text") if isinstance(segment, dict) else None
    if not isinstance(words, str):
        raise BadLineError(0, f"{name}[{index}] has no text")
    speaker = segment.get("speaker")
    start, end = (_milliseconds(time) for time in _times(segment))
    start = start_ms if start is None else start
    return _cue(start, start if end is None else end, words, speaker if isinstance(speaker, str) else "")


def _times(segment: dict[str, Any]) -> tuple[Any, Any]:
    """Return the times in seconds, or what stands in their place."""
    offsets, stamp = segment.get("offsets"), segment.get("timestamp")
    if isinstance(offsets, dict):  # whisper.cpp has milliseconds
        return _thousandth(offsets.get("from")), _thousandth(offsets.get("to"))
    if isinstance(stamp, list) and len(stamp) == len(("start", "end")):  # Transformers
        return stamp[0], stamp[1]
    return segment.get("start"), segment.get("end")


def _thousandth(value: Any) -> float | None:
    return value / 1000 if isinstance(value, int | float) else None


def _milliseconds(seconds: Any) -> int | None:
    is_time = isinstance(seconds, int | float) and abs(seconds) < _SECONDS_MAX
    return round(seconds * 1000) if is_time else None


def _check_same_words(whole: str, cues: list[Cue], name: str) -> None:
    whole_words, cue_words = (TOKEN.findall(text) for text in (whole, " ".join(cue.text for cue in cues)))
    if "".join(whole_words) != "".join(cue_words):
        pairs = zip(whole_words, cue_words, strict=False)
        differs = next((index for index, (word, cue_word) in enumerate(pairs) if word != cue_word), 0)
        place = " ".join(whole_words[differs : differs + 6])
        raise BadLineError(0, f"'text' and {name!r} have different words, from {place!r} on; remove one of them")


def _cue(start_ms: int, end_ms: int, words: str, speaker: str) -> Cue:
    text = " ".join(words.split())
    return Cue(start_ms, end_ms, (Line(text, speaker),) if text else ())
