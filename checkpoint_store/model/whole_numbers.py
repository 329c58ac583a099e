"""Read a whole number that a caller gives."""

from __future__ import annotations

from operator import index
from typing import Any


def count_from(value: Any) -> int | None:
    """Return a whole number from 1 as an int, also that of numpy and of an IntEnum; None for any other value."""
    if isinstance(value, bool):
        return None
    try:
        number = index(value)
    except TypeError:
        return None
    return number if number >= 1 else None
