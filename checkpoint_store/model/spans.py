"""Spans: half-open ranges of consecutive chunk indices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""A half-open range ``(start, stop)`` of chunk indices."""


def spans_of(ascending: Iterable[int]) -> Iterator[Span]:
    """Yield the spans of ascending chunk indices."""
    start = stop = -1
    for index in ascending:
        if index != stop:
            if stop > start:
                yield start, stop
            start = index
        stop = index + 1
    if stop > start:
        yield start, stop
