# ruff: noqa: RUF001 - the quotation marks of transcripts are meant
"""Cut transcripts into chunks that overlap."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from semantic_text_splitter import TextSplitter

from checkpoint_store.cli.transcripts.speakers import SPEAKER

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD_LENGTH_MAX: Final = 64
_SENTENCE_END: Final = re.compile(r"[.!?…][\"'”’)\]]*\s+")
_BLANK_LINE: Final = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True, slots=True)
class TranscriptChunk:
    """One chunk of a transcript: some text of the chunk before, as context, and then text of its own."""

    text: str
    context: str
    """The beginning of ``text`` that repeats the end of the chunk before."""
    separator: str
    """The white space between the chunk before and this chunk's own text: blank line, line end, space or nothing."""


def split(text: str, *, chunk_size: int, overlap: int) -> list[TranscriptChunk]:
    """Cut ``text`` into chunks of at most ``chunk_size`` characters.

    Each chunk begins with up to ``overlap`` characters of the chunk before. Cuts fall between paragraphs, else between
    sentences, else between words. A cut depends only on the text since the cut before it. So an edit changes no chunk
    before it, and the chunks after it are unchanged from the first cut that old and new text share.
    """
    chunks: list[TranscriptChunk] = []
    before = 0
    for start, end in _spans(text, chunk_size - overlap):
        context = text[_context_start(text, before, start, overlap) : start] if chunks else ""
        own = text[start:end].rstrip()
        chunks.append(TranscriptChunk(context + own, context, _separator(text, start)))
        before = start - len(context)
    return chunks


def _spans(text: str, capacity: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each chunk's own text; each start is a character that is no white space."""
    splitter = TextSplitter(capacity, trim=False)
    position = _skip_space(text, 0)
    while position < len(text):
        window = text[position : position + 2 * capacity]
        end = position + (len(splitter.chunks(window)[0]) if len(window) > capacity else len(window))
        end = _word_boundary(text, position, end)
        yield position, end
        position = _skip_space(text, end)


def _word_boundary(text: str, start: int, end: int) -> int:
    """Move a cut inside a word (``half|-century``) back to the space before the word, if there is one."""
    if end >= len(text) or text[end].isspace() or text[end - 1].isspace():
        return end
    back, farthest = end, max(start, end - _WORD_LENGTH_MAX)
    while back > farthest and not text[back - 1].isspace():
        back -= 1
    return back if back > farthest else end


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _context_start(text: str, floor: int, start: int, overlap: int) -> int:
    """Return the start of the context: the first sentence within the overlap, else the first word."""
    low = max(floor, start - overlap)
    window = text[low:start]
    if low == floor or not window.strip():
        return low if window.strip() else start
    sentence = _SENTENCE_END.search(window, 0, len(window.rstrip()))
    if sentence is not None:
        return low + sentence.end()
    if text[low - 1].isspace():
        return _skip_space(text, low)
    word = re.search(r"\s+(?=\S)", window)
    return low + word.end() if word is not None else low


def _separator(text: str, start: int) -> str:
    before = text[_text_end(text, start) : start]
    if _BLANK_LINE.search(before) or ("\n" in before and SPEAKER.match(text, start)):
        return "\n\n"
    if "\n" in before:
        return "\n"
    return " " if before else ""


def _text_end(text: str, position: int) -> int:
    """Return the start of the white space that ends at ``position``."""
    while position > 0 and text[position - 1].isspace():
        position -= 1
    return position
