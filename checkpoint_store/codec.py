"""Results to JSON text and back, so that what comes back equals what went in.

JSON quietly changes some Python values: integer keys become text, named tuples lose their names, NaN is no JSON at
all. Each such value is refused, with the path to it, before anything is written. A plain tuple is stored as a list.
"""

from __future__ import annotations

import dataclasses
import json
from hashlib import sha256
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn

from checkpoint_store.errors import InvalidResultError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_DEPTH: Final = 200
"""How deep lists and objects may be nested (SQLite's own JSON functions stop at 2,000, some parsers far earlier)."""
MAX_INTEGER_DIGITS: Final = 4_300
"""Python itself refuses to read longer integers back from text."""
MAX_RESULT_BYTES: Final = 256 * 1024 * 1024
"""The largest JSON text of one result; SQLite stops at 1,000,000,000."""

_MAX_INTEGER: Final = 10**MAX_INTEGER_DIGITS


def _encoder(*, ensure_ascii: bool) -> Callable[[object], str]:
    """Return ``json.JSONEncoder.encode``, without making an encoder anew for each text where that is known to work."""
    whole = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=False, check_circular=False)
    quote = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    sample = ["ä", {"a": 0.5}]
    try:
        pieces = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, whole.default, quote, None, ": ", ", ", False, False, False
        )
        if "".join(pieces(sample, 0)) == whole.encode(sample):
            return lambda value: "".join(pieces(value, 0))
    except (AttributeError, TypeError):
        pass
    return whole.encode


_ENCODE: Final = _encoder(ensure_ascii=False)
_ENCODE_ASCII: Final = _encoder(ensure_ascii=True)
_DECODE: Final = json.JSONDecoder().raw_decode
_SHORT: Final = 2047
"""Of more bytes than these hashlib gives Python's lock away: getting it back costs more than they do, in a crowd."""
_LONG: Final = 32 * 1024
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
_COLLECTIONS: Final = frozenset({dict, list, tuple})
_JSON_TYPES: Final = (dict, list, str, int, float, type(None))


def encode(value: object, *, name: str = "result") -> str:
    """Return the JSON text of a JSON value, a dataclass or a pydantic model; plain tuples are written as lists.

    Raises:
        InvalidResultError: something in it would not come back as it is; ``path`` says where.
    """
    try:
        plain = to_json_value(value, name)
    except RecursionError:
        raise InvalidResultError("holds itself, or is nested too deeply; flatten it", path=name) from None
    if not _is_plain(plain, 0):
        check(plain, name)
    try:
        text = _text_of(plain)
    except ValueError:  # a number or a text that JSON, or UTF-8, cannot hold: say where
        check(plain, name)
        raise
    if len(text) * 4 > MAX_RESULT_BYTES and len(text.encode("utf-8", "replace")) > MAX_RESULT_BYTES:
        raise InvalidResultError(f"is larger than {MAX_RESULT_BYTES:,} bytes of JSON; keep it in a file", path=name)
    return text


_last_was_ascii = True


def _text_of(plain: object) -> str:
    """Return JSON text in which every letter stands for itself.

    Python's encoder takes twice as long for that as for a text in which all but ASCII is escaped. Where nothing had to
    be, the two are the same: so that one is tried first, as long as results are of this kind.
    """
    global _last_was_ascii  # noqa: PLW0603 - only about which way is tried first
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
    return _DECODE(text)[0]


def digest(job_id: str, chunk_index: int, text: str) -> str:
    """Return 32 hexadecimal digits that bind a result's text to its job and chunk.

    The first 128 bits of ``sha256("{job_id}:{chunk_index}:{text}")``: enough to notice any damage and any row
    that has come to stand in another's place.
    """
    return sha256(f"{job_id}:{chunk_index}:{text}".encode()).hexdigest()[:32]


def digest_in_a_crowd(job_id: str, chunk_index: int, text: str) -> str:
    """Return the same digest, made in pieces for which Python's lock is not given away: for threads that complete."""
    data = f"{job_id}:{chunk_index}:{text}".encode()
    if len(data) > _LONG:
        return sha256(data).hexdigest()[:32]
    whole = sha256(data[:_SHORT])
    for at in range(_SHORT, len(data), _SHORT):
        whole.update(data[at : at + _SHORT])
    return whole.hexdigest()[:32]


def to_json_value(value: object, name: str) -> object:
    """Turn a dataclass or a pydantic model into plain JSON data; anything else is returned as it is."""
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
            field.name: _field_value(getattr(value, field.name), f"{name}.{field.name}")
            for field in dataclasses.fields(value)
        }
    return value


def _field_value(value: object, name: str) -> object:
    """A value inside a dataclass: its type is known from the class, so tuples may be written as lists."""
    if isinstance(value, list | tuple):
        return [_field_value(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _field_value(item, f"{name}[{shown(key)}]") for key, item in value.items()}
    return to_json_value(value, name)


def check(value: object, name: str) -> None:
    """Raise :class:`InvalidResultError` for the first thing in ``value`` that JSON would change or lose."""
    _check(value, name, 0)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether nothing in ``value`` needs a closer look but its numbers and texts, which the encoder looks at."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        return kind in _LEAVES
    if depth >= MAX_DEPTH:
        return False
    for item in items:
        kind = type(item)
        if kind not in _LEAVES and not (kind in _COLLECTIONS and _is_plain(item, depth + 1)):
            return False
    return True


def _check(value: object, path: str, depth: int) -> None:
    kind = type(value)
    if kind is dict:
        _check_object(value, path, depth)  # type: ignore[arg-type]
    elif kind is list or kind is tuple:
        _check_list(value, path, depth)  # type: ignore[arg-type]
    elif kind is str:
        _check_text(value, path)  # type: ignore[arg-type]
    elif kind is int:
        if not -_MAX_INTEGER < value < _MAX_INTEGER:  # type: ignore[operator]
            _refuse(path, f"is an integer of more than {MAX_INTEGER_DIGITS:,} digits; store it as text")
    elif kind is float:
        if not isfinite(value):  # type: ignore[arg-type]
            _refuse(path, f"is {value}, which JSON cannot hold; use None or text")
    elif kind not in _LEAVES:
        _check_subclass(value, path, depth)


def _check_object(value: dict[Any, Any], path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        _refuse(path, f"is nested more than {MAX_DEPTH} levels deep; flatten it, or store the inner part as text")
    depth += 1
    for key, item in value.items():
        if type(key) is not str:
            if not isinstance(key, str):
                _refuse(path, f"has the key {shown(key)} ({type(key).__name__}); JSON keys are text, so make it one")
            _check_key_twin(value, key, path)
        if not key.isascii():
            _check_text(key, f"{path} key {ascii(key)[:60]}")
        _check(item, f"{path}[{key!r}]", depth)


def _check_key_twin(value: dict[Any, Any], key: str, path: str) -> None:
    """A subclass of str may equal nothing and still print as another key: both would become one."""
    if sum(1 for other in value if str.__str__(other) == str.__str__(key)) > 1:
        _refuse(path, f"has two keys that are both written as {str.__str__(key)!r}")


def _check_list(value: Sequence[Any], path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        _refuse(path, f"is nested more than {MAX_DEPTH} levels deep; flatten it, or store the inner part as text")
    for index, item in enumerate(value):
        _check(item, f"{path}[{index}]", depth + 1)


def _check_text(value: str, path: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        _refuse(
            path,
            f"has the lone surrogate {value[error.start]!a} at character {error.start}, which no UTF-8 file can "
            "hold; decode its source with errors='replace'",
        )


def _check_subclass(value: object, path: str, depth: int) -> None:
    """Subclasses of JSON types (OrderedDict, IntEnum, numpy.float64 …) pass where they equal what comes back."""
    if isinstance(value, dict):
        _check_object(value, path, depth)
    elif isinstance(value, list):
        _check_list(value, path, depth)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int):
        _check(int(value), path, depth)
    elif isinstance(value, float):
        _check(float(value), path, depth)
    elif isinstance(value, tuple):
        _refuse(path, f"is a {type(value).__qualname__}, whose names JSON would lose; make it a dict, or a dataclass")
    else:
        _refuse(
            path,
            f"is a {type(value).__module__}.{type(value).__qualname__}, which JSON cannot hold; convert it",
        )


def _refuse(path: str, reason: str) -> NoReturn:
    raise InvalidResultError(reason, path=path)
