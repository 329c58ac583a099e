"""Read the JSON of speech recognizers, caption services and editors: a list of entries with text and times."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.transcripts.reading.cue import BadLineError, Cue, spoken_by
from checkpoint_store.cli.transcripts.reading.json_entries import (
    Entry,
    best_of,
    entries_of,
    first_list,
    has_own_spaces,
    has_same_words,
    plain_cue,
    rests_from_difference,
    text_of,
    turns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_speakers(document: dict[str, Any], name: str, values: list[Any]) -> list[Any]:
    """Return the values of a list with the speakers that Amazon's service puts beside it, and Google's at the words."""
    if name == "results":
        return _named_words(values)
    labels = dict(_labels(document.get("speaker_labels"))) if name == "items" else {}
    if not labels:
        return values
    return [
        {"speaker_label": labels.get(str(value.get("start_time"))), **value} if isinstance(value, dict) else value
        for value in values
    ]


def _labels(speaker_labels: Any) -> Iterator[tuple[str, Any]]:
    """Yield the start of each word, and the label of its speaker."""
    segments = speaker_labels.get("segments") if isinstance(speaker_labels, dict) else None
    for segment in segments if isinstance(segments, list) else ():
        items = segment.get("items") if isinstance(segment, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("start_time"), str):
                yield item["start_time"], item.get("speaker_label")


def _named_words(results: list[Any]) -> list[Any]:
    """Return the words that name their speakers, if they are all words: in the last result they stand once more."""
    best = [best_of(result) for result in results]
    words = [word for alternative in best for word in first_list(alternative, ("words",))]
    named = [word for word, entry in zip(words, entries_of(words, {}), strict=True) if entry and entry.speaker]
    if not named:
        return results
    texts = [alternative.get("transcript") for alternative in best]
    transcripts = [text for text in texts if isinstance(text, str) and text.strip()]
    cues = turns((entry for entry in entries_of(named, {}) if entry), own_spaces=False)
    if not transcripts or has_same_words(" ".join(transcripts), cues):
        return named
    return [result for result, alternative in zip(results, best, strict=True) if "transcript" in alternative]


_SEGMENT_LISTS: Final = ("segments", "transcription", "chunks")
"""Whisper, WhisperX and OpenAI's service; whisper.cpp; Transformers."""
_SENTENCE_LISTS: Final = (
    *("utterances", "monologues", "phrases", "recognizedPhrases", "audio_segments", "speech_segments", "sentences"),
    *("captions", "snippets", "paragraphs", "transcript", "entries", "cues", "lines", "events"),
)
_WORD_LISTS: Final = ("items", "results", "words", "tokens", "result")
_SPACED_LISTS: Final = ("words", "tokens")
"""The lists in which a text may bring the white space around it along."""
_WHOLE_TEXTS: Final = ("text", "transcript", "full_transcript", "punct")  # the last is of the BBC's Kaldi
_WHOLE_LISTS: Final = ("transcripts", "combinedPhrases", "combinedRecognizedPhrases")
_WRAPPERS: Final = (
    *("results", "result", "transcription", "transcript", "meeting", "response", "output", "data", "retval"),
)
_TEXT_ALONE: Final = frozenset(
    {"text", "language", "duration", "task", "usage", "logprobs", "type", "model", "x_groq", *_SEGMENT_LISTS, "words"}
)
_RECORDS: Final = "for records, one a line, there is --split lines, and for any text as it is --plain-text"
_OBJECT_BEGINS: Final = re.compile(r"[\s\ufeff]*(?:\[\s*)?\{\s*\"[^\"\n]{0,200}\"\s*:")


def is_json(text: str) -> bool:
    """Return whether the text is a JSON document, or begins like an object: its end may be missing."""
    return _OBJECT_BEGINS.match(text) is not None or _is_document(text.strip("\ufeff \t\n"))


def _is_document(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json(text: str) -> list[Cue]:
    """Return what the JSON document of a recognizer says; :class:`BadLineError` if it is of another kind.

    So it is if a segment has no text, and if the whole text has words that the entries have not.
    """
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        raise BadLineError(line, f"this is not one JSON document; {_RECORDS}") from error
    try:
        cues = _cues_of(document, {}) if isinstance(document, dict) else _whole_list(document)
    except RecursionError:
        cues = None
    if cues is None:
        why = "this JSON is no transcript: it has no list of segments or words, each with a 'text' and a time"
        raise BadLineError(0, f"{why}; {_RECORDS}")
    return cues


def _whole_list(document: Any) -> list[Cue] | None:
    """Return the entries of a list that is the whole document, if each has a text, and a time or a speaker."""
    values = document if isinstance(document, list) else []
    entries = [entry for entry in entries_of(values, {}) if entry is not None and entry.is_placed]
    return turns(entries, own_spaces=False) if entries and len(entries) == len(values) else None


def _cues_of(document: dict[str, Any], speakers: dict[Any, str]) -> list[Cue] | None:
    """Return what the first list of sentences or words says, in a document or in what it wraps; else its whole text."""
    speakers = speakers | _names(document)
    for read in (_turns_of, _segments_of, _entries_of, _channels_of):
        cues = read(document, speakers)
        if cues is not None:
            return cues
    for name in _WRAPPERS:
        cues = _cues_of(document[name], speakers) if isinstance(document.get(name), dict) else None
        if cues is not None:
            return cues
    name, whole = _whole_text(document)
    is_alone = whole is not None and (name != "text" or set(document) <= _TEXT_ALONE)
    return [plain_cue(0, 0, whole, "")] if whole is not None and is_alone else None


def _names(document: dict[str, Any]) -> dict[Any, str]:
    """Return the names that a list of speakers has for what stands in the entries."""
    speakers = document.get("speakers")
    named = [speaker for speaker in speakers if isinstance(speaker, dict)] if isinstance(speakers, list) else []
    return {
        speaker["id"]: speaker["name"]
        for speaker in named
        if isinstance(speaker.get("id"), int | str) and isinstance(speaker.get("name"), str) and speaker["name"]
    }


def _whole_text(document: dict[str, Any]) -> tuple[str, str | None]:
    """Return the name of the whole text of a document, and the text; None if it has none.

    A text without a word is the last choice: services leave it empty and have the words in a list.
    """
    texts = [(name, document[name]) for name in _WHOLE_TEXTS if isinstance(document.get(name), str)]
    lists = [(name, document[name]) for name in _WHOLE_LISTS if isinstance(document.get(name), list)]
    texts += [(name, " ".join(text_of(value) or "" for value in values)) for name, values in lists]
    return next((text for text in texts if text[1].strip()), texts[0] if texts else ("", None))


def _turns_of(document: dict[str, Any], speakers: dict[Any, str]) -> list[Cue] | None:
    """Return the turns that insanely-fast-whisper puts beside the chunks, each with its speaker."""
    values = document.get("speakers")
    entries = entries_of(values, speakers) if isinstance(values, list) else []
    turned = [entry for entry in entries if entry is not None and entry.speaker]
    if not turned or len(turned) < len(entries):
        return None
    try:
        return _checked(document, "speakers", turned)
    except BadLineError:
        if any(isinstance(document.get(name), list) and document[name] for name in _SEGMENT_LISTS):
            return None  # the turns have other words than the text, and the segments may have the same
        raise


def _segments_of(document: dict[str, Any], speakers: dict[Any, str]) -> list[Cue] | None:
    """Return the segments of Whisper and its kin, or None if the document has none."""
    for name in _SEGMENT_LISTS:
        values, whole = document.get(name), document.get("text")
        if isinstance(values, list) and values:
            cues = _segments(name, values, speakers)
            if isinstance(whole, str) and whole.strip():
                _check_same_words("text", whole, cues, name)
            return cues
    return None


def _segments(name: str, values: list[Any], speakers: dict[Any, str]) -> list[Cue]:
    """Return the segments; a segment without a time keeps its place behind the segment before it."""
    cues: list[Cue] = []
    for index, (value, entry) in enumerate(zip(values, entries_of(values, speakers), strict=True)):
        if entry is None:
            raise BadLineError(0, f"{name}[{index}] has no text")
        named = value.get("speaker")
        speaker = named if isinstance(named, str) and named not in speakers else entry.speaker
        start = entry.start_ms if entry.start_ms is not None else cues[-1].start_ms if cues else 0
        cues.append(plain_cue(start, start if entry.end_ms is None else entry.end_ms, entry.text, speaker))
    return cues


def _entries_of(document: dict[str, Any], speakers: dict[Any, str]) -> list[Cue] | None:
    """Return what the first list says whose entries are those of a transcript."""
    for name in (*_SENTENCE_LISTS, *_WORD_LISTS):
        values = document.get(name)
        if isinstance(values, list):
            values = with_speakers(document, name, values)
            entries = [entry for entry in entries_of(values, speakers) if entry is not None]
            placed = sum(entry.is_placed for entry in entries)
            if any(entry.text.strip() for entry in entries) and 2 * placed > len(entries):
                return _checked(document, name, entries)
    return None


def _checked(document: dict[str, Any], name: str, entries: list[Entry]) -> list[Cue]:
    """Return the entries of a list; instead of words that differ from the whole text, as by their marks, the text."""
    own_spaces = name in _SPACED_LISTS and has_own_spaces(entry.text for entry in entries)
    cues = turns(entries, own_spaces=own_spaces)
    whole_name, whole = _whole_text(document)
    if whole is None or not whole.strip():
        return cues
    has_speakers = any(entry.speaker for entry in entries)
    if name in _WORD_LISTS and not has_speakers and not has_same_words(whole, cues):
        return [plain_cue(0, 0, whole, "")]
    _check_same_words(whole_name, whole, cues, name)
    return cues


def _channels_of(document: dict[str, Any], speakers: dict[Any, str]) -> list[Cue] | None:
    """Return what is said on the channels of a recording; if several have words, their numbers name the speakers."""
    channels = document.get("channels")
    if not isinstance(channels, list):
        return None
    read = [_cues_of(best_of(channel), speakers) for channel in channels]
    cues = [cues for cues in read if cues is not None]
    if not cues or len(cues) < len(read):
        return None
    if sum(any(cue.lines for cue in channel) for channel in cues) <= 1:
        return [cue for channel in cues for cue in channel]
    numbered = [(number, cue) for number, channel in enumerate(cues, start=1) for cue in channel]
    names = ((number, cue.lines[0].speaker if cue.lines else "") for number, cue in numbered)
    channel_names = (f"Channel {number}, {name}".removesuffix(", ") for number, name in names)
    return spoken_by([cue for _, cue in numbered], channel_names)


def _check_same_words(whole_name: str, whole: str, cues: list[Cue], name: str) -> None:
    if has_same_words(whole, cues):
        return
    goes_on = (f"goes on with {words!r}" if words else "ends" for words in rests_from_difference(whole, cues))
    rests = " and ".join(f"{part!r} {rest}" for part, rest in zip((whole_name, name), goes_on, strict=True))
    raise BadLineError(0, f"{whole_name!r} and {name!r} have different words: {rests}; remove one of them")
