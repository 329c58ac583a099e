"""The handles of a job's chunks: the names by which a service knows the work that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.execution.handles import checked_indices, chunks_of_job, persist
from checkpoint_store.execution.job.status import JobStatusChanges
from checkpoint_store.model.handles import checked_handle

if TYPE_CHECKING:
    from collections.abc import Iterable


class JobHandles(JobStatusChanges):
    """The part of :class:`Job` that records handles. Safe to share between threads."""

    def record_handle(self, indices: int | Iterable[int], handle: str | None) -> None:
        """Record the name by which a service holds the work on these chunks, such as a batch's id; durable on return.

        Every later try at these chunks has the handle as ``handle``, until the chunk is complete or gets another
        handle. So the try can ask the service for the result instead of paying again. After an error no chunk has the
        handle.

        Args:
            indices: the chunks (0-based), or a single chunk.
            handle: text of 1 to 4,096 characters; None clears the handles of these chunks.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            InvalidArgumentError: ``handle`` is no text of 1 to 4,096 characters; the error names chunks and value.
            StoreBusy: the store stayed locked for 6 times ``lock_timeout_seconds``; the error's notes have the handle.
        """
        chunks = [self._execution.recorded.checked_index(index) for index in checked_indices(indices)]
        owner, handles = chunks_of_job(self.job_id, chunks), self._context.storage.handles
        checked = checked_handle(handle, owner)
        named = {index: self._execution.contents.fingerprint(index) for index in chunks}
        persist(lambda: handles.record(self.job_id, named, checked), checked, owner)
