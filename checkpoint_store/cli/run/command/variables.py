"""The environment variables of one call of COMMAND."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.run.command.answer import TEXT_FIELD
from checkpoint_store.cli.run.command.worker import CommandFailedError

if TYPE_CHECKING:
    from checkpoint_store import Attempt
    from checkpoint_store.cli.transcripts.split import TextChunk

CONTEXT_LENGTH_MAX: Final = 20_000
"""The most characters of a context: the kernel takes no variable of more than 128 KiB."""
_JSON_LENGTH_MAX: Final = 100_000
_PREFIX: Final = "CHECKPOINT_STORE_"


def variables_of(
    chunk: TextChunk, attempt: Attempt, *, total_chunks: int, file: str, title: str, language: str
) -> dict[str, str]:
    """Return the variables for one try at one chunk. A value that is not known is empty, for ``set -u``.

    Raises:
        CommandFailedError: what was recorded for the chunk before is too long for a variable.
    """
    previous = attempt.previous if isinstance(attempt.previous, dict) else {}
    values = {
        "PREVIOUS": str(previous.get(TEXT_FIELD, ""))[-CONTEXT_LENGTH_MAX:],
        "PREVIOUS_JSON": _previous_json(previous, attempt) if previous else "",
        "CONTEXT": chunk.context,
        "CHUNK_INDEX": str(attempt.chunk_index),
        "TOTAL_CHUNKS": str(total_chunks),
        "FILE": file,
        "TITLE": title,
        "LANGUAGE": language,
        "ATTEMPT": str(attempt.number),
        "ATTEMPT_KEY": attempt.attempt_key,
    }
    return {f"{_PREFIX}{name}": value.replace("\0", "\ufffd") for name, value in values.items()}  # none takes a NUL


def _previous_json(previous: dict[str, Any], attempt: Attempt) -> str:
    text = json.dumps(previous)
    if len(text) > _JSON_LENGTH_MAX:
        size = f"the result of chunk {attempt.chunk_index - 1} has {len(text):,} characters of JSON"
        raise CommandFailedError(f"{size}, and a variable takes {_JSON_LENGTH_MAX:,}: let COMMAND print less")
    return text
