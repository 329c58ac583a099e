# ruff: noqa: RUF001 - the quotation marks of many languages are meant
"""Join the cleaned chunks to one text that has their overlaps once.

The transcript tells exactly what a chunk repeats of the chunk before. A cleaner that rewords moves the end of that
part. It is looked for by four signs, the surest first: the same characters, the same words, similar words, and the
place of the chunk's own words in its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.cli.transcripts.read import TranscriptChunk

# Scripts that put no space between words count by character; underscores join nothing.
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+(?:['’](?:(?![{_UNSPACED}])[^\W_])+)*")
_OPENERS: Final = "([{\"'“‘«„「『（《"
_SIMILARITY_MIN: Final = 0.6
"""The share of words that two wordings of one passage have in common, at least; unrelated English has 0.3."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text without case and punctuation, and the (start, end) of each in the text."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> _Words:
        found = list(_WORD.finditer(text))
        words = tuple(match[0].casefold().replace("’", "'") for match in found)
        return cls(words, tuple(match.span() for match in found))

    def __len__(self) -> int:
        return len(self.words)


def join(chunks: Iterable[TranscriptChunk], cleaned: Iterable[str], *, line_end: str = "\n") -> Iterator[str]:
    """Yield the joined text in parts, in order; ``cleaned`` has one text for each chunk.

    Args:
        chunks: the chunks of the transcript.
        cleaned: the cleaned text of each chunk.
        line_end: the separator for a single line end between two chunks: ``" "`` after a cleaner that joins lines.
    """
    previous, written = "", False
    for chunk, text in zip(chunks, cleaned, strict=True):
        own = text[own_start(previous, text, chunk) :]
        if own.strip():
            separator = line_end if chunk.separator == "\n" else chunk.separator
            yield (separator + own.lstrip() if written else own.lstrip()).rstrip()
            written = True
        previous = text


def own_start(previous: str, text: str, chunk: TranscriptChunk) -> int:
    """Return the position in ``text`` at which the chunk's own part begins.

    The part before it repeats the end of ``previous``. Return 0 in doubt: doubled words are better than lost ones.
    """
    if not chunk.context:
        return 0
    context = chunk.context
    if text.startswith(context) and previous.endswith(context.rstrip()):
        return len(context)
    return _own_start_by_words(previous, text, chunk)


def _own_start_by_words(previous: str, text: str, chunk: TranscriptChunk) -> int:
    before, current, source = _Words.of(previous), _Words.of(text), _Words.of(chunk.text)
    shared = len(_Words.of(chunk.context))
    if not shared or not len(current):
        return 0
    by_source = _by_source(source, shared, current)
    expected = by_source if by_source is not None else round(shared * len(current) / len(source))
    tolerance = max(3, shared // (8 if by_source is not None else 2))
    count = _same_words(before.words, current.words, expected, tolerance)
    if count is None:
        count = _similar_words(before.words, current.words, expected, tolerance)
    if count is None:
        count = by_source
    return _position_after(current, count, text, previous) if count else 0


def _same_words(previous: tuple[str, ...], current: tuple[str, ...], expected: int, tolerance: int) -> int | None:
    """Return the length of an end of ``previous`` that begins ``current``: of several, the nearest to ``expected``."""
    counts = range(max(1, expected - tolerance), min(expected + tolerance, len(previous), len(current)) + 1)
    same = [count for count in counts if previous[-count:] == current[:count]]
    return min(same, key=lambda count: abs(count - expected), default=None)


def _similar_words(previous: tuple[str, ...], current: tuple[str, ...], expected: int, tolerance: int) -> int | None:
    """Return the number of words of ``current`` that reword the end of ``previous``, or None."""
    tail, head = previous[-(expected + tolerance) :], current[: expected + tolerance]
    blocks = _blocks(tail, head)
    if not blocks:
        return None
    last = blocks[-1]
    count = last.b + last.size + len(tail) - (last.a + last.size)
    matched = sum(block.size for block in blocks)
    if abs(count - expected) > tolerance or matched < _SIMILARITY_MIN * min(count, expected):
        return None
    return min(count, len(current))


def _by_source(source: _Words, shared: int, current: _Words) -> int | None:
    """Return the number of words of ``current`` that come from the first ``shared`` words of its source, or None."""
    reach = 2 * shared + 20
    blocks = _blocks(source.words[:reach], current.words[: reach + reach // 2])
    if sum(block.size for block in blocks) < _SIMILARITY_MIN * min(reach, len(source), len(current)):
        return None
    source_end = current_end = 0
    for block in blocks:
        if block.a >= shared:  # the border is in the gap before this block: at the same share of the gap on both sides
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
    """Return the position after the first ``count`` words, before the opening marks of the next word."""
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
