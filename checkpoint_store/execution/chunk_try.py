"""What a chunk in its caller's hand can say of the try that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoint_store.execution.job_handles import JobHandles
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.keys import Key


class ChunkTry:
    """The part of :class:`PendingChunk` that its attempt answers."""

    __slots__ = ()
    job: JobHandles
    index: int
    attempt: Attempt | None

    @property
    def key(self) -> Key | None:
        """What the caller calls the chunk (a file name, a page), where the job was opened with a mapping; or None."""
        return self.job.key_of(self.index) if self.attempt is None else self.attempt.key

    @property
    def previous(self) -> Any:
        """In a sequential job, the result of the chunk before this one, as JSON data; None for the first chunk."""
        return None if self.attempt is None else self.attempt.previous

    @property
    def handle(self) -> str | None:
        """What a service calls the work that it holds for this chunk, as an earlier try or this one recorded; or None.

        Ask the service for the result then: the work is paid for.
        """
        return None if self.attempt is None else self.attempt.handle

    def record_handle(self, handle: str | None) -> None:
        """Record what a service calls the work that it holds for this chunk. See :meth:`Job.record_handle`.

        Raises:
            InvalidArgumentError: it is no text of 1 to 4,096 characters; the error names chunk and value.
            StorageUnavailableError: the store is read-only.
        """
        if self.attempt is None:
            self.job.record_handle(self.index, handle)
        else:
            self.attempt.record_handle(handle)
