"""How chunks are named: by an index, by spans of indices, by a shard, or by the key of their caller."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from itertools import islice, pairwise
from operator import index as whole_number
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import InvalidArgumentError, short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence


CHUNKS_MAX: Final = 1_000_000_000
"""The most chunks of one job: a loop over the number of chunks in a damaged file must come to an end."""


def as_int(value: Any) -> Any:
    """Return a whole number of numpy, or of an IntEnum, as an int; any other value as it is."""
    if isinstance(value, bool):
        return value
    try:
        return whole_number(value)
    except TypeError:
        return value


def count_from(value: Any) -> int | None:
    """Return a whole number from 1 as an int, also that of numpy and of an IntEnum; None for any other value."""
    number = as_int(value)
    return number if type(number) is int and number >= 1 else None


def as_float(value: Any) -> float | None:
    """Return a number as a float; None for a bool, for an int that is too large for a float, and for no number."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


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
        return all(stop <= later for (_, stop), (later, _) in pairwise(self.spans()))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.spans():
            yield from range(start, stop)

    def spans(self) -> Iterator[Span]:
        """Yield the indices in their order, as half-open spans."""
        for start, length in zip(self._starts, self._lengths, strict=True):
            yield start, start + length

    def pages(self) -> Iterator[Sequence[int]]:
        """Yield the indices in their order, in pages."""
        indices = iter(self)
        while page := tuple(islice(indices, _PAGE_INDICES)):
            yield page


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
        first = max(bisect_right(self._starts, start) - 1, 0)
        last = bisect_left(self._starts, stop)  # a copy up to the end would cost each look as much as all spans
        return [(max(begin, start), min(end, stop)) for begin, end in self.spans[first:last] if end > start]

    def count_in(self, ranges: Iterable[Span]) -> int:
        """Return how many chunks of the shard are in these half-open ranges, of which no two overlap."""
        return sum(end - begin for start, stop in ranges for begin, end in self.between(start, stop))


def shard_of(only: object) -> Shard | None:
    """Return the shard that the argument ``only`` names; None if ``only`` is None."""
    if only is None or isinstance(only, Shard):
        return only
    if isinstance(only, str | bytes) or not isinstance(only, Collection):
        raise InvalidArgumentError("only", only, "is no collection of chunk indices, such as range(0, 500)")
    if _length_of(only) > CHUNKS_MAX:
        raise InvalidArgumentError("only", only, f"has more than {CHUNKS_MAX:,} indices")
    if isinstance(only, range) and only.step == 1:
        indices: Iterable[int] = (only.start, only.stop - 1) if only else ()
        _checked(indices)
        return Shard([(only.start, only.stop)] if only else ())
    return Shard(spans_of(sorted(set(_checked(only)))))


def _length_of(only: Collection[object]) -> float:
    try:
        return len(only)
    except OverflowError:  # of a range
        return float("inf")


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


def checked_pairs(pairs: Any) -> Iterator[tuple[Any, object]]:
    """Yield each pair of an index and a result; refuse what is no list of pairs."""
    if not isinstance(pairs, Iterable):
        raise InvalidArgumentError("pairs", pairs, "is no list of pairs of an index and a result")
    for pair in pairs:
        try:
            index, result = pair
        except (TypeError, ValueError):
            raise InvalidArgumentError("pairs", pair, "has to be a pair of an index and a result") from None
        yield index, result


Key = str | int
KEY_LENGTH_MAX: Final = 4096
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]*")
_LIKE_A_NUMBER: Final = re.compile(r'"*(?:0|-?[1-9][0-9]*)"*')
"""A text that would read as a number, or as a text that is stored in quotes for that reason."""
_KEY_DIGITS_MAX: Final = 18


def stored_key(key: Key) -> str:
    """Return a key as it is stored."""
    if isinstance(key, int):
        return str(key)
    return f'"{key}"' if _LIKE_A_NUMBER.fullmatch(key) else key


def key_from(stored: str) -> Key:
    """Return the key that was stored."""
    if _NUMBER.fullmatch(stored) and len(stored) <= _KEY_DIGITS_MAX:
        return int(stored)
    is_quoted = stored[:1] == '"' == stored[-1:] and _LIKE_A_NUMBER.fullmatch(stored[1:-1]) is not None
    return stored[1:-1] if is_quoted else stored


def spellings(key: Key) -> list[str]:
    """Return the forms in which the key that a caller asks for may be stored: first the form of this very key."""
    text = str(key)
    forms = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    return list(dict.fromkeys([stored_key(key), text, stored_key(text), *forms]))


def checked_keys(keys: Iterable[object]) -> tuple[Key, ...]:
    """Return the keys of a mapping of chunks: texts or whole numbers, none of which reads like another."""
    seen = dict[str, Key]()
    for position, given in enumerate(keys):
        key = given if isinstance(given, str) else as_int(given)
        reason = _wrong(key)
        if reason is not None or not isinstance(key, str | int):
            raise InvalidArgumentError(
                "chunks", ..., f"has the key {short_repr(key)} for chunk {position}, which {reason}"
            )
        other = seen.setdefault(_compared(key), key)
        if len(seen) <= position:
            both = f"{short_repr(other)} and {short_repr(key)}"
            raise InvalidArgumentError("chunks", ..., f"has the keys {both}, which read the same; name one differently")
    return tuple(seen.values())


def is_key(key: object) -> bool:
    """Whether a value can be a key at all."""
    return _wrong(key) is None


def _compared(key: Key) -> str:
    text = str(key)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _wrong(key: object) -> str | None:
    """Return why a value cannot be a key; None if it can."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        return "is neither text nor a whole number"
    if isinstance(key, int):
        return None if abs(key) < 10 ** (_KEY_DIGITS_MAX - 1) else f"has more than {_KEY_DIGITS_MAX - 1} digits"
    if not 0 < len(key) <= KEY_LENGTH_MAX:
        return f"is no text of 1 to {KEY_LENGTH_MAX:,} characters"
    if "\0" in key or any("\ud800" <= letter <= "\udfff" for letter in key):
        return "has a NUL or a lone surrogate in it, which nobody can type"
    return None
