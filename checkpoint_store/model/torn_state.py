"""What is left of a torn state: the text of a state file that was cut off, or of which a part does not read.

What stands before the damage is read in every layout: this library writes one line for each result, the code of before
wrote ``indent=2``. What stands behind the damage is found again where lines begin, so in these two layouts only.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.codec.strict_json import read_json
from checkpoint_store.model.pairing import own_index
from checkpoint_store.model.state import PAIRED_BY_OWN_INDEX
from checkpoint_store.model.state_text import COMPLETED, FIELDS, RESULT_INDICES, RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_NAME: Final = re.compile(r'"([a-z_]+)"[ \t\n\r]*:')
_FIELD_LINE: Final = re.compile(r'^  "([a-z_]+)": ?', re.MULTILINE)
_VALUE: Final = re.compile(r'["{\[\dtfn-]')
_ELEMENT_LINE: Final = re.compile(r"^    (?=[^ \]}])", re.MULTILINE)
_RESULTS_END: Final = "\n  ],\n"
"""The end of the results, where it is no part of them: inside a result, a list ends with more blanks before it."""
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
"""The bytes that are no UTF-8, as ``surrogateescape`` decodes them: a value with such a byte is damaged."""
_BEHIND: Final = (",", "]", "}")
_ENDS_ITSELF: Final = ('"', "]", "}")
"""The last letters of values that end by themselves. A number that is cut off reads as another number."""
_scan: Final = json.JSONDecoder().raw_decode


class TornState(NamedTuple):
    """The facts of a state that does not read as a whole."""

    fields: dict[str, Any]
    """The fields that read, without the chunks and the results."""
    completed_chunks: list[int]
    results: list[tuple[int, Any]]
    """(chunk, result) of each result that reads, and of which the chunk is certain."""


def read_torn(content: bytes) -> TornState | None:
    """Return what a state says that does not read as a whole; None where nothing tells whose state it is.

    The results before the damage belong to the completed chunks at the same positions, and the results behind it, which
    are counted from the end, to those in ``result_indices``. In a state of a version before 1.2 a chunk that was
    recorded again has two results: if results name their chunks, position and name must agree, and behind the damage
    the name alone tells. Results between two damaged places are left out: nothing tells how many stood before them.
    """
    text = content.decode(errors="surrogateescape")
    reader = _Reader(text)
    fields = reader.fields_before(RESULTS)
    before = reader.elements()
    fields |= reader.fields_behind() if reader.is_closed else {}
    end = text.rfind(_RESULTS_END)
    fields = _fields_by_line(text, end) | fields
    behind = [] if reader.is_closed else _elements_before(text, reader.at, end)
    completed, indices = fields.pop(COMPLETED, None), fields.pop(RESULT_INDICES, None)
    job_id, total = fields.get("job_id"), fields.get("total_chunks")
    if not isinstance(job_id, str) or type(total) is not int:
        return None
    order = indices if _are_chunks(indices, total) else None
    if not _are_chunks(completed, total):
        if order is None:
            return None
        completed = order
    if fields.get("version") in PAIRED_BY_OWN_INDEX or (order is None and "version" not in fields):
        results = _by_own_index(before, behind, completed)
    else:
        results = _by_position(before, behind, completed, order or ())
    known = set(completed)
    return TornState(fields, [*completed, *(index for index in order or () if index not in known)], results)


def _are_chunks(indices: object, total: int) -> bool:
    return isinstance(indices, list) and all(type(index) is int and 0 <= index < total for index in indices)


def _by_position(
    before: list[Any], behind: list[Any], completed: Sequence[int], order: Sequence[int]
) -> list[tuple[int, Any]]:
    """Pair results with chunks by their positions; ``order``: the chunk of each result, empty where that is lost."""
    is_lost = not order or len(order) < len(before) + len(behind)
    if is_lost:
        order, behind = completed, []
    pairs = list(zip(range(len(order)), before, strict=False))
    last = list(zip(range(len(order) - len(behind), len(order)), behind, strict=True))
    if (
        pairs
        and all(_names(result, order[at]) for at, result in pairs)
        and not all(_names(result, order[at]) for at, result in last)
    ):
        last = []  # the end of the file is of another time
    if is_lost:
        times = Counter(order)
        certain = [(order[at], result) for at, result in pairs if times[order[at]] == 1]
    elif set(order) == set(completed):
        certain = [(order[at], result) for at, result in pairs + last]
    else:  # one of the two lists is damaged, or of another time
        certain = [(order[at], result) for at, result in pairs + last if completed[at : at + 1] in ([], [order[at]])]
    named = [(index, result) for index, result in certain if _names(result, index)]
    return named if len(named) > len(certain) / 2 else certain


def _names(result: object, index: int) -> bool:
    return own_index(result) == index


def _by_own_index(before: list[Any], behind: list[Any], completed: Sequence[int]) -> list[tuple[int, Any]]:
    """Pair the results of a state without ``result_indices``."""
    pairs = list(zip(completed, before, strict=False))
    if not pairs:  # certain where the position, counted from the end, and the result say the same
        last = list(zip(completed[-len(behind) :], behind, strict=False)) if behind else []
        return [(index, result) for index, result in last if _names(result, index)]
    named = [(index, result) for index, result in pairs if _names(result, index)]
    if not named:  # they count from 1, or name none: the position tells
        return pairs
    known = set(completed)
    last = [(index, result) for result in behind if (index := own_index(result)) is not None and index in known]
    return named + (last if len(last) == len(behind) else [])


def _fields_by_line(text: str, results_end: int) -> dict[str, Any]:
    """Return the fields that begin a line and read, wherever the text is damaged.

    Of two fields of a name the last one behind the results counts: the first may be of an earlier state.
    """
    fields = dict[str, Any]()
    for line in _FIELD_LINE.finditer(text):
        name = line[1]
        if name not in FIELDS or name == RESULTS or (name in fields and line.start() < results_end):
            continue
        reader = _Reader(text, line.end())
        with suppress(ValueError):
            value = reader.value()
            reader.end_of_field()
            fields[name] = value
    return fields


def _elements_before(text: str, start: int, end: int) -> list[Any]:
    """Return the elements of the results that stand whole, one behind the other, before their end."""
    at = start
    while (line := _ELEMENT_LINE.search(text, at, max(end, 0))) is not None:
        reader = _Reader(text, line.start() - 1)
        elements = reader.rest_of_elements()
        if reader.is_closed and reader.at == end + len(_RESULTS_END.rstrip(",\n")):
            return elements
        at = max(reader.at, line.end())
    return []


class _Reader:
    """Reads a torn JSON object, value by value, as far as it goes."""

    def __init__(self, text: str, at: int = 0) -> None:
        self._text = text
        self.at = at
        """Where the reading stands: behind the last value that is whole."""
        self._is_at_last = False
        self.is_closed = False
        """Whether an array was read up to its end."""

    def fields_before(self, last: str) -> dict[str, Any]:
        """Return the values of the object before the field ``last``."""
        fields = dict[str, Any]()
        with suppress(ValueError):
            for mark in chain("{", repeat(",")):
                name = self._name_behind(mark)
                if name == last:
                    self._is_at_last = True
                    break
                fields[name] = self.value()
        return fields

    def fields_behind(self) -> dict[str, Any]:
        """Return the values of the object behind its array that was read."""
        fields = dict[str, Any]()
        with suppress(ValueError):
            while True:
                name = self._name_behind(",")
                fields[name] = self.value()
        return fields

    def elements(self) -> list[Any]:
        """Return the elements of the array that is the value of the field ``last``, as far as they are whole."""
        if not self._is_at_last:
            return []
        with suppress(ValueError):
            self._take("[")
            if self._next() == "]":
                self._take("]")
                self.is_closed = True
                return []
            return self.rest_of_elements()
        return []

    def rest_of_elements(self) -> list[Any]:
        """Return the elements of an array from one of them on, as far as they are whole.

        Where each element begins a line, a value that shares its line is a part of a damaged element, and a value in
        which another one begins is two of them.
        """
        _, have_lines, indent = self._skip_blanks().rpartition("\n")
        another = re.compile(rf"\n{indent}[^\s\]}}]")
        elements = list[Any]()
        with suppress(ValueError):
            while True:
                begin, value = self.at, self.value()
                if have_lines and another.search(self._text, begin, self.at):
                    self.at = begin
                    raise ValueError(begin)
                end, ends_line, mark = self.at, "\n" in self._skip_blanks(), self._next()
                if mark == ":" or (mark == "]" and ends_line != bool(have_lines)):
                    raise ValueError(end)
                if mark != ",":
                    self.is_closed, self.at = mark == "]", self.at + 1 if mark == "]" else end
                    return [*elements, value]
                self.at += 1
                ends_line = "\n" in self._skip_blanks()
                if have_lines and not ends_line and _VALUE.match(self._text, self.at):
                    raise ValueError(end)
                elements.append(value)
        return elements

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def value(self) -> Any:
        """Return the value that begins here.

        Raises:
            ValueError: the text has no whole value here, or a value that no state can keep.
        """
        self._skip_blanks()
        begin = self.at
        try:
            _, end = _scan(self._text, begin)
        except RecursionError as error:
            raise ValueError(begin) from error
        text = self._text[begin:end]
        if _UNDECODED.search(text) is not None:
            raise ValueError(begin)
        value = read_json(text)
        if text[-1] not in _ENDS_ITSELF:
            behind = _BLANK.match(self._text, end)
            if behind is None or self._text[behind.end() : behind.end() + 1] not in _BEHIND:
                raise ValueError(begin)
        self.at = end
        return value

    def end_of_field(self) -> None:
        """Raise ValueError where neither a field nor the end of the object follows."""
        self._skip_blanks()
        if self._next() not in (",", "}"):
            raise ValueError(self.at)

    def _name_behind(self, mark: str) -> str:
        self._take(mark)
        self._skip_blanks()
        name = _NAME.match(self._text, self.at)
        if name is None:
            raise ValueError(self.at)
        self.at = name.end()
        return name[1]

    def _take(self, mark: str) -> None:
        self._skip_blanks()
        if not self._text.startswith(mark, self.at):
            raise ValueError(self.at)
        self.at += 1

    def _skip_blanks(self) -> str:
        blanks = _BLANK.match(self._text, self.at)
        assert blanks is not None
        self.at = blanks.end()
        return blanks[0]
