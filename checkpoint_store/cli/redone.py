"""Messages about chunks that are done again: their results stay until then, and their attempts count anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.cli.screen import chunk_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store import ChunkRecord, Job


def to_redo_text(count: int) -> str:
    """Return the notice that this many chunks are to be done again, and keep their results until then."""
    are, keep = ("is", "it keeps its") if count == 1 else ("are", "each keeps its")
    return f"{chunk_count(count)} {are} to be done again; {keep} earlier result until the new result is there"


def tries_in_vain(job: Job, records: Sequence[ChunkRecord]) -> dict[int, int]:
    """Return how many tries each of these chunks had since it last got a result, by index.

    Only a chunk that is done again had a result before: without such a chunk the attempts of the job are not read.
    """
    counts = {record.chunk_index: record.attempt for record in records}
    if redone := counts.keys() & set(job.to_redo()):
        counts |= dict.fromkeys(redone, 0)
        for attempt in job.attempts():  # by chunk, and in the order of the tries
            if attempt.chunk_index in redone:
                was_in_vain = attempt.outcome != "completed"
                counts[attempt.chunk_index] = counts[attempt.chunk_index] + 1 if was_in_vain else 0
    return counts
