"""The order of a sequential job: each chunk's work depends on the results before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkNotCompleted, ChunkOutOfOrder
from checkpoint_store.model.codec import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Reading

_WINDOW_CHUNKS: Final = 4096


def in_order_if_needed(reading: Reading, completion: Completion) -> Completion:
    """Return a completion that the storage records only in the order of its job, where that is sequential.

    Call this for a completion out of a file, where nobody has its job open. :class:`ChunkOutOfOrder` if a chunk before
    this chunk is not complete.
    """
    if not reading.jobs.find(completion.job_id).sequential:
        return completion
    ChunkOrder(reading, completion.job_id).require([completion])
    return completion._replace(in_order=True)


class ChunkOrder:
    """How far the completed beginning of a sequential job goes. Safe to share between threads."""

    def __init__(self, reading: Reading, job_id: str) -> None:
        self._reading, self._job_id = reading, job_id
        self._complete_below = 0
        """All chunks below this index were complete when they were looked at; a redo may have been asked for since."""

    def require(self, completions: Sequence[Completion]) -> None:
        """Raise :class:`ChunkOutOfOrder` while a chunk before these chunks is neither complete nor among them.

        This looks for a gap anywhere before chunks that the caller completes by hand: a loop claims its chunks in
        order. What another process may change meanwhile, such as a redo, is looked at when they are recorded:
        see ``storage/statements/order.py``.
        """
        for completion in completions:
            if completion.previous_digest is None and completion.chunk_index > self._complete_below:
                break
        else:  # a loop claimed all of them in order, or nothing is left to look for
            return
        wanted, reached = {completion.chunk_index for completion in completions}, 0
        for index in sorted(wanted):
            while (missing := self._first_missing(reached, index)) is not None:
                if missing not in wanted:
                    raise ChunkOutOfOrder(self._job_id, index, missing)
                reached = missing + 1
            reached = max(reached, index)

    def _first_missing(self, start: int, stop: int) -> int | None:
        """Return the lowest chunk of ``[start, stop)`` that is not complete, or None."""
        at = max(start, self._complete_below)
        while at < stop:
            until = min(at + _WINDOW_CHUNKS, stop)
            done = self._reading.chunks.completed_in(self._job_id, at, until)
            complete = next((n for n, index in enumerate(done) if index != at + n), len(done))
            if at <= self._complete_below:
                self._complete_below = max(self._complete_below, at + complete)
            if complete < until - at:
                return at + complete
            at = until
        return None

    def completed(self, completions: Sequence[Completion]) -> None:
        """Note that chunks are complete, so that :meth:`require` need not look for the chunk after them."""
        for completion in completions:
            if completion.chunk_index == self._complete_below:
                self._complete_below = completion.chunk_index + 1

    def previous(self, index: int) -> tuple[Any, str]:
        """Return the result of the chunk before a chunk, and its digest; None and an empty text if there is none."""
        if not index:
            return None, ""
        try:
            text, digest = self._reading.results.text_and_digest(self._job_id, index - 1)
        except ChunkNotCompleted:
            return None, ""
        return json_text.decode(text), digest
