"""The content of an input: its chunks, the way they were read, and their text as the built-in cleaner leaves it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from checkpoint_store.cli.transcripts.clean import cleaned_as

if TYPE_CHECKING:
    from checkpoint_store.cli.transcripts.reading.transcript import Transcript
    from checkpoint_store.cli.transcripts.split import TextChunk


@dataclass(frozen=True)
class Content:
    """The chunks of an input."""

    chunks: list[TextChunk]
    language: str | None = None
    """The spoken language, if it is known."""
    reader: str | None = None
    """The format and the version of its reader, a part of the job's config; None for plain text and records."""
    plain_text: str | None = None
    """The text of the file as it is, where a reader has read it."""
    cleaned: tuple[str, ...] | None = None
    """The text that the built-in cleaner makes of each chunk; None if COMMAND does the work."""

    def fingerprint(self, chunk: TextChunk) -> dict[str, str]:
        """Return what identifies a chunk of the built-in cleaner: its text, and what came of it among the others.

        The cleaner looks across the cuts. Beside another neighbour the same text may lose another word.
        """
        return {"text": chunk.text, "cleaned": self._cleaned_by_chunk[id(chunk)]}

    @cached_property
    def _cleaned_by_chunk(self) -> dict[int, str]:
        return dict(zip(map(id, self.chunks), self.cleaned or (), strict=True))


def cleaned_content(transcript: Transcript, chunks: list[TextChunk], language: str | None) -> Content:
    """Return what the built-in cleaner makes of a transcript that was cut into chunks.

    The cleaner sees the whole text. Each chunk gets its part, and the white space that stands before that part.
    """
    language, traced = cleaned_as(transcript.text, language)
    starts, position = [], 0
    for chunk in chunks:
        starts.append(position + len(chunk.separator))
        position = starts[-1] + len(chunk.text)
    parts = traced.chunks(starts)
    joined = [dataclasses.replace(chunk, separator=part.separator) for chunk, part in zip(chunks, parts, strict=True)]
    return Content(joined, language, transcript.reader, transcript.plain_text, tuple(part.text for part in parts))
