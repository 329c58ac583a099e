"""Read the output of COMMAND as the fields of a result, or say why it is no answer; it may have been paid for."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from checkpoint_store.errors import InvalidResultError

_COPY_LENGTH_MAX: Final = 256 * 1024
"""The most characters of a copy, as of any readable copy of a result."""


class UnreadAnswerError(InvalidResultError):
    """COMMAND ended well, and what it printed cannot be read as an answer. A copy of it is kept with the attempt.

    The reason stands behind the name of COMMAND; the last lines of its standard error may follow.
    """

    cost: object = None
    """The cost of the call, as COMMAND printed it: the loop counts it if it is an amount of money."""
    may_be_billed = False

    def __init__(self, reason: str, command: str, printed: str) -> None:
        copy = printed[:_COPY_LENGTH_MAX].replace("\0", r"\0")
        if len(printed) > _COPY_LENGTH_MAX:
            copy += f"… ({len(printed):,} characters)"
        super().__init__(reason, path=repr(command), result=copy)
        self.is_copy = True


class OtherFormError(UnreadAnswerError):
    """No answer of COMMAND had the form that ``run`` expects: the next one would be paid for in vain, too."""


TEXT_FIELD: Final = "cleaned_text"
"""The field of a result that has the text for the output."""
_FENCED: Final = re.compile(r"```(?:json)?[^\S\n]*\n(?P<content>.*?)(?:\n?```)?", re.DOTALL | re.IGNORECASE)
_JSON_BEGINS: Final = re.compile(r"""\{\s*(?:["'}]|$)|\[\s*\{\s*["'}]""")
"""An object, or a list of objects, or the beginning of one; ``{sic}`` and ``[laughter]`` are speech."""
_PAGE_BEGINS: Final = re.compile(r"<(?:!doctype|html|\?xml)\b", re.IGNORECASE)
"""A page, as a proxy answers in the place of a service."""
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""The beginning of half a character in JSON; most halves stand beside the other half."""
_HALF: Final = re.compile("[\ud800-\udfff]")
_SHOWN_FIELDS: Final = 8
_NOWHERE: Final = object()
"""Stands for what a path leads to where there is no such field."""
_KINDS: Final = {
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
"""What JSON that is no text is called, by the type of its value."""


class UnusableAnswerError(Exception):
    """The output of COMMAND is no result; the message is one line, and begins after the name of COMMAND.

    ``has_other_form``: whole JSON was printed that has its text in another field. Perhaps ``--result-field`` is wrong,
    and every answer of COMMAND is like this.
    """

    def __init__(self, message: str, *, has_other_form: bool = False) -> None:
        self.has_other_form = has_other_form
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads what COMMAND printed.

    ``field`` is the field of a JSON object that has the text, or the dotted path (``choices.0.message.content``), which
    begins with an index where a list is printed (``0.generated_text``). ``raw``: what was printed is the text, every
    character of it. ``for_records``: a chunk is a record, so that a JSON object is an answer, too.
    """

    field: str = TEXT_FIELD
    raw: bool = False
    for_records: bool = False

    def read(self, stdout: str, chunk: str) -> dict[str, Any]:
        """Return the fields of the result, with the text among them; :class:`UnusableAnswerError` without a text."""
        if self.raw:
            return {TEXT_FIELD: stdout}
        text = stdout.removeprefix("\ufeff").strip()
        if not text:
            empty = json.dumps({self.field: ""})
            raise UnusableAnswerError(f"printed nothing (if that is meant, let it print {empty}, or pass --raw)")
        content = _without_fence(text)
        if self._is_named and _PAGE_BEGINS.match(content):
            raise UnusableAnswerError("printed a page of HTML, and no JSON (pass --raw if all of it is the text)")
        if not (content.startswith(("{", "[")) if self._is_named else _JSON_BEGINS.match(content)):
            return {TEXT_FIELD: text}
        value = _json_value(content)
        if isinstance(answer_text := field_at(value, self.field), str):
            if not answer_text.strip() and (error := _error_in(value)):
                raise UnusableAnswerError(f"printed an error: {_shortened(error)}")
            return _fields_of(value) | {TEXT_FIELD: answer_text}
        if not is_json(chunk) or (self.for_records and not _are_json_values(content)):
            raise UnusableAnswerError(self._complaint(value), has_other_form=self._has_other_form(content, value))
        if self.for_records and isinstance(value, dict):
            line = json.dumps(value, ensure_ascii=False) if "\n" in content else content
            return value | {TEXT_FIELD: line}
        return {TEXT_FIELD: text}

    @property
    def _is_named(self) -> bool:
        """Whether the caller named the field: then COMMAND prints JSON, and brackets at the beginning are no speech."""
        return self.field != TEXT_FIELD

    def _has_other_form(self, content: str, value: object) -> bool:
        """Whether an output is whole JSON, names no error, and has no place for the text where it is expected."""
        if value is None:
            return _are_json_values(content) and '"error"' not in content
        is_field_in_list = self.field.partition(".")[0].isdecimal()
        if isinstance(value, list) and not is_field_in_list:
            return not _error_in(value)
        return not _error_in(value) and _leads_elsewhere(value, self.field)

    def _complaint(self, value: object) -> str:
        remedy = "name its field with --result-field, or pass --raw if all of it is the text"
        if value is None:
            return f"printed JSON that is cut off or malformed ({remedy})"
        if not isinstance(value, dict):
            return f"printed a JSON list, and no object with a text as {self.field!r} ({remedy})"
        if value.get("error"):
            return f"printed an error: {_shortened(value['error'])}"
        if self.field in value and not self._is_named:
            kind = _KINDS[type(value[self.field])]
            return f"printed a JSON object with {kind} as {self.field!r}, and no text ({remedy})"
        has = ", ".join(map(repr, list(value)[:_SHOWN_FIELDS])) or "no field"
        return f"printed a JSON object without a text as {self.field!r}; it has {has} ({remedy})"


def _error_in(value: Any) -> object:
    """Return the error that a JSON object, or an object in a list, names; None without an error."""
    objects = value if isinstance(value, list) else [value]
    return next((item["error"] for item in objects if isinstance(item, dict) and item.get("error")), None)


def _fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a result. The items of a list are named by their indices: ``0.cost`` is a path in both."""
    return value if isinstance(value, dict) else {str(index): item for index, item in enumerate(value)}


def cost_printed(stdout: bytes, field: str) -> object:
    """Return the cost of a call as it stands in the JSON that COMMAND printed; None without a cost.

    The output may be no answer. ``field`` is the field that has the cost, or the dotted path.
    """
    text = stdout.decode("utf-8", "replace").removeprefix("\ufeff").strip()
    return field_at(_json_value(_without_fence(text)), field)


def field_at(value: object, path: str) -> object:
    """Return the value at a dotted path (fields, list indices), or None. A field of that whole name comes first."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for name in path.split("."):
        value = _step(value, name)
    return None if value is _NOWHERE else value


def _step(value: Any, name: str) -> Any:
    """Return the field or the item of this name; :data:`_NOWHERE` if there is none."""
    if isinstance(value, dict):
        return value.get(name, _NOWHERE)
    return value[int(name)] if isinstance(value, list) and name.isdecimal() and int(name) < len(value) else _NOWHERE


def _leads_elsewhere(value: Any, path: str) -> bool:
    """Whether JSON has no place for a text at a path. A null at the path, or an empty list on the way, is a place."""
    if isinstance(value, dict) and path in value:
        return value[path] is not None
    for name in path.split("."):
        if value is None or value in ([], {}):
            return False
        value = _step(value, name)
    return value is not None


def is_json(text: str) -> bool:
    """Return whether a chunk is JSON, or a part of it: then JSON counts as an answer, too."""
    content = _without_fence(text.strip())
    return bool(_JSON_BEGINS.match(content)) or isinstance(_json_value(content), dict | list)


def _without_fence(text: str) -> str:
    match = _FENCED.fullmatch(text)
    return match["content"].strip() if match else text


def _json_value(text: str) -> Any:
    """Return a JSON value that a store can hold: the text beside an odd cost, or around half an emoji, was paid for.

    A number that JSON cannot hold becomes null, and half of a character, as the end of an answer may cut it, U+FFFD.
    """
    try:
        value = json.loads(text, parse_constant=_number, parse_float=_number)
        return _without_halves(value) if _SURROGATE.search(text) else value
    except (ValueError, RecursionError):
        return None


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(item) for name, item in value.items()}
    return value


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _are_json_values(text: str) -> bool:
    """Return whether a text is one JSON value after the other, as ``jq`` prints more than one value."""
    decoder, rest = json.JSONDecoder(), text
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return False
        rest = rest[end:].lstrip()
    return True


def _shortened(error: object) -> str:
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
    return " ".join(text.split())[:200]
