"""The keys of a job's chunks: the caller's names for them, such as files or pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from checkpoint_store.execution.job.log import JobLog

if TYPE_CHECKING:
    from checkpoint_store.model.keys import Key

T = TypeVar("T")


class JobKeys(JobLog):
    """The part of :class:`Job` that is about keys. Safe to share between threads."""

    @overload
    def result_of(self, key: Key) -> Any: ...
    @overload
    def result_of(self, key: Key, as_type: type[T]) -> T: ...
    def result_of(self, key: Key, as_type: type[Any] | None = None) -> Any:
        """Return the result of the completed chunk with this key (a file name, a page). See :meth:`result`.

        Keys are compared by their text: ``result_of("7")`` is the result of page 7.

        Raises:
            KeyNotFound: no chunk of the job has the key.
        """
        return self.result(self.index_of(key), as_type)  # type: ignore[arg-type]

    def index_of(self, key: Key) -> int:
        """Return the index of the chunk with this key, whether it is complete or not.

        Raises:
            KeyNotFound: no chunk of the job has the key.
        """
        return self._execution.keys.index_of(key)

    def key_of(self, index: int) -> Key | None:
        """Return the caller's key of chunk ``index``, as it was given; None if the chunk has no key.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
        """
        return self._execution.keys.of(self._execution.recorded.checked_index(index))

    def keys(self) -> dict[int, Key]:
        """Return the keys of the chunks by index; empty if the job was opened without keys."""
        return self._context.reading.keys.all_of(self.job_id)
