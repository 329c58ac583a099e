"""Read a JSON object that is torn: value by value, as far as it goes, and no value that may be a part of another."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import chain, repeat
from typing import Any, Final

from checkpoint_store.model.codec.json_rules import read_json

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_NAME: Final = re.compile(r'"([a-z_]+)"[ \t\n\r]*:')
_QUOTE: Final = re.compile('"')
_VALUE: Final = re.compile(r'["{\[\dtfn-]')
_NEXT_ELEMENT: Final = re.compile(r"[ \t]*,[ \t]*[{\[\dtfn-]")
_OPENS_IN_LINE: Final = re.compile(r"[\[{][ \t]*[^ \t\r\n][^\n]*\n")
"""A value whose first part shares the line of its bracket, while other parts have lines: damage made the bracket."""
_NO_JSON: Final = re.compile("[\0-\x1f\udc80-\udcff]|\\Z")
"""A byte that stands nowhere in the text of a sound value, or the end of the text."""
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
"""The bytes that are no UTF-8, as ``surrogateescape`` decodes them: a value with such a byte is damaged."""
_BEHIND: Final = (",", "]", "}")
_BEHIND_RESULTS: Final = '"started_at"'
_ENDS_ITSELF: Final = ('"', "]", "}")
"""The last letters of values that end by themselves. A number that is cut off reads as another number."""
_scan: Final = json.JSONDecoder().raw_decode


def _is_last_line(blanks: str, indent: str) -> bool:
    """Return whether blanks before a bracket are those of the array: they are fewer than those of its elements."""
    _, newline, own_indent = blanks.rpartition("\n")
    return bool(newline) and len(own_indent) < len(indent)


class TornReader:
    """Reads a torn JSON object, value by value, as far as it goes."""

    def __init__(self, text: str, at: int = 0, indent: str | None = None) -> None:
        self._text = text
        self._indent = indent
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
                value = self.value()
                self.check_field_end()
                fields[name] = value
        return fields

    def fields_behind(self) -> dict[str, Any]:
        """Return the values of the object behind its array that was read."""
        fields = dict[str, Any]()
        with suppress(ValueError):
            while True:
                name = self._name_behind(",")
                value = self.value()
                self.check_field_end()
                fields[name] = value
        return fields

    def elements(self) -> list[Any]:
        """Return the elements of the array that is the value of the field ``last``, as far as they are whole."""
        if not self._is_at_last:
            return []
        with suppress(ValueError):
            if "\n" in self._skip_blanks():  # the bracket is lost, and the first element begins with another
                return []
            self._take("[")
            if self._next() == "]":
                self._take("]")
                self.check_field_end()
                self.is_closed = True
                return []
            return [] if self._begins_inside_element() else self.rest_of_elements()
        return []

    def _begins_inside_element(self) -> bool:
        """Return whether the line behind the bracket is indented further than an element: that is another bracket."""
        blanks = _BLANK.match(self._text, self.at)
        _, newline, indent = blanks[0].rpartition("\n") if blanks else ("", "", "")
        return bool(newline) and self._indent is not None and len(indent) > 2 * len(self._indent)

    def rest_of_elements(self) -> list[Any]:
        """Return the whole elements of an array from the element at the position on.

        If each element has a line, two values in one line are parts of a damaged element, and a value in which another
        element begins is the rest of two elements. If all elements share one line, the element before a damaged place
        may be incomplete, and behind an array that ends too early nothing tells which elements are whole.
        """
        _, have_lines, indent = self._skip_blanks().rpartition("\n")
        another = re.compile(rf"\n(?:{indent}[^\s\]}}]|(?!{indent}))")
        elements = list[Any]()
        begin = self.at
        try:
            while True:
                begin, value = self.at, self.value()
                if have_lines and (
                    another.search(self._text, begin, self.at) or _OPENS_IN_LINE.match(self._text[begin : self.at])
                ):
                    raise ValueError(begin)
                end, blanks, mark = self.at, self._skip_blanks(), self._next()
                if mark == "]":
                    if have_lines and not _is_last_line(blanks, indent):
                        raise ValueError(end)
                    if not have_lines and ("\n" in blanks or _NEXT_ELEMENT.match(self._text, self.at + 1)):
                        elements.clear()
                        raise ValueError(end)
                    self.is_closed, self.at = True, self.at + 1
                    return [*elements, value]
                if mark not in ("", ","):
                    raise ValueError(end)
                self.at = min(self.at + 1, len(self._text))
                if not self._is_separated(indent if have_lines else None, _VALUE):
                    raise ValueError(end)
                elements.append(value)
        except ValueError:
            self.at = begin
            if not have_lines and self._text.find(_BEHIND_RESULTS, begin) > 0:  # it was not cut off
                elements[-1:] = []
        return elements

    def _is_separated(self, indent: str | None, next_value: re.Pattern[str]) -> bool:
        """Return whether what follows a comma may be the next value of the same array or object.

        A comma inside a damaged value looks like one between two values. Behind it, a line is indented further; where
        no line ends, the rest of a text follows. What is no JSON at all comes from the damage, and not from a value.
        ``indent`` are the blanks before each value that begins a line; None where all are on one line.
        """
        _, newline, own_indent = self._skip_blanks().rpartition("\n")
        if newline and indent is not None:
            return indent.startswith(own_indent) and self._next() not in ("]", "}")
        if _NO_JSON.match(self._text, self.at):
            return True
        return indent is None and not newline and next_value.match(self._text, self.at) is not None

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def value(self) -> Any:
        """Return the value that begins here, or raise ValueError if it is not whole, or none that a state can keep."""
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

    def check_field_end(self) -> None:
        """Raise ValueError where neither another field nor the end of the object follows. The position stays."""
        behind = self.at
        self._skip_blanks()
        mark = self._next()
        self.at += 1
        if mark not in ("", ",", "}") or (mark == "," and not self._is_separated(self._indent, _QUOTE)):
            raise ValueError(behind)
        self.at = behind

    def _name_behind(self, mark: str) -> str:
        self._take(mark)
        _, newline, indent = self._skip_blanks().rpartition("\n")
        if mark == "{":
            self._indent = indent if newline else None
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
