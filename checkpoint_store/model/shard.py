"""A shard: the part of a job's chunks that one loop works on. Other loops, also on other machines, have the rest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from operator import index as whole_number
from typing import Final

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.model.limits import CHUNKS_MAX
from checkpoint_store.model.spans import Span, spans_of

_SPANS_SHOWN_MAX: Final = 8


class Shard(Collection[int]):
    """A set of chunk indices, kept as spans. Immutable."""

    __slots__ = ("_starts", "spans")

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans: Final = tuple(spans)
        """Ascending; between two of them at least one chunk is missing."""
        self._starts: Final = [start for start, _ in self.spans]

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.spans:
            yield from range(start, stop)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and bool(self.between(index, index + 1))

    def __str__(self) -> str:
        """The indices as people write them: ``0-499, 600``."""
        spans = [f"{start}-{stop - 1}" if stop - start > 1 else f"{start}" for start, stop in self.spans]
        return ", ".join(spans[:_SPANS_SHOWN_MAX]) + ", …" * (len(spans) > _SPANS_SHOWN_MAX)

    @property
    def stop(self) -> int:
        """The first index behind the last chunk; 0 for an empty shard."""
        return max((stop for _, stop in self.spans), default=0)

    @property
    def is_beginning(self) -> bool:
        """Whether the shard begins at chunk 0 and has no gap, or is empty."""
        return self._starts in ([], [0])

    def between(self, start: int, stop: int) -> list[Span]:
        """Return the spans of the shard within ``[start, stop)``."""
        spans: list[Span] = []
        at = max(bisect_right(self._starts, start) - 1, 0)
        for begin, end in self.spans[at:]:
            if begin >= stop:
                break
            if end > start:
                spans.append((max(begin, start), min(end, stop)))
        return spans

    def count_in(self, ranges: Iterable[Span]) -> int:
        """Return how many chunks of the shard are in these half-open ranges, of which no two overlap."""
        return sum(end - begin for start, stop in ranges for begin, end in self.between(start, stop))


def shard_of(only: object) -> Shard | None:
    """Return the shard that the argument ``only`` names; None if ``only`` is None.

    Raises:
        InvalidArgumentError: it is no collection of chunk indices.
    """
    if only is None or isinstance(only, Shard):
        return only
    if isinstance(only, str | bytes) or not isinstance(only, Collection):
        raise InvalidArgumentError("only", only, "is no collection of chunk indices, such as range(0, 500)")
    if len(only) > CHUNKS_MAX:
        raise InvalidArgumentError("only", only, f"has more than {CHUNKS_MAX:,} indices")
    if isinstance(only, range) and only.step == 1:
        indices: Iterable[int] = (only.start, only.stop - 1) if only else ()
        _checked(indices)
        return Shard([(only.start, only.stop)] if only else ())
    return Shard(spans_of(sorted(set(_checked(only)))))


def _checked(indices: Iterable[object]) -> list[int]:
    checked = []
    for given in indices:
        try:
            index = -1 if isinstance(given, bool) else whole_number(given)  # type: ignore[arg-type]
        except TypeError:
            index = -1
        if index < 0:
            raise InvalidArgumentError("only", given, "is no index of a chunk: a whole number from 0")
        checked.append(index)
    return checked
