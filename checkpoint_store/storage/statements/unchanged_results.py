"""The results of a state that its caller has not changed: compared as values, without encoding them."""

from __future__ import annotations

from typing import Any


def unchanged(old: dict[int, Any], new: dict[int, Any]) -> set[int]:
    """Return the chunks that have the same result in both mappings."""
    return {index for index, result in old.items() if index in new and _identical(result, new[index])}


def _identical(value: Any, other: Any) -> bool:
    """Whether two values are equal as JSON: 1, 1.0 and true are three values."""
    if value is other:
        return True
    if type(value) is not type(other) or value != other:
        return False
    if isinstance(value, dict):
        return list(value) == list(other) and all(_identical(value[key], other[key]) for key in value)
    if isinstance(value, list):
        return all(map(_identical, value, other))
    return not isinstance(value, float) or str(value) == str(other)
