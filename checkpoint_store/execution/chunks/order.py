"""The order of a sequential job: each chunk's work depends on the results before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import ChunkNotCompleted, ChunkOutOfOrder
from checkpoint_store.model.codec import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.storage.reading import Reading
    from checkpoint_store.storage.records import Completion

_WINDOW_CHUNKS: Final = 4096


def require_order(reading: Reading, completion: Completion) -> None:
    """Refuse a completion out of order if its job is sequential. Ask this where nobody has the job open.

    Raises:
        ChunkOutOfOrder: the job is sequential, and a chunk before this chunk is not complete, or was done again since.
        JobNotFound: the store lacks the job.
    """
    if reading.jobs.find(completion.job_id).sequential:
        ChunkOrder(reading, completion.job_id).require([completion])


class ChunkOrder:
    """How far the completed beginning of a sequential job goes. Safe to share between threads."""

    def __init__(self, reading: Reading, job_id: str) -> None:
        self._reading, self._job_id = reading, job_id
        self._complete_below = 0
        """All chunks below this index were complete when they were looked at; a redo may have been asked for since."""

    def require(self, completions: Sequence[Completion]) -> None:
        """Refuse to complete chunks while a chunk before them is neither complete nor among them.

        Refuse, too, a result that was made from the result before it, if that has been done again since.

        Raises:
            ChunkOutOfOrder: an earlier chunk is neither complete nor among these chunks, or was done again since.
        """
        self._require_complete({completion.chunk_index for completion in completions})
        for completion in completions:
            index, seen = completion.chunk_index, completion.redo_before
            if seen is not None and seen != self.redo_before(index):
                raise ChunkOutOfOrder(self._job_id, index, index - 1, is_stale=True)

    def redo_before(self, index: int) -> str:
        """Return the time of the redo that the result before a chunk answers; an empty text if it answers none."""
        return (self._reading.marks.answered_at(self._job_id, index - 1) or "") if index else ""

    def _require_complete(self, wanted: set[int]) -> None:
        first_mark = self._reading.marks.first(self._job_id)
        if first_mark is not None:
            self._complete_below = min(self._complete_below, first_mark)
        reached = 0
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

    def previous(self, index: int) -> Any:
        """Return the result of the chunk before a chunk; None for the first chunk, and for a chunk without a result."""
        if not index:
            return None
        try:
            return json_text.decode(self._reading.results.text(self._job_id, index - 1))
        except ChunkNotCompleted:
            return None
