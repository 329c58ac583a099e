# ruff: noqa: RUF001 - the quotation marks of many languages are meant
"""Cleaned pieces to one text, in which nothing that two pieces share stands twice.

What a piece repeats of the one before is known exactly in the transcript; a cleaner that rewords moves that
place. It is looked for from the surest sign to the weakest: the same characters, the same words, nearly the
same words, and where the piece's own words stand in its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.cli.transcripts.read import Piece

# Scripts that put no space between words count by character; underscores join nothing.
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+(?:['’](?:(?![{_UNSPACED}])[^\W_])+)*")
_OPENERS: Final = "([{\"'“‘«„「『（《"
_ALIKE: Final = 0.6
"""The least share of words that two wordings of one passage have in common; unrelated English has 0.3."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text without case and punctuation, and where each begins and ends in it."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> _Words:
        found = list(_WORD.finditer(text))
        words = tuple(match[0].casefold().replace("’", "'") for match in found)
        return cls(words, tuple(match.span() for match in found))

    def __len__(self) -> int:
        return len(self.words)


def join(pieces: Iterable[Piece], cleaned: Iterable[str], *, line_end: str = "\n") -> Iterator[str]:
    """Yield the joined text in parts, in order; ``cleaned`` has one text for each piece.

    Args:
        pieces: the pieces of the transcript.
        cleaned: what cleaning made of each of them.
        line_end: what to put where a single line end stood between two pieces: ``" "`` after a cleaner that
            joins lines.
    """
    previous, written = "", False
    for piece, text in zip(pieces, cleaned, strict=True):
        own = text[own_start(previous, text, piece) :]
        if own.strip():
            separator = line_end if piece.separator == "\n" else piece.separator
            yield (separator + own.lstrip() if written else own.lstrip()).rstrip()
            written = True
        previous = text


def own_start(previous: str, text: str, piece: Piece) -> int:
    """Return where in ``text`` the piece's own part begins, after what ``previous`` says already.

    0 where nothing can be told: rather the same words twice than any word lost.
    """
    if not piece.context:
        return 0
    context = piece.context
    if text.startswith(context) and previous.endswith(context.rstrip()):
        return len(context)
    return _own_start_by_words(previous, text, piece)


def _own_start_by_words(previous: str, text: str, piece: Piece) -> int:
    before, current, source = _Words.of(previous), _Words.of(text), _Words.of(piece.text)
    shared = len(_Words.of(piece.context))
    if not shared or not len(current):
        return 0
    by_source = _by_source(source, shared, current)
    expected = by_source if by_source is not None else round(shared * len(current) / len(source))
    slack = max(3, shared // (8 if by_source is not None else 2))
    count = _same_words(before.words, current.words, expected, slack)
    if count is None:
        count = _similar_words(before.words, current.words, expected, slack)
    if count is None:
        count = by_source
    return _position_after(current, count, text, previous) if count else 0


def _same_words(previous: tuple[str, ...], current: tuple[str, ...], expected: int, slack: int) -> int | None:
    """How many words both end and begin with, the count nearest to ``expected``: phrases may repeat."""
    counts = range(max(1, expected - slack), min(expected + slack, len(previous), len(current)) + 1)
    same = [count for count in counts if previous[-count:] == current[:count]]
    return min(same, key=lambda count: abs(count - expected), default=None)


def _similar_words(previous: tuple[str, ...], current: tuple[str, ...], expected: int, slack: int) -> int | None:
    """The same for two wordings of one passage: what stands in ``current`` where ``previous`` ends."""
    tail, head = previous[-(expected + slack) :], current[: expected + slack]
    blocks = _blocks(tail, head)
    if not blocks:
        return None
    last = blocks[-1]
    count = last.b + last.size + len(tail) - (last.a + last.size)
    matched = sum(block.size for block in blocks)
    if abs(count - expected) > slack or matched < _ALIKE * min(count, expected):
        return None
    return min(count, len(current))


def _by_source(source: _Words, shared: int, current: _Words) -> int | None:
    """How many words of ``current`` come from the first ``shared`` of its source, where that can be seen."""
    reach = 2 * shared + 20
    blocks = _blocks(source.words[:reach], current.words[: reach + reach // 2])
    if sum(block.size for block in blocks) < _ALIKE * min(reach, len(source), len(current)):
        return None
    source_end = current_end = 0
    for block in blocks:
        if block.a >= shared:  # the place is in the gap before this block: as far into it on both sides
            into = (shared - source_end) / (block.a - source_end) if block.a > source_end else 0.0
            return current_end + round(into * (block.b - current_end))
        if block.a + block.size >= shared:
            return block.b + shared - block.a
        source_end, current_end = block.a + block.size, block.b + block.size
    return None


@dataclass(frozen=True, slots=True)
class _Block:
    a: int
    b: int
    size: int


def _blocks(first: tuple[str, ...], second: tuple[str, ...]) -> list[_Block]:
    found = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return [_Block(match.a, match.b, match.size) for match in found if match.size]


def _position_after(words: _Words, count: int, text: str, previous: str) -> int:
    """Where what follows the first ``count`` words begins, with the marks that open it."""
    if count >= len(words):
        return len(text)
    end, start = words.spans[count - 1][1], words.spans[count][0]
    space = re.search(r"\s+", text[end:start])
    if space is None:
        while start > end and text[start - 1] in _OPENERS:
            start -= 1
        return start
    dash = text[end + space.end() : start].strip()
    return start if dash and previous.endswith(dash) else end + space.end()
