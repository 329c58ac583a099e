"""Cut a text into chunks, each with the text before it as context.

A cut falls between paragraphs, else between sentences, else between words. It falls into no bracket, tag, time line or
grapheme cluster, and into no speaker's turn that fits into a chunk.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from semantic_text_splitter import TextSplitter

from checkpoint_store.cli.transcripts.speakers import SPEAKER
from checkpoint_store.cli.transcripts.unbroken import UnbrokenSpans, cut_after, cut_before, may_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD_LENGTH_MAX: Final = 64
_TOKEN_LENGTH_MAX: Final = 16
"""Characters for each token in a text that is too long for a chunk, whatever the language."""
_TOKEN_LENGTH: Final = 4
"""Characters for each token in the text that is looked at first: a tokenizer takes quadratic time for a long word."""
_LOOK_AHEAD: Final = 256
"""Characters behind a chunk that tell whether a sentence ends with it."""
_SENTENCE_END: Final = re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？][」』”’）]*\s*")  # those of Chinese and Japanese
_LINE_START: Final = re.compile(r"(?m)^[^\S\n]*(?=\S)")


class UnknownTokenizerError(Exception):
    """No tokenizer has this name; the message is one line and has the name."""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """One chunk of an input."""

    text: str
    """The chunk's own text, which begins and ends with no white space."""
    context: str = ""
    """The text before the chunk. It is no part of the chunk."""
    separator: str = "\n"
    """The white space between the chunk before and this one, as it stands in the source."""

    @property
    def content(self) -> str | dict[str, str]:
        """The text, and the context if the chunk has one: an answer may depend on both."""
        return {"context": self.context, "text": self.text} if self.context else self.text


def split(text: str, *, chunk_size: int, overlap: int, tokenizer: str | None = None) -> list[TextChunk]:
    """Cut ``text``, whose lines end with a line feed, into chunks.

    A cut depends only on the text since the cut before it. So an edit changes no chunk before it, and the chunks after
    it are unchanged from the first cut that old and new text share. ``chunk_size`` is the most characters of a chunk,
    or the most tokens if there is a tokenizer: the name of an OpenAI model, or the path of a Hugging Face
    ``tokenizer.json``. A bracket or a grapheme cluster that is longer makes a chunk of its own length. ``overlap`` is
    the most characters of a context.
    """
    cuts = _Cuts(text, _Ruler(chunk_size, tokenizer))
    chunks: list[TextChunk] = []
    before = 0
    for start, end in cuts.spans():
        own = text[start:end].strip()
        context = text[cuts.context_start(start, overlap) : start].rstrip() if chunks else ""
        own_start = text.index(own, start)
        chunks.append(TextChunk(own, context, text[before:own_start]))
        before = own_start + len(own)
    return chunks


class _Ruler:
    """Measures text in characters or tokens."""

    def __init__(self, capacity: int, tokenizer: str | None) -> None:
        self._splitter = _splitter(capacity, tokenizer)
        self._in_characters = tokenizer is None
        self._characters_max: Final = capacity if tokenizer is None else capacity * _TOKEN_LENGTH_MAX
        self.capacity: Final = capacity
        """The size of a chunk; a text of as many characters fits into one."""

    def end(self, text: str, start: int) -> int:
        """Return the end of the first chunk of ``text[start:]``."""
        reach, look_ahead = (2, 1) if self._in_characters else (_TOKEN_LENGTH, _LOOK_AHEAD)
        reach *= self.capacity
        while True:
            window = text[start : start + reach]
            first = len(self._splitter.chunks(window)[0])
            if first + look_ahead <= len(window) or start + len(window) == len(text):
                return start + first
            reach *= 2

    def fits(self, text: str, start: int, end: int) -> bool:
        """Return whether a chunk can hold ``text[start:end]`` without the white space at its end."""
        while end > start and text[end - 1].isspace():
            end -= 1
        if end - start > self._characters_max:
            return False
        return self._in_characters or self.end(text[start:end], 0) == end - start


def _splitter(capacity: int, tokenizer: str | None) -> TextSplitter:
    if tokenizer is None:
        return TextSplitter(capacity, trim=False)
    try:
        if Path(tokenizer).is_file():
            return TextSplitter.from_huggingface_tokenizer_file(tokenizer, capacity, trim=False)
        return TextSplitter.from_tiktoken_model(tokenizer, capacity, trim=False)
    except Exception as error:  # it raises no narrower class
        reason = str(error).strip() or type(error).__name__
        raise UnknownTokenizerError(f"{tokenizer}: {reason}") from error


class _Cuts:
    """The places where one text is cut."""

    def __init__(self, text: str, ruler: _Ruler) -> None:
        self._text, self._ruler = text, ruler
        self._unbroken = UnbrokenSpans(text, ruler.capacity)
        lines = (match.end() for match in _LINE_START.finditer(text))
        self._turns = [position for position in lines if SPEAKER.match(text, position)]
        self._starts = [0]
        """Those of the chunks so far: no grapheme cluster begins before one of them and ends behind it."""

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each chunk."""
        position = _skip_space(self._text, 0)
        while position < len(self._text):
            self._starts.append(position)
            end = self._end(position)
            yield position, end
            position = _skip_space(self._text, end)

    def _end(self, start: int) -> int:
        end = self._ruler.end(self._text, start)
        if _skip_space(self._text, end) == len(self._text):
            return len(self._text)
        end = self._turn_start(start, _word_boundary(self._text, start, end))
        span = self._unbroken.around(end) or self._unbroken.around(_skip_space(self._text, end))
        if span is not None:
            end = span[0] if span[0] > start else span[1]
        return self._between_clusters(start, end)

    def _turn_start(self, start: int, end: int) -> int:
        """Move a cut inside a speaker's turn back to the beginning of the turn, if a chunk can hold the whole turn."""
        number = bisect_right(self._turns, _skip_space(self._text, end))
        if not number or self._turns[number - 1] <= start:
            return end
        turn = self._turns[number - 1]
        turn_end = self._turns[number] if number < len(self._turns) else len(self._text)
        return turn if turn <= end and self._ruler.fits(self._text, turn, turn_end) else end

    def _between_clusters(self, start: int, end: int) -> int:
        """Move a cut that tears a cluster back to its beginning; to its end if the cluster is the chunk's first."""
        back = end
        while back > start and not self._is_between_clusters(start, back):
            back = cut_before(self._text, len(self._text[start:back].rstrip()) + start - 1, start)
        if back > start:
            return back
        while not self._is_between_clusters(start, end):
            behind = _skip_space(self._text, end)
            end = cut_after(self._text, (end if may_cut(self._text, behind, start) else behind) + 1, start)
        return end

    def _is_between_clusters(self, start: int, end: int) -> bool:
        """Return whether neither a cut before the white space at ``end`` nor a cut behind it tears a cluster."""
        behind = _skip_space(self._text, end)
        return may_cut(self._text, end, start) and may_cut(self._text, behind, start)

    def context_start(self, start: int, overlap: int) -> int:
        """Return the start of the context: the first sentence within the overlap, else the first word."""
        low = max(0, start - overlap)
        end = start
        while end > low and self._text[end - 1].isspace():
            end -= 1
        if low in (0, end):
            return low if end > low else start
        position = self._sentence_or_word(low, end)
        span = self._unbroken.around(position)
        after = span[1] if span else position
        return min(start, cut_after(self._text, after, self._starts[bisect_right(self._starts, after) - 1]))

    def _sentence_or_word(self, low: int, end: int) -> int:
        sentence = _SENTENCE_END.search(self._text, low, end)
        if sentence is not None and sentence.end() < end:
            return sentence.end()
        if self._text[low - 1].isspace():
            return _skip_space(self._text, low)
        word = re.compile(r"\s+(?=\S)").search(self._text, low, end)
        return word.end() if word is not None else low


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
