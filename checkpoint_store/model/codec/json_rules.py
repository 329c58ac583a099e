"""The rules for what a JSON value may hold, and the strict reader of JSON text. Errors name the place."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn

from checkpoint_store.errors import InvalidResultError, StateFormatError, short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence


DEPTH_MAX: Final = 200
"""The most levels of nested lists and objects. SQLite's JSON functions stop at 2,000, some parsers far earlier."""
INTEGER_DIGITS_MAX: Final = 4_300
"""Python itself refuses to read longer integers back from text."""

INTEGER_BELOW: Final = 10**INTEGER_DIGITS_MAX
LEAVES: Final = frozenset({str, int, float, bool, type(None)})
"""The types of JSON values that hold no other value."""
_COLLECTIONS: Final = frozenset({dict, list, tuple})


def check(value: object, name: str) -> None:
    """Raise :class:`InvalidResultError` for the first thing in ``value`` that JSON would change or lose."""
    _check(value, name, 0)


def is_plain(value: Any, depth: int) -> bool:
    """Return whether a value is of plain types alone. The encoder then checks the rest: its numbers and texts."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        return kind in LEAVES
    if depth >= DEPTH_MAX:
        return False
    for item in items:
        kind = type(item)
        if kind not in LEAVES and not (kind in _COLLECTIONS and is_plain(item, depth + 1)):
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
        if not -INTEGER_BELOW < value < INTEGER_BELOW:  # type: ignore[operator]
            _refuse(path, f"is an integer of more than {INTEGER_DIGITS_MAX:,} digits; store it as text")
    elif kind is float:
        if not isfinite(value):  # type: ignore[arg-type]
            _refuse(path, f"is {value}, which JSON cannot hold; use None or text")
    elif kind not in LEAVES:
        _check_subclass(value, path, depth)


def _check_depth(path: str, depth: int) -> None:
    if depth >= DEPTH_MAX:
        _refuse(path, f"is nested more than {DEPTH_MAX} levels deep; flatten it, or store the inner part as text")


def _check_object(value: dict[Any, Any], path: str, depth: int) -> None:
    _check_depth(path, depth)
    for key, item in value.items():
        if type(key) is not str:
            if not isinstance(key, str):
                _refuse(
                    path, f"has the key {short_repr(key)} ({type(key).__name__}); JSON keys are text, so make it one"
                )
            _check_key_twin(value, key, path)
        if not key.isascii():
            _check_text(key, f"{path} key {ascii(key)[:60]}")
        _check(item, f"{path}[{key!r}]", depth + 1)


def _check_key_twin(value: dict[Any, Any], key: str, path: str) -> None:
    """Refuse a key of a subclass of str that prints as another key: both would become one key."""
    if sum(1 for other in value if str.__str__(other) == str.__str__(key)) > 1:
        _refuse(path, f"has two keys that are both written as {str.__str__(key)!r}")


def _check_list(value: Sequence[Any], path: str, depth: int) -> None:
    _check_depth(path, depth)
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
    """Accept a value of a subclass (OrderedDict, IntEnum, numpy.float64 …) if it equals the value that comes back."""
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
        _refuse(
            path,
            f"is of the type {type(value).__qualname__}, whose names JSON would lose; make it a dict, or a dataclass",
        )
    else:
        _refuse(path, f"is of the type {name_of(type(value))}, which JSON cannot hold; convert it")


def name_of(kind: type) -> str:
    """Return the name of a type, with that of its module unless it is built in."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _refuse(path: str, reason: str) -> NoReturn:
    raise InvalidResultError(reason, path=path)


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; refuse a number or a name that a state cannot keep."""
    if not isinstance(text, str | bytes):
        raise StateFormatError(None, f"is of the type {type(text).__name__}, not JSON text")
    try:
        decoded = (text.decode("utf-8") if isinstance(text, bytes) else text).removeprefix("\ufeff")
        return json.loads(decoded, parse_constant=_number, parse_float=_number, object_pairs_hook=_object)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise StateFormatError(None, f"is not JSON: {error}") from error
    except _NoNumberError as error:
        reason = f"holds {error}, which no state can keep, at {_path_of_number(decoded)}: write null or text there"
        raise StateFormatError(None, reason) from error
    except StateFormatError:
        raise
    except ValueError as error:
        raise StateFormatError(None, f"is not JSON that can be read: {error}") from error


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _NoNumberError(text[:40])
    return value


class _NoNumberError(Exception):
    """A number that no state can keep: NaN, Infinity, or one that is too large."""


def _path_of_number(text: str) -> str:
    """Return the path to the first number in a JSON text that no state can keep."""
    try:
        check(json.loads(text), "")
    except InvalidResultError as error:
        return str(error.path)
    return "[?]"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise StateFormatError(next(name for name in names if names.count(name) > 1), "stands twice in one object")
    return made
