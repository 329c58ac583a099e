"""Inputs that are records, and not prose: each line, or each row of a CSV file, is a chunk."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli.transcripts.split import TextChunk

if TYPE_CHECKING:
    from collections.abc import Sequence


_FIELD_LENGTH_MAX: Final = 2**31 - 1


class UnreadableRecordsError(Exception):
    """A file holds no records; the message is one line, and begins after the name of the file."""


def lines(text: str) -> list[TextChunk]:
    """Return a chunk for each line that is not empty."""
    return [TextChunk(line) for line in text.split("\n") if line.strip()]


def rows(text: str, *, tabbed: bool = False) -> list[TextChunk]:
    """Return a chunk for each row of a CSV file: a JSON object with the names of the first row.

    Args:
        text: the text of the file.
        tabbed: whether tabs, and not commas, stand between the fields.

    Raises:
        UnreadableRecordsError: a row has more fields than the first row, two columns have one name, or a quote never
            ends.
    """
    csv.field_size_limit(_FIELD_LENGTH_MAX)  # the default refuses a long text
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if tabbed else ",", strict=True)
    try:
        _check_names(list(reader.fieldnames or ()))
        return [TextChunk(_as_json(row, reader.line_num)) for row in reader]
    except csv.Error as error:
        raise UnreadableRecordsError(f"the row from line {reader.line_num + 1} on: {error}") from error


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableRecordsError(
            f"line 1: the column {twice[0]!r} stands twice; give each column a name of its own"
        )


def _as_json(row: dict[str | None, str | list[str] | None], line: int) -> str:
    if None in row:
        count = len(row) - 1
        more = f"has more fields than the {count} columns of line 1; quote a field that has the delimiter in it"
        raise UnreadableRecordsError(f"line {line} {more}")
    return json.dumps(row, ensure_ascii=False)
