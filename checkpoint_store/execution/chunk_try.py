"""The try at a chunk that a caller has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from checkpoint_store.execution.job_handles import JobHandles
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.keys import Key


class ChunkTry:
    """The part of :class:`PendingChunk` that is about its attempt."""

    __slots__ = ()
    job: JobHandles
    index: int
    attempt: Attempt | None

    @property
    def key(self) -> Key | None:
        """The caller's key of the chunk (a file name, a page), if the job was opened with a mapping; or None."""
        return self.job.key_of(self.index) if self.attempt is None else self.attempt.key

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: this process has the chunk in hand."""
        raise TypeError("a PendingChunk cannot be pickled: pass its data, and record the result in this process")

    @property
    def previous(self) -> Any:
        """In a sequential job, the result of the chunk before this one, as JSON data; None for the first chunk."""
        return None if self.attempt is None else self.attempt.previous

    @property
    def handle(self) -> str | None:
        """What a service calls the work that it holds for this chunk, as an earlier try or this one recorded; or None.

        With a handle, ask the service for the result: the work is paid for.
        """
        return None if self.attempt is None else self.attempt.handle

    def record_handle(self, handle: str | None) -> None:
        """Record what a service calls the work that it holds for this chunk. See :meth:`Job.record_handle`.

        Raises:
            InvalidArgumentError: ``handle`` is no text of 1 to 4,096 characters; the error names chunk and value.
            StorageUnavailableError: the store is read-only.
        """
        if self.attempt is None:
            self.job.record_handle(self.index, handle)
        else:
            self.attempt.record_handle(handle)
