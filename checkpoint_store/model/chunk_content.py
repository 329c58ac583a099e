"""The content of a chunk, also of a row of a frame, as canonical bytes: the same on every machine."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from checkpoint_store.errors import InvalidArgumentError, short_repr
from checkpoint_store.model.codec.json_rules import INTEGER_BELOW, INTEGER_DIGITS_MAX, is_plain, name_of

if TYPE_CHECKING:
    from collections.abc import Callable


_BYTES: Final = (bytes, bytearray, memoryview)
_JSON: Final = (dict, list, tuple, int, float, type(None))
_POSITION_FIELDS: Final = frozenset({"index", "chunk_index"})
"""Fields with the position of a chunk: an insertion before the chunk changes them, and not the content of the chunk."""
_OLD_CONTENT: Final = ("text", "data", "content")


class NotIdentifiedError(Exception):
    """A part of a chunk has no canonical form. ``path`` is the path to the part within the chunk."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(path, reason)


class Canonical(NamedTuple):
    """The canonical bytes of a chunk's content, and the first rule that gives them."""

    rule: int
    content: bytes


def canonical(content: object) -> Canonical:
    """Return the bytes that identify a content by rule 2; :class:`NotIdentifiedError` for all that is not named here.

    Text, bytes and JSON data count as they are; a dataclass or a pydantic model by all its fields but ``index`` and
    ``chunk_index``. Inside JSON data and fields, dates, UUIDs, paths, enums and Decimals count by their text, and
    dataclasses and models by all their fields.
    """
    if isinstance(content, str):
        return Canonical(1, text_content(content))
    if isinstance(content, _BYTES):
        if isinstance(content, memoryview) and (content.ndim != 1 or content.format not in "Bbc"):
            raise NotIdentifiedError("", "is a memoryview whose shape and format its bytes do not tell")
        return Canonical(1, b"bytes\n" + bytes(content))
    fields = _fields_of(content)
    if fields is not None:
        own = {name: value for name, value in fields.items() if name not in _POSITION_FIELDS}
        return Canonical(2, b"fields\n" + _json_text(_Plain().of_fields(own, "")))
    if isinstance(content, _JSON):
        if is_plain(content, 0):
            try:
                return Canonical(1, b"json\n" + _json_text(content))
            except ValueError:  # NaN, or a number that is too large: the slower way says where
                pass
        made = _Plain()
        text = _json_text(made.of(content, ""))
        return Canonical(2 if made.has_converted else 1, b"json\n" + text)
    raise NotIdentifiedError("", f"is of type {name_of(type(content))}")


def text_content(text: str) -> bytes:
    """Return the bytes that identify a text by both rules."""
    return b"text\n" + text.encode("utf-8", "surrogatepass")


def canonical_by_rule_1(content: object) -> bytes | None:
    """Return what identifies a content by rule 1: the ``.text``, ``.data`` or ``.content`` of an object.

    Return None if rule 1 does not identify the content: then no job was made of it by that rule.
    """
    if isinstance(content, str):
        return text_content(content)
    if isinstance(content, _BYTES):
        return b"bytes\n" + bytes(content)
    if isinstance(content, _JSON):
        try:
            return b"json\n" + _json_text(content)
        except (TypeError, ValueError, RecursionError):
            return None
    inner = next(filter(_may_be_content, (getattr(content, name, None) for name in _OLD_CONTENT)), None)
    is_content = isinstance(inner, (str, *_BYTES, *_JSON)) and inner is not None
    return canonical_by_rule_1(inner) if is_content else None


def _may_be_content(value: object) -> bool:
    return value is not None and not (callable(value) and not isinstance(value, (str, *_BYTES, *_JSON)))


def _json_text(value: object) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except RecursionError:
        raise NotIdentifiedError("", "holds itself, or is nested too deeply") from None
    return text.encode()


class _Plain:
    """Turns the content of a chunk into plain JSON data, and notes whether it had to convert a value."""

    def __init__(self) -> None:
        self.has_converted = False

    def of(self, value: Any, path: str) -> Any:
        try:
            return self._of(value, path)
        except RecursionError:
            raise NotIdentifiedError("", "holds itself, or is nested too deeply") from None

    def _of(self, value: Any, path: str) -> Any:
        if value is None or isinstance(value, str | bool):
            return value
        if isinstance(value, int | float):
            return _number(value, path)
        if isinstance(value, dict):
            return {_key(key, path): self._of(item, f"{path}[{key!r}]") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._of(item, f"{path}[{index}]") for index, item in enumerate(value)]
        self.has_converted = True
        text = _text_of(value)
        return self._of_other(value, path) if text is None else text

    def _of_other(self, value: Any, path: str) -> Any:
        fields = _fields_of(value)
        if fields is None and isinstance(value, Enum):
            return self._of(value.value, path)
        if fields is None:
            raise NotIdentifiedError(path, f"is of type {name_of(type(value))}")
        return self.of_fields(fields, path)

    def of_fields(self, fields: dict[str, Any], path: str) -> dict[str, Any]:
        return {name: self.of(value, f"{path}.{name}") for name, value in fields.items()}


def _text_of(value: Any) -> str | None:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    return value.as_posix() if isinstance(value, PurePath) else None


def _number(value: int | float, path: str) -> int | float:  # noqa: PYI041 - an integer may be too large for a float
    if isinstance(value, int):
        if not -INTEGER_BELOW < value < INTEGER_BELOW:
            raise NotIdentifiedError(path, f"is an integer of more than {INTEGER_DIGITS_MAX:,} digits")
    elif not isfinite(value):
        raise NotIdentifiedError(path, f"is {value}, which JSON cannot hold")
    return value


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise NotIdentifiedError(
            path, f"has the key {short_repr(key, 60)} of type {name_of(type(key))}, where JSON has text"
        )
    return key


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass or a pydantic model, extra ones included; None for anything else."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    if not callable(getattr(kind, "model_dump", None)):
        return None
    names = getattr(kind, "model_fields", None)
    if not isinstance(names, dict):
        return None
    return {name: getattr(value, name) for name in names} | (getattr(value, "model_extra", None) or {})


_WHOLE_MAX: Final = 2**53
"""The largest whole number up to which integers and floats are equal."""
_TIMES: Final = "mM"
"""The kinds of numpy's durations and moments, which its ``tolist`` gives as a bare number of nanoseconds."""


def is_frame(value: object) -> bool:
    """Whether a value is a table whose iteration gives its columns, not its rows."""
    return hasattr(type(value), "columns")  # asked of the type, because a lazy frame would compute its columns


def as_rows(chunks: Any, by: Callable[[Any], Any] | None) -> tuple[Any, Callable[[Any], Any] | None]:
    """Return the chunks (of a frame, its rows), and the function that identifies them; refuse anything else."""
    if by is not None and not callable(by):
        raise InvalidArgumentError("fingerprint", by, "is no function of a chunk")
    return (rows_of(chunks), by or row_identity) if is_frame(chunks) else (chunks, by)


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame in order, each as a dict by the names of its columns.

    A missing value (NaN, NaT, NA) becomes None, and a scalar or an array of numpy becomes a value of Python. Two
    columns of one name, and a name that is no text, are refused.
    """
    kind = type(frame).__name__
    if not hasattr(frame, "to_dicts") and not (hasattr(frame, "iterrows") and hasattr(frame, "to_dict")):
        lazily = "collect() it first" if hasattr(frame, "collect") else "give a list of its rows as dicts"
        raise InvalidArgumentError("chunks", ..., f"is a table ({kind}) that does not give its rows; {lazily}")
    names = list(frame.columns)
    for name in names:
        if not isinstance(name, str):
            raise InvalidArgumentError(
                "chunks", ..., f"is a {kind} with the column {name!r}, whose name is no text; rename it"
            )
        if names.count(name) > 1:
            raise InvalidArgumentError("chunks", ..., f"is a {kind} with two columns called {name!r}; rename one")
    rows = frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def row_identity(row: dict[str, Any]) -> dict[str, Any]:
    """Return what identifies a row: a whole number counts the same as an integer and as a float.

    pandas makes floats of a column of integers as soon as one value in it is missing.
    """
    return {name: int(value) if _is_whole(value) else value for name, value in row.items()}


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and abs(value) <= _WHOLE_MAX and value.is_integer()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return str(value) if value.dtype.kind in _TIMES and value.ndim == 0 else _plain(value.tolist())
    return None if type(value).__name__ in ("NAType", "NaTType") else value
