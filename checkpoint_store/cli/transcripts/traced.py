"""A text that remembers where each of its characters stood before it was edited."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class TracedChunk:
    """One chunk of the original text, as it was edited."""

    separator: str
    """The white space between the chunk before and this one; empty before the first chunk that has text."""
    text: str


@dataclass(frozen=True, slots=True)
class TracedText:
    """An edited text; ``origins`` has the position of each character in the original text, in ascending order."""

    text: str
    origins: list[int]

    @classmethod
    def of(cls, text: str) -> TracedText:
        """Return a text that was not edited yet."""
        return cls(text, list(range(len(text))))

    def replaced(self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]) -> TracedText:
        """Return the text with each match replaced: by ``new``, or by what it returns for the match."""
        matches = pattern.finditer(self.text)
        return self.edited((*match.span(), new if isinstance(new, str) else new(match)) for match in matches)

    def stripped(self) -> TracedText:
        """Return the text without the white space around it."""
        start, end = len(self.text) - len(self.text.lstrip()), len(self.text.rstrip())
        if not start and end == len(self.text):
            return self
        return TracedText(self.text[start:end], self.origins[start:end])

    def edited(self, edits: Iterable[tuple[int, int, str]]) -> TracedText:
        """Return the text with each (start, end, new text) applied; the edits are in order and do not overlap."""
        parts: list[str] = []
        origins: list[int] = []
        position = 0
        for start, end, new in edits:
            parts += (self.text[position:start], new)
            origins += self.origins[position:start]
            origins += [self.origins[min(start, len(self.origins) - 1)]] * len(new)
            position = end
        if not position:
            return self if not parts else TracedText("".join(parts) + self.text, origins + self.origins)
        parts.append(self.text[position:])
        origins += self.origins[position:]
        return TracedText("".join(parts), origins)

    def chunks(self, starts: Sequence[int]) -> list[TracedChunk]:
        """Return each chunk as it was edited; ``starts`` are the positions of the chunks in the original text.

        The separators and texts, one after the other, are the whole text without the white space around it.
        """
        if not starts:
            return []
        borders = [0, *(bisect_left(self.origins, start) for start in starts[1:]), len(self.text)]
        traced: list[TracedChunk] = []
        separator, has_text = "", False
        for start, end in pairwise(borders):
            raw = self.text[start:end]
            text = raw.strip()
            if not text:
                separator += raw
                traced.append(TracedChunk("", ""))
                continue
            separator += raw[: len(raw) - len(raw.lstrip())]
            traced.append(TracedChunk(separator if has_text else "", text))
            separator, has_text = raw[len(raw.rstrip()) :], True
        return traced
