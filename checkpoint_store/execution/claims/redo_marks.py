"""The redo marks of a job, as one loop sees them: it also learns of marks on chunks that it has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store.storage.verbs.redos import MarkVerbs


class RedoMarks:
    """The redo marks of a job for one loop. Any process may set them."""

    def __init__(self, marks: MarkVerbs, job_id: str) -> None:
        self._marks, self._job_id = marks, job_id
        self._seen = marks.all_of(job_id)
        """The marks that the loop knows of: those it began with, and those that :meth:`new` has returned."""

    def new(self) -> list[int]:
        """Return the chunks that got a mark since the last call, ascending; the first call: since the loop began."""
        marks = self._marks.all_of(self._job_id)
        new, self._seen = marks - self._seen, marks
        return sorted(mark.chunk_index for mark in new)

    def first_below(self, index: int) -> int:
        """Return the lowest chunk below ``index`` that has a mark; ``index`` if no chunk below it has one."""
        first = self._marks.first(self._job_id)
        return index if first is None else min(first, index)
