"""Read the entries of a recognizer's JSON: what each says, when, and who says it.

Services use other names for the same things. An entry has a text of its own, or a list of alternatives of which the
first is the likeliest, or a list of parts; times in seconds, milliseconds, ticks or as a clock; perhaps a speaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.transcripts.languages import TOKEN, joint
from checkpoint_store.cli.transcripts.reading.cue import Cue, Line, clock_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TEXT_NAMES: Final = (
    *("text", "transcript", "body", "punctuated_word", "word", "display", "content", "caption", "sentence"),
    *("value", "utf8", "spokenText"),  # Rev, YouTube, Teams
)
_ALTERNATIVES: Final = ("alternatives", "nBest")
_PART_LISTS: Final = ("segs", "elements", "sentences", "cues", "words")
_SPEAKERS: Final = (
    *("speaker", "speaker_label", "speaker_name", "speaker_id", "speakerLabel", "speakerName", "speakerId"),
    *("speakerTag", "participant"),
)
_STARTS: Final = {
    "start": None, "start_time": None, "startTime": None, "startOffset": None, "ts": None, "time": None,
    "start_ms": 1.0, "startMs": 1.0, "tStartMs": 1.0, "offsetMilliseconds": 1.0, "offsetInTicks": 0.0001,
}  # fmt: skip
"""The names of the time at which an entry begins, with the milliseconds of its unit; None if the name does not tell."""
_ENDS: Final = {
    "end": None, "end_time": None, "endTime": None, "endOffset": None, "end_ts": None, "end_ms": 1.0, "endMs": 1.0,
}  # fmt: skip
_LENGTHS: Final = {
    "duration": None, "dDurationMs": 1.0, "durationMilliseconds": 1.0, "durationInTicks": 0.0001,
}  # fmt: skip
_PLAIN_TIMES: Final = (
    ("start", "end"), ("start", "duration"), ("startTime", "endTime"), ("startTime", "duration"), ("time", "duration"),
)  # fmt: skip
_SECOND_MS: Final = 1000.0
_MILLISECONDS_MIN: Final = 100
"""Times are milliseconds if they are whole numbers, and half of the entries last at least as many."""
_TIME_MS_MAX: Final = 10**12
_TICKS_MAX: Final = 10**18
_TURN_GAP_MS: Final = 2_000
_SHOWN_WORDS: Final = 6


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry of a list says."""

    text: str
    """The text as it stands, with the white space around it."""
    start_ms: int | None
    end_ms: int | None
    speaker: str
    is_attached: bool
    """Whether the text is a mark that stands directly behind the word before it."""
    is_placed: bool
    """Whether the entry is certainly one of a transcript: it has a time, a speaker or alternatives, or is a mark."""


def entries_of(values: Sequence[Any], speakers: Mapping[Any, str]) -> list[Entry | None]:
    """Return an entry for each value of a list, or None where a value has no text.

    ``speakers`` are the names of the speakers, by what stands in an entry in their place.
    """
    unit_ms = _unit_ms(values)
    return [_entry(value, unit_ms, speakers) for value in values]


def _entry(value: Any, unit_ms: float, speakers: Mapping[Any, str]) -> Entry | None:
    text = text_of(value)
    if text is None:
        return None
    start, end = _times_ms(value, unit_ms)
    speaker = _speaker(value, speakers) or _speaker(best_of(value), speakers)
    is_attached = _is_attached(value)
    is_placed = start is not None or bool(speaker or first_list(value, _ALTERNATIVES)) or is_attached
    return Entry(text, start, end, speaker, is_attached, is_placed or not text.strip())


def _is_attached(value: Mapping[str, Any]) -> bool:
    """Return whether an entry is a mark that stands directly behind the word before it."""
    return value.get("type") in ("punctuation", "punct") or value.get("attaches_to") == "previous"


def text_of(value: Any) -> str | None:
    """Return what an entry says, or None if it has no text. Where its own text is empty, its parts say it."""
    if not isinstance(value, dict):
        return None
    texts = [value[name] for name in _TEXT_NAMES if isinstance(value.get(name), str)]
    own = next((text for text in texts if text.strip()), None)
    if own is not None:
        return str(own)
    inner = _inner_text(value)
    return inner if inner is not None or not texts else texts[0]


def _inner_text(value: dict[str, Any]) -> str | None:
    """Return what the likeliest alternative of an entry says, or its parts; None if it has neither."""
    alternatives = first_list(value, _ALTERNATIVES)
    if alternatives:
        return text_of(alternatives[0])
    listed = first_list(value, _PART_LISTS)
    parts = [(text, _is_attached(part)) for part in listed if (text := text_of(part)) is not None]
    space = "" if has_own_spaces(text for text, _ in parts) else " "
    return "".join(text if is_mark else space + text for text, is_mark in parts).removeprefix(space) if parts else None


def best_of(value: Any) -> dict[str, Any]:
    """Return the likeliest alternative of an entry, or an empty dict."""
    alternatives = first_list(value, _ALTERNATIVES) if isinstance(value, dict) else []
    return alternatives[0] if alternatives and isinstance(alternatives[0], dict) else {}


def has_own_spaces(texts: Iterable[str]) -> bool:
    """Return whether the words of a list bring the white space between them along."""
    return any(text != text.strip() for text in texts)


def first_list(value: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Return the first list that stands under one of the names, or an empty list."""
    return next((value[name] for name in names if isinstance(value.get(name), list)), [])


def _speaker(value: Mapping[str, Any], speakers: Mapping[Any, str]) -> str:
    """Return the name of a speaker; a number or a letter becomes ``Speaker 1``, ``Speaker A``."""
    named = next((value[name] for name in _SPEAKERS if value.get(name) not in (None, "")), "")
    if isinstance(named, dict):
        named = named.get("name") or named.get("id") or ""
    if not isinstance(named, int | str) or named == "":
        return ""
    if named in speakers:
        return speakers[named]
    return named if isinstance(named, str) and len(named) > 1 and not named.isdecimal() else f"Speaker {named}"


def _times_ms(value: Mapping[str, Any], unit_ms: float) -> tuple[int | None, int | None]:
    """Return the times of an entry; where it has none, the times of its likeliest alternative, or of its parts."""
    offsets, stamp = value.get("offsets"), value.get("timestamp")
    if isinstance(offsets, dict):  # whisper.cpp
        return milliseconds(offsets.get("from"), 1.0), milliseconds(offsets.get("to"), 1.0)
    if isinstance(stamp, list) and len(stamp) == len(("start", "end")):  # Transformers
        return milliseconds(stamp[0], unit_ms), milliseconds(stamp[1], unit_ms)
    start, end, length = (_time_ms(value, names, unit_ms) for names in (_STARTS, _ENDS, _LENGTHS))
    if start is None:
        inner = [*first_list(value, _ALTERNATIVES)[:1], *first_list(value, _PART_LISTS)]
        times = [_times_ms(part, unit_ms) for part in inner if isinstance(part, dict)]
        start = next((begin for begin, _ in times if begin is not None), None)
        ends = [finish for _, finish in times if finish is not None]
        return start, end if end is not None or not ends else ends[-1]
    return start, start + length if end is None and length is not None else end


def _time_ms(value: Mapping[str, Any], names: Mapping[str, float | None], unit_ms: float) -> int | None:
    """Return the first time that stands under one of the names; ``"1.5s"`` and ``"00:01.500"`` are times, too."""
    for name, unit in names.items():
        time = value.get(name)
        clock = clock_ms(time) if isinstance(time, str) else None
        if clock is not None:
            return clock
        try:
            time = float(time.removesuffix("s")) if isinstance(time, str) else time
        except ValueError:
            continue
        if isinstance(time, int | float):
            return milliseconds(time, unit or unit_ms)
    return None


def milliseconds(time: Any, unit_ms: float) -> int | None:
    """Return a time in milliseconds, of which its unit has ``unit_ms``; None if it is no number."""
    is_time = isinstance(time, int | float) and abs(time) < _TICKS_MAX and abs(time) * unit_ms < _TIME_MS_MAX
    return round(time * unit_ms) if is_time else None


def _unit_ms(values: Sequence[Any]) -> float:
    """Return the milliseconds of the unit in which the times of a list stand, where their names do not tell."""
    lengths = []
    for value in values:
        names = _PLAIN_TIMES if isinstance(value, dict) else ()
        start_name, end_name = next((pair for pair in names if pair[0] in value and pair[1] in value), ("", ""))
        if start_name:
            start, end = value[start_name], value[end_name]
            if type(start) is not int or type(end) is not int:
                return _SECOND_MS
            lengths.append(end if end_name == "duration" else end - start)
    median = sorted(lengths)[len(lengths) // 2] if lengths else 0
    return 1.0 if median >= _MILLISECONDS_MIN else _SECOND_MS


def turns(entries: Iterable[Entry], *, own_spaces: bool) -> list[Cue]:
    """Return a cue for the entries that follow each other without a pause and without a change of the speaker.

    ``own_spaces``: the texts of the entries bring the white space between them along.
    """
    cues: list[Cue] = []
    text, speaker, start, end = "", "", 0, 0
    for entry in entries:
        begin = end if entry.start_ms is None else entry.start_ms
        goes_on = entry.is_attached or not entry.text.strip()
        is_apart = entry.speaker != speaker or begin < start or begin - end >= _TURN_GAP_MS
        if text and is_apart and not goes_on:
            cues.append(plain_cue(start, end, text, speaker))
            text = ""
        if not text:
            speaker, start, end = entry.speaker, begin, begin
        words = entry.text if own_spaces else entry.text.strip()
        text += words if own_spaces or entry.is_attached else joint(text, words) + words
        end = max(end, begin if entry.end_ms is None else entry.end_ms)
    return [*cues, plain_cue(start, end, text, speaker)] if text.strip() else cues


def plain_cue(start_ms: int, end_ms: int, words: str, speaker: str) -> Cue:
    """Return the cue of a text in a single line."""
    text = " ".join(words.split())
    return Cue(start_ms, end_ms, (Line(text, speaker),) if text else ())


def has_same_words(whole: str, cues: list[Cue]) -> bool:
    """Return whether a text has the words of the cues; where people speak at a time, their order may differ."""
    whole_words, cue_words = _word_lists(whole, cues)
    return "".join(whole_words) == "".join(cue_words) or sorted(whole_words) == sorted(cue_words)


def rests_from_difference(whole: str, cues: list[Cue]) -> tuple[str, str]:
    """Return the next words of a text, and of the cues, from their first difference on; "" if no words are left."""
    whole_words, cue_words = _word_lists(whole, cues)
    pairs = zip("".join(whole_words), "".join(cue_words), strict=False)  # the same text may be cut into other words
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return _next_words(whole_words, same), _next_words(cue_words, same)


def _next_words(words: list[str], position: int) -> str:
    """Return a few words, from the word with the character at a position on, where no space is between the words."""
    ends = accumulate(map(len, words))
    start = next((index for index, end in enumerate(ends) if end > position), len(words))
    return " ".join(words[start : start + _SHOWN_WORDS])


def _word_lists(whole: str, cues: list[Cue]) -> tuple[list[str], list[str]]:
    """Return the words of a text, and those of cues."""
    return TOKEN.findall(whole), TOKEN.findall(" ".join(cue.text for cue in cues))
