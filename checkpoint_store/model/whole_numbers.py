"""Read a whole number that a caller gives."""

from __future__ import annotations

from operator import index
from typing import Any


def as_int(value: Any) -> Any:
    """Return a whole number of numpy, or of an IntEnum, as an int; any other value as it is."""
    if isinstance(value, bool):
        return value
    try:
        return index(value)
    except TypeError:
        return value


def count_from(value: Any) -> int | None:
    """Return a whole number from 1 as an int, also that of numpy and of an IntEnum; None for any other value."""
    number = as_int(value)
    return number if type(number) is int and number >= 1 else None
