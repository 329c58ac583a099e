"""Read the tables of speech recognizers: Whisper's TSV, the CSV of whisper.cpp and its kin, the labels of Audacity."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.reading.cue import BadLineError, Cue
from checkpoint_store.cli.transcripts.reading.json_entries import entries_of, plain_cue, turns

if TYPE_CHECKING:
    from collections.abc import Iterator

_TSV_HEADER: Final = "start\tend\ttext"
_LABEL: Final = re.compile(
    r"(\d{1,9}[.,]\d{1,18})\t(\d{1,9}[.,]\d{1,18})\t(?:\[\[([^\[\]]*)\]\])?(.*)"
)  # WhisperX: [[SPEAKER_00]]
_SPECTRUM: Final = "\\\t"
_LABELS_MIN: Final = 2
_COLUMNS: Final = frozenset({"start", "end", "text"})
_DELIMITERS: Final = ",;\t"
_TIMES: Final = ("start", "end")
_DIGITS_MAX: Final = 18
"""No time has more; Python refuses to read a number of thousands of digits."""
_OTHER_NAMES: Final = {"in": "start", "begin": "start", "out": "end", "transcript": "text", "caption": "text"}
_NAME_LENGTH_MAX: Final = 200
"""A longer field is no name of a column: a first line may be a whole book."""
_NO_LETTERS: Final = re.compile(r"[^a-z]+")
_UNIT: Final = re.compile(r"(?:name)?(?:times?|timecodes?)?(?:m?s|(?:milli)?seconds?)?$")


def is_tsv(text: str) -> bool:
    """Return whether the first line is the header of Whisper's TSV."""
    return _first_line(text).rstrip() == _TSV_HEADER


def read_tsv(text: str) -> list[Cue]:
    """Return the segments of Whisper's TSV, times in milliseconds; :class:`BadLineError` at a line that is none."""
    cues, has_header = [], False
    for number, line in enumerate(text.split("\n"), start=1):
        start, _, rest = line.strip("\ufeff").partition("\t")
        end, tab, words = rest.partition("\t")
        if not line.strip() or not has_header:
            has_header = has_header or bool(line.strip())
            continue
        if not tab or not _is_whole(start) or not _is_whole(end):
            wrong = f"{line.strip()[:60]!r} should be two times in milliseconds and a text, with tabs between them"
            raise BadLineError(number, wrong)
        cues.append(plain_cue(int(start), int(end), words, ""))
    return cues


def is_csv(text: str) -> bool:
    """Return whether the first line names columns for the start, the end and the text, whatever stands between them."""
    line = _first_line(text)
    return any(set(_names(line.split(delimiter))) >= _COLUMNS for delimiter in _DELIMITERS)


def read_csv(text: str) -> list[Cue]:
    """Return the segments of a table with the columns ``start``, ``end``, ``text``, and perhaps ``speaker``.

    :class:`BadLineError` at a row without a text, at a time that is none, and at a quote that never ends.
    """
    numbers, rows = [], []
    for number, row in _rows(text.lstrip("\ufeff")):
        numbers.append(number)
        rows.append(row)
    entries = entries_of(rows, {})
    for number, row, entry in zip(numbers, rows, entries, strict=True):
        if entry is None or entry.start_ms is None or entry.end_ms is None:
            wrong = f"{row.get('start')!r:.60} and {row.get('end')!r:.60} should be the times of a text"
            raise BadLineError(number, wrong)
    return turns((entry for entry in entries if entry), own_spaces=False)


def _rows(text: str) -> Iterator[tuple[int, dict[str, str | int]]]:
    """Yield the number of each row's last line, and its fields by their columns; whole numbers are times."""
    line = _first_line(text)
    delimiter = next(mark for mark in _DELIMITERS if set(_names(line.split(mark))) >= _COLUMNS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for row in reader:
            is_blank = not any(field.strip() for field in row)
            if names and not is_blank:
                fields = dict(zip(names, row, strict=False))
                times = {name: int(fields[name]) for name in _TIMES if _is_whole(fields.get(name, ""))}
                yield reader.line_num, fields | times
            elif not is_blank:
                names = _names(row)
    except csv.Error as error:
        raise BadLineError(reader.line_num, str(error)) from error


def _is_whole(field: str) -> bool:
    return field.strip().isdecimal() and len(field.strip()) <= _DIGITS_MAX


def are_labels(text: str) -> bool:
    """Return whether the first lines are labels of Audacity: two times in seconds and a text, parted by tabs."""
    lines = [line for line in text.lstrip("\ufeff").split("\n", 20) if line.strip() and not line.startswith(_SPECTRUM)]
    return len(lines) >= _LABELS_MIN and all(_LABEL.fullmatch(line) for line in lines[:_LABELS_MIN])


def read_labels(text: str) -> list[Cue]:
    """Return the labels of an Audacity file; :class:`BadLineError` at a line that is none."""
    cues = []
    for number, line in enumerate(text.strip("\ufeff").split("\n"), start=1):
        label = _LABEL.fullmatch(line)
        if label:
            start, end = (round(float(time.replace(",", ".")) * 1000) for time in label.group(1, 2))
            cues.append(plain_cue(start, end, label[4], label[3] or ""))
        elif line.strip() and not line.startswith(_SPECTRUM):
            raise BadLineError(number, f"{line.strip()[:60]!r} should be two times in seconds and a text")
    return cues


def _first_line(text: str) -> str:
    return text.lstrip("\ufeff\n").split("\n", 1)[0]


def _names(fields: list[str]) -> list[str]:
    """Return the names of columns without what differs between programs: ``Start time (s)`` is ``start``."""
    short = (field if len(field) <= _NAME_LENGTH_MAX else "" for field in fields)
    names = (_UNIT.sub("", _NO_LETTERS.sub("", field.lower()), count=1) for field in short)
    return [_OTHER_NAMES.get(name, name) for name in names]
