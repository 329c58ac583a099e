"""The text of the output: the answers one after the other, with the separators of the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from checkpoint_store.cli.transcripts.split import TextChunk

_LINE_ENDS: Final = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


def joined(chunks: Sequence[TextChunk], answers: Iterable[str]) -> str:
    """Return the answers with what stood between their chunks; around an empty answer, one separator of the two."""
    text = "".join(_parts(zip((chunk.separator for chunk in chunks), answers, strict=True)))
    return text if text.endswith("\n") else f"{text}\n"


def lines(_chunks: Sequence[TextChunk], answers: Iterable[str]) -> str:
    """Return one line for each answer, in order, the empty ones included; a line end in an answer is a space."""
    return "".join(f"{_LINE_ENDS.sub(' ', answer.strip())}\n" for answer in answers)


def _parts(parts: Iterable[tuple[str, str]]) -> Iterator[str]:
    waiting, is_written = "", False
    for number, (separator, answer) in enumerate(parts):
        waiting = max(waiting, separator, key=lambda space: (space.count("\n"), len(space)))
        if answer:
            if is_written or not number:
                yield waiting
            yield answer
            waiting, is_written = "", True
