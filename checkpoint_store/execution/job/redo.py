"""Chunks of a job that are done again: the earlier result of each stays until its new result is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution import redo
from checkpoint_store.execution.job.handles import JobHandles
from checkpoint_store.model.whole_numbers import as_int

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class JobRedo(JobHandles):
    """The part of :class:`Job` that lets complete chunks be done again. Safe to share between threads."""

    def redo(self, indices: int | Iterable[int]) -> int:
        """Let complete chunks be done again: they are left, and the next loop takes them. Durable when this returns.

        Until the new result of a chunk is durable, ``results()``, exports and the state file show the earlier result;
        then only the new result. The chunks get all their tries back, and lose their handles. A completed job
        becomes ``paused`` (``running`` if a loop is at work: it takes the chunks up), and is completed again with the
        last of these chunks. The cost of the earlier results stays counted.

        After an error, no chunk is to be done again. Nothing changes for a chunk that is to be done again already,
        unless it failed since: then it gets its tries back, as by :meth:`retry_failed`.

        Args:
            indices: the chunks (0-based), such as ``range(3, 8)``, or one index. In a sequential job: all complete
                chunks from the first of them on, because each result was made from the results before it.

        Returns:
            How many chunks the next loop takes in addition.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            ChunkNotCompleted: a chunk is not complete: loops take it anyway.
            ChunkInWork: a living runner is still at work on a chunk.
            InvalidArgumentError: ``indices`` are no indices; or leave out a chunk of a sequential job that depends on
                them; or another job of the file superseded this job.
        """
        chunks: set[int] = set()
        for index in _listed(indices):
            chunks.add(self._execution.recorded.checked_index(index))  # at once: a range may be endless
        return redo.redo(self._context, self.job_id, chunks)

    def to_redo(self) -> list[int]:
        """Return the complete chunks that are to be done again, ascending, even those that a runner works on."""
        return self._execution.recorded.to_redo()


def _listed(indices: int | Iterable[int]) -> Iterator[int]:
    if type(as_int(indices)) is int:
        return iter((as_int(indices),))
    try:
        return iter(indices)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgumentError("indices", indices, "is no list of chunk indices; give [0, 1, 2]") from None
