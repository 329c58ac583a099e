"""Turn results into JSON text and back, so that the value that is read equals the value that was written."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidResultError, short_repr
from checkpoint_store.model.codec.json_rules import LEAVES, check, is_plain
from checkpoint_store.model.codec.round_trip import check_round_trip, is_same, is_typed

if TYPE_CHECKING:
    from collections.abc import Callable


RESULT_BYTES_MAX: Final = 256 * 1024 * 1024
"""The largest JSON text of one result; SQLite stops at 1,000,000,000."""


def _encoder(*, ensure_ascii: bool) -> Callable[[object], str]:
    """Return ``json.JSONEncoder.encode``, or its C encoder, made once, if that is known to give the same text."""
    whole = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=False, check_circular=False)
    quote = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    sample = ["ä", {"a": 0.5}]
    try:
        c_encode = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, whole.default, quote, None, ": ", ", ", False, False, False
        )
        if "".join(c_encode(sample, 0)) == whole.encode(sample):
            return lambda value: "".join(c_encode(value, 0))
    except (AttributeError, TypeError):
        pass
    return whole.encode


_ENCODE: Final = _encoder(ensure_ascii=False)
_ENCODE_ASCII: Final = _encoder(ensure_ascii=True)
_DECODER: Final = json.JSONDecoder()
_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = getattr(_DECODER, "scan_once", _DECODER.raw_decode)
"""What ``raw_decode`` calls, if this Python has it: it takes a twentieth less time to read a result of 2 KB."""
_JSON_TYPES: Final = (dict, list, str, int, float, type(None))


def encode(value: object, *, name: str = "result") -> str:
    """Return the JSON text of a JSON value, a dataclass or a pydantic model; plain tuples are written as lists.

    What would not come back as it is raises :class:`InvalidResultError` with its ``path``.
    """
    try:
        plain = value if type(value) is dict else to_json_value(value, name)  # what most results are: each call counts
    except RecursionError:
        raise InvalidResultError("holds itself, or is nested too deeply; flatten it", path=name) from None
    if not is_plain(plain, 0):
        check(plain, name)
    try:
        text = _text_of(plain)
    except ValueError:  # a number or a text that JSON, or UTF-8, cannot hold: say where
        check(plain, name)
        raise
    if len(text) * 4 > RESULT_BYTES_MAX and len(text.encode("utf-8", "replace")) > RESULT_BYTES_MAX:
        raise InvalidResultError(f"is larger than {RESULT_BYTES_MAX:,} bytes of JSON; keep it in a file", path=name)
    return text


def encode_result(value: object) -> str:
    """Return the JSON text of a result; see :func:`encode`. A typed result must come back equal as its type."""
    text = encode(value)
    if type(value) is dict or not is_typed(value):
        return text
    try:
        check_round_trip(value, decode(text))
    except InvalidResultError as misfit:
        # A model has another form, without the fields that its class computes.
        other = _form_to_be_read(value)
        if other is None:
            raise
        text = encode(other)
        try:
            check_round_trip(value, decode(text))
        except InvalidResultError:
            raise misfit from None
    return text


def _form_to_be_read(value: Any) -> object | None:
    try:
        return value.model_dump(mode="json", round_trip=True) if hasattr(value, "model_dump") else None
    except Exception:  # whatever a model of the caller's does there
        return None


_last_was_ascii = True


def _text_of(plain: object) -> str:
    """Return JSON text in which every letter stands for itself.

    Python's encoder takes twice as long for that as for a text in which all but ASCII is escaped. If nothing is
    escaped, both texts are equal. So the quick form is tried first, as long as the last result was ASCII.
    """
    global _last_was_ascii  # noqa: PLW0603 - decides only which form is tried first
    if _last_was_ascii:
        text = _ENCODE_ASCII(plain)
        if "\\" not in text or "\\u" not in text:
            return text
    text = _ENCODE(plain)
    _last_was_ascii = text.isascii()
    if not _last_was_ascii:
        text.encode()  # a lone surrogate is a ValueError
    return text


def decode(text: str) -> Any:
    """Return the value of a JSON text that :func:`encode` made: one value, and nothing around it."""
    try:
        return _SCAN(text, 0)[0]
    except StopIteration as end:  # it says where no value begins
        raise json.JSONDecodeError("Expecting value", text, end.value) from None


def to_json_value(value: object, name: str) -> object:
    """Turn a dataclass or a pydantic model into plain JSON data; anything else is returned as it is."""
    if isinstance(value, _JSON_TYPES):
        return value
    kind: Any = type(value)
    names = _fields_of(kind)
    if names is not None:
        with suppress(Exception):  # the slower way below names the place of the error
            return {field: _part(getattr(value, field)) for field in names}
    return _named_value(value, name)


@lru_cache(maxsize=256)
def _fields_of(kind: Any) -> tuple[str, ...] | None:
    """Return the names of the fields of a dataclass; None of any other class."""
    if not dataclasses.is_dataclass(kind) or callable(getattr(kind, "model_dump", None)):
        return None
    return tuple(field.name for field in dataclasses.fields(kind))


def _part(value: Any) -> Any:
    """Return what :func:`_named_part` does, without keeping the place of each value: that takes most of the time."""
    kind: Any = type(value)
    if kind in LEAVES:
        return value
    if kind is list or kind is tuple:
        return [_part(item) for item in value]
    if kind is dict:
        return {key: _part(item) for key, item in value.items()}
    names = _fields_of(kind)
    if names is None:
        return _named_part(value, "")
    return {field: _part(getattr(value, field)) for field in names}


def _named_value(value: object, name: str) -> object:
    if isinstance(value, _JSON_TYPES):
        return value
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        try:
            return dump(mode="json")
        except Exception as error:
            raise InvalidResultError(f"cannot be written as JSON: {error}", path=name) from error
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _named_part(getattr(value, field.name), f"{name}.{field.name}")
            for field in dataclasses.fields(value)
        }
    return value


def _named_part(value: object, name: str) -> object:
    """Return a value inside a dataclass as JSON data. The class says its type, so a tuple may be written as a list."""
    if isinstance(value, list | tuple):
        return [_named_part(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _named_part(item, f"{name}[{short_repr(key)}]") for key, item in value.items()}
    return _named_value(value, name)


def is_same_result(text: str, other: str) -> bool:
    """Whether two texts that :func:`json_text.encode` made hold the same value, with its keys in any order."""
    return text == other or is_same(decode(text), decode(other))


def unchanged(old: dict[int, Any], new: dict[int, Any]) -> set[int]:
    """Return the chunks that have the same result in both mappings."""
    return {index for index, result in old.items() if index in new and _identical(result, new[index])}


def _identical(value: Any, other: Any) -> bool:
    """Whether two values have the same JSON text, keys in the same order: 1, 1.0 and true are three values."""
    if value is other:
        return True
    if type(value) is not type(other) or value != other:
        return False
    if isinstance(value, dict):
        return list(value) == list(other) and all(_identical(value[key], other[key]) for key in value)
    if isinstance(value, list):
        return all(map(_identical, value, other))
    return not isinstance(value, float) or str(value) == str(other)
