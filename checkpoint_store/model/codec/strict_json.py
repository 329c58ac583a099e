"""Read JSON text strictly: a value that would not come back as it was written is refused."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from checkpoint_store.errors import InvalidResultError, StateFormatError
from checkpoint_store.model.codec.json_rules import check


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        StateFormatError: it is not JSON, or holds a number or a name that a state cannot keep.
    """
    if not isinstance(text, str | bytes):
        raise StateFormatError(None, f"is a {type(text).__name__}, not JSON text")
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
