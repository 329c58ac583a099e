"""JSON text to plain values: what would not come back as it was written is refused."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from checkpoint_store.errors import StateFormatError


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        StateFormatError: it is not JSON, or holds a number or a name that a state cannot keep.
    """
    if not isinstance(text, str | bytes):
        raise StateFormatError(None, f"is a {type(text).__name__}, not JSON text")
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(
            decoded.removeprefix("\ufeff"), parse_constant=_no_number, parse_float=_number, object_pairs_hook=_object
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise StateFormatError(None, f"is not JSON: {error}") from error
    except StateFormatError:
        raise
    except ValueError as error:
        raise StateFormatError(None, f"is not JSON that can be read: {error}") from error


def _no_number(name: str) -> NoReturn:
    raise StateFormatError(None, f"holds {name}, which is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise StateFormatError(None, f"holds the number {text[:40]}, which is too large to be kept")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise StateFormatError(next(name for name in names if names.count(name) > 1), "stands twice in one object")
    return made
