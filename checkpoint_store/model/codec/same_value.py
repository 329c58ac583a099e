"""The comparison of two results, by value or by how they are written: 1 is neither 1.0 nor True."""

from __future__ import annotations

from typing import Any

from checkpoint_store.model.codec import json_text


def is_same_result(text: str, other: str) -> bool:
    """Whether two texts that :func:`json_text.encode` made hold the same value, with its keys in any order."""
    return text == other or _is_same(json_text.decode(text), json_text.decode(other))


def _is_same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_is_same(item, other[key]) for key, item in value.items())
    if isinstance(value, list):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return bool(value == other)


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
