"""Spans: half-open ranges of consecutive chunk indices, and lists of indices that are kept as spans."""

from __future__ import annotations

from array import array
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PAGE_INDICES: Final = 1024

Span = tuple[int, int]
"""A half-open range ``(start, stop)`` of chunk indices."""


def spans_of(indices: Iterable[int]) -> Iterator[Span]:
    """Yield the spans of chunk indices, in the order of the indices."""
    start = stop = -1
    for index in indices:
        if index != stop:
            if stop > start:
                yield start, stop
            start = index
        stop = index + 1
    if stop > start:
        yield start, stop


class IndexList:
    """Chunk indices in a given order, kept as spans: a million consecutive indices take as much memory as one index."""

    __slots__ = ("_count", "_lengths", "_starts")

    def __init__(self, indices: Iterable[int] = ()) -> None:
        self._starts = array("q")
        self._lengths = array("q")
        self._count = 0
        self.extend(indices)

    def extend(self, indices: Iterable[int]) -> None:
        """Add indices at the end."""
        starts, lengths = self._starts, self._lengths
        for start, stop in spans_of(indices):
            if starts and start == starts[-1] + lengths[-1]:
                lengths[-1] += stop - start
            else:
                starts.append(start)
                lengths.append(stop - start)
            self._count += stop - start

    def and_these(self, others: IndexList) -> IndexList:
        """Return the indices of this list with those of ``others`` behind them."""
        both = IndexList()
        both._starts = self._starts + others._starts
        both._lengths = self._lengths + others._lengths
        both._count = self._count + others._count
        return both

    @property
    def is_ascending(self) -> bool:
        """Whether each index is larger than the index before it."""
        ends = zip(self._starts, self._lengths, strict=True)
        return all(start + length <= later for (start, length), (later, _) in pairwise(ends))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for start, length in zip(self._starts, self._lengths, strict=True):
            yield from range(start, start + length)

    def pages(self) -> Iterator[Sequence[int]]:
        """Yield the indices in their order, in pages."""
        indices = iter(self)
        while page := tuple(islice(indices, _PAGE_INDICES)):
            yield page
