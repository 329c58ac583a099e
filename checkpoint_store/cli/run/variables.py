"""What COMMAND is told beside its chunk: the environment variables of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from checkpoint_store import Attempt
    from checkpoint_store.cli.transcripts.split import TextChunk

CONTEXT_LENGTH_MAX: Final = 20_000
"""The most characters of a context: the kernel takes no variable of more than 128 KiB."""
_PREFIX: Final = "CHECKPOINT_STORE_"


def variables_of(
    chunk: TextChunk, attempt: Attempt, *, total_chunks: int, file: str, title: str, language: str
) -> dict[str, str]:
    """Return the variables for one try at one chunk. What is not known is empty, so that ``set -u`` is content."""
    values = {
        "CONTEXT": chunk.context,
        "CHUNK_INDEX": str(attempt.chunk_index),
        "TOTAL_CHUNKS": str(total_chunks),
        "FILE": file,
        "TITLE": title,
        "LANGUAGE": language,
        "ATTEMPT": str(attempt.number),
        "ATTEMPT_KEY": attempt.attempt_key,
    }
    return {f"{_PREFIX}{name}": value for name, value in values.items()}
