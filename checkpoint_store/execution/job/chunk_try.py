"""The try at a chunk that a caller has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from checkpoint_store.execution.job.changes import JobChanges
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.keys import Key


class ChunkTry:
    """The part of :class:`PendingChunk` that is about its attempt."""

    __slots__ = ()
    job: JobChanges
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
        """The result of the chunk before this one in a sequential job, as JSON data; None for the first chunk."""
        return None if self.attempt is None else self.attempt.previous

    @property
    def handle(self) -> str | None:
        """The handle of this chunk: the name by which a service holds its work, as a try recorded it; None without one.

        With a handle, ask the service for the result: the work is paid for.
        """
        return None if self.attempt is None else self.attempt.handle

    def record_handle(self, handle: str | None) -> None:
        """Record the handle of this chunk: the name by which a service holds its work. See :meth:`Job.record_handle`.

        Raises:
            InvalidArgumentError: ``handle`` is no text of 1 to 4,096 characters; the error names chunk and value.
            StorageUnavailableError: the store is read-only.
        """
        if self.attempt is None:
            self.job.record_handle(self.index, handle)
        else:
            self.attempt.record_handle(handle)
