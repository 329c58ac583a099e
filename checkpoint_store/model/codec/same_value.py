"""The comparison of two JSON texts as results: the order of keys does not matter, and 1 is neither 1.0 nor True."""

from __future__ import annotations

from typing import Any

from checkpoint_store.model.codec import json_text


def is_same_result(text: str, other: str) -> bool:
    """Whether two texts that :func:`json_text.encode` made hold the same value."""
    return text == other or _is_same(json_text.decode(text), json_text.decode(other))


def _is_same(value: Any, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_is_same(item, other[key]) for key, item in value.items())
    if isinstance(value, list):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return bool(value == other)
