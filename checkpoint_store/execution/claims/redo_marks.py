"""Which chunks are to be done again, as one loop sees it: also chunks that it has passed by already."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store.storage.redo_verbs import RedoReading


class RedoMarks:
    """The marks of a job for one loop, whichever process sets them."""

    def __init__(self, reading: RedoReading, job_id: str) -> None:
        self._reading, self._job_id = reading, job_id
        self._seen = reading.marks(job_id)
        """The loop meets the chunks that have these on its way."""

    def new(self) -> list[int]:
        """Return the chunks that have got a mark since this was asked last, ascending."""
        marks = self._reading.marks(self._job_id)
        new, self._seen = marks - self._seen, marks
        return sorted(mark.chunk_index for mark in new)

    def first_below(self, index: int) -> int:
        """Return the lowest chunk below ``index`` that is to be done again; ``index`` itself where there is none."""
        first = self._reading.first_mark(self._job_id)
        return index if first is None else min(first, index)
