"""What is left of a torn state: the text of a state file that was cut off, or of which the rest does not read.

The layout does not matter: this library writes one line for each result, the code of before wrote ``indent=2``.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.codec.strict_json import read_json
from checkpoint_store.model.pairing import own_index
from checkpoint_store.model.state import PAIRED_BY_OWN_INDEX
from checkpoint_store.model.state_text import COMPLETED, HEAD, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_NAME: Final = re.compile(r'"([a-z_]+)"[ \t\n\r]*:')
_BEHIND: Final = (",", "]", "}")
_ENDS_ITSELF: Final = ('"', "]", "}")
"""The last letters of values that end by themselves. A number that is cut off reads as another number."""
_scan: Final = json.JSONDecoder().raw_decode


class TornState(NamedTuple):
    """The facts at the beginning of a state."""

    head: dict[str, Any]
    """The fields before the completed chunks."""
    completed_chunks: list[int]
    results: list[tuple[int, Any]]
    """(chunk, result) of each result before the tear."""


def read_torn(content: bytes) -> TornState | None:
    """Return what a state says that does not read as a whole; None where not even its beginning reads.

    The results before the tear belong to the completed chunks at the same positions. In a state of a version before
    1.2 that holds up to the first result that names another chunk, while those before it name their own: a chunk that
    was recorded again has two results there.
    """
    reader = _Reader(_text_of(content))
    fields = reader.fields_before(RESULTS)
    if not {*HEAD, COMPLETED} <= fields.keys():
        return None
    completed, total = fields[COMPLETED], fields["total_chunks"]
    if not isinstance(completed, list) or not isinstance(total, int):
        return None
    if not all(type(index) is int and 0 <= index < total for index in completed):
        return None
    pairs: Iterator[tuple[int, Any]] = zip(completed, reader.elements(), strict=False)
    if fields["version"] in PAIRED_BY_OWN_INDEX:
        pairs = _without_doubt(pairs)
    return TornState({name: fields[name] for name in HEAD}, completed, list(pairs))


def _text_of(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].decode()


def _without_doubt(pairs: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    for position, (index, result) in enumerate(pairs):
        own = own_index(result)
        if position == 0 and own != index:  # they count from 1, or name none: the position is all that tells
            yield index, result
            yield from pairs
        elif own != index:
            return
        else:
            yield index, result


class _Reader:
    """Reads a torn JSON object, value by value, as far as it goes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_at_last = False

    def fields_before(self, last: str) -> dict[str, Any]:
        """Return the values of the object before the field ``last``."""
        fields = dict[str, Any]()
        with suppress(ValueError):
            for mark in chain("{", repeat(",")):
                name = self._name_behind(mark)
                if name == last:
                    self._is_at_last = True
                    break
                fields[name] = self._value()
        return fields

    def elements(self) -> Iterator[Any]:
        """Yield the elements of the array that is the value of the field ``last``, as far as they are whole."""
        with suppress(ValueError):
            for mark in chain("[", repeat(",")) if self._is_at_last else ():
                self._take(mark)
                yield self._value()

    def _name_behind(self, mark: str) -> str:
        self._take(mark)
        self._skip_blanks()
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise ValueError(self._at)
        self._at = name.end()
        return name[1]

    def _value(self) -> Any:
        self._skip_blanks()
        begin = self._at
        try:
            _, self._at = _scan(self._text, begin)
        except RecursionError as error:
            raise ValueError(begin) from error
        value = read_json(self._text[begin : self._at])
        if self._text[self._at - 1] not in _ENDS_ITSELF:
            self._skip_blanks()
            if self._text[self._at : self._at + 1] not in _BEHIND:
                raise ValueError(begin)
        return value

    def _take(self, mark: str) -> None:
        self._skip_blanks()
        if not self._text.startswith(mark, self._at):
            raise ValueError(self._at)
        self._at += 1

    def _skip_blanks(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = self._at if blank is None else blank.end()
