"""The inputs of a run, prose or records; all are read and checked before the work on the first begins."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.paths import STANDARD, is_same_place, path_text
from checkpoint_store.cli.run.outputs.output import UnusableOutputError, check_output
from checkpoint_store.cli.transcripts.clean import cleaned_as
from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.split import TextChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from checkpoint_store.cli.transcripts.reading.transcript import Transcript


@dataclass(frozen=True)
class Content:
    """The chunks of an input."""

    chunks: list[TextChunk]
    language: str | None = None
    """The spoken language, if it is known."""
    reader: str | None = None
    """The format and the version of its reader, a part of the job's config; None for plain text and records."""
    plain_text: str | None = None
    """The text of the file as it is, where a reader has read it."""
    cleaned: tuple[str, ...] | None = None
    """The text that the built-in cleaner makes of each chunk; None if COMMAND does the work."""

    def fingerprint(self, chunk: TextChunk) -> dict[str, str]:
        """Return what identifies a chunk of the built-in cleaner: its text, and what came of it among the others.

        The cleaner looks across the cuts. Beside another neighbour the same text may lose another word.
        """
        return {"text": chunk.text, "cleaned": self._cleaned_by_chunk[id(chunk)]}

    @cached_property
    def _cleaned_by_chunk(self) -> dict[int, str]:
        return dict(zip(map(id, self.chunks), self.cleaned or (), strict=True))


def cleaned_content(transcript: Transcript, chunks: list[TextChunk], language: str | None) -> Content:
    """Return what the built-in cleaner makes of a transcript that was cut into chunks.

    The cleaner sees the whole text. Each chunk gets its part, and the white space that stands before that part.
    """
    language, traced = cleaned_as(transcript.text, language)
    starts, position = [], 0
    for chunk in chunks:
        starts.append(position + len(chunk.separator))
        position = starts[-1] + len(chunk.text)
    parts = traced.chunks(starts)
    joined = [dataclasses.replace(chunk, separator=part.separator) for chunk, part in zip(chunks, parts, strict=True)]
    return Content(joined, language, transcript.reader, transcript.plain_text, tuple(part.text for part in parts))


_FIELD_LENGTH_MAX: Final = 2**31 - 1
_DELIMITERS: Final = ",;\t"
"""What may stand between the fields. Where the comma is the decimal point, Excel writes semicolons."""


class UnreadableRecordsError(Exception):
    """A file holds no records; the message is one line, and begins after the name of the file."""


def lines(text: str) -> list[TextChunk]:
    """Return a chunk for each line that is not empty."""
    return [TextChunk(line) for line in text.split("\n") if line.strip()]


def rows(text: str, *, tabbed: bool = False) -> list[TextChunk]:
    """Return a chunk for each row of a CSV file: a JSON object with the names of the first row.

    Tabs stand between the fields if ``tabbed``; else commas, or what parts the names of the first row instead. A row
    with more fields than the first, two columns of one name, and a quote that never ends are refused.
    """
    csv.field_size_limit(_FIELD_LENGTH_MAX)  # the default refuses a long text
    delimiter = "\t" if tabbed else next((mark for mark in _DELIMITERS if len(_first_row(text, mark)) > 1), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = list(reader.fieldnames or ())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            remedy = "give each column a name of its own"
            raise UnreadableRecordsError(f"line 1: the column {twice[0]!r} stands twice; {remedy}")
        return [TextChunk(_as_json(row, reader.line_num)) for row in reader]
    except csv.Error as error:
        remedy = 'write a quotation mark within a quoted field twice (""), and close each quoted field'
        raise UnreadableRecordsError(f"the row from line {reader.line_num + 1} on: {error}; {remedy}") from error


def _first_row(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _as_json(row: dict[str | None, str | list[str] | None], line: int) -> str:
    if None in row:
        count = len(row) - 1
        more = f"has more fields than the {count} columns of line 1; quote a field that has the delimiter in it"
        raise UnreadableRecordsError(f"line {line} {more}")
    return json.dumps(row, ensure_ascii=False)


class UnusableInputError(Exception):
    """An input cannot be run, or does not have the chunks of its job; the message is one line."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input, what is in it, and the path of its output."""

    path: Path
    content: Content
    output: Path


def default_output(path: Path) -> Path:
    """Return the default output of an input: ``talk.cleaned.txt`` for ``talk.srt``, stdout for stdin."""
    return STANDARD if path == STANDARD else path.parent / f"{path.stem}.cleaned.txt"


def read_inputs(
    paths: Sequence[Path], output: Path | None, read: Callable[[Path], Content]
) -> tuple[list[Input], dict[Path, str]]:
    """Check every output and read every input; return the inputs, and for each skipped path the reason.

    Outputs of other inputs are skipped: ``*.txt`` names them from the second run on. So is a second name of a file: the
    chunks would be paid for once more. ``output`` is that of the one input, if it is not the default one.
    :class:`UnusableInputError` names each path that cannot be run, with its reason.
    """
    products = {default_output(path) for path in paths if output is None} - {STANDARD}
    skipped = {path: "what another FILE was cleaned to" for path in paths if path in products}
    skipped |= _second_names([path for path in dict.fromkeys(paths) if path not in products])
    chosen = [path for path in dict.fromkeys(paths) if path not in skipped]
    targets: dict[str, Path] = {}
    inputs, refusals = list[Input](), list[str]()
    for path in chosen:
        target = output or default_output(path)
        try:
            if output is not None or path.parent.exists():  # otherwise reading says that there is no FILE
                check_output(target)
            if target != STANDARD:
                _check_no_collision(path, target, targets)
            inputs.append(Input(path, read(path), target))
        except (UnusableInputError, UnreadableTranscriptError, UnusableOutputError) as error:
            refusals.append(str(error))
    if refusals:
        heading = [f"{len(refusals):,} of {len(chosen):,} FILEs cannot be run, and none was begun:"]
        raise UnusableInputError("\n  ".join([*(heading if len(refusals) > 1 else ()), *refusals]))
    return inputs, skipped


def _second_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the paths whose file another path names, too; of a file and its symbolic link, the link."""
    names: dict[tuple[int, int], Path] = {}
    skipped = {}
    for path in sorted(paths, key=lambda path: path.is_symlink()):
        with suppress(OSError):  # reading it says what is wrong
            status = path.stat()
            first = names.setdefault((status.st_dev, status.st_ino), path)
            if first is not path:
                skipped[path] = f"another name of {path_text(first)}"
    return skipped


def _check_no_collision(path: Path, target: Path, targets: dict[str, Path]) -> None:
    if is_same_place(target, path):
        raise UnusableInputError(f"{path_text(path)}: the output would replace the input; name another with --output")
    other = targets.setdefault(os.path.realpath(target), path)
    if other is not path:
        names, remedy = f"{path_text(other)} and {path_text(path)}", "run them one by one with --output"
        raise UnusableInputError(f"{names} would both be written to {path_text(target)}; {remedy}")
