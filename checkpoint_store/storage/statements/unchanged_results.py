"""Which results of a state are the ones that its caller was given: compared as values, without encoding them."""

from __future__ import annotations

from typing import Any


def unchanged(old: dict[int, Any], new: dict[int, Any]) -> set[int]:
    """Return the chunks that have the same result, of results by chunk."""
    return {index for index, result in old.items() if index in new and _identical(result, new[index])}


def _identical(one: Any, other: Any) -> bool:
    """Equal as JSON, where 1, 1.0 and true are three values."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_identical(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return all(map(_identical, one, other))
    return not isinstance(one, float) or str(one) == str(other)
