"""The caller's keys of the chunks of one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.errors import KeyNotFound
from checkpoint_store.model.keys import is_key

if TYPE_CHECKING:
    from checkpoint_store.execution.chunks.contents import ChunkContents
    from checkpoint_store.model.keys import Key
    from checkpoint_store.storage.reading import Reading


class ChunkKeys:
    """The keys of the chunks of one job. Safe to share between threads.

    Args:
        reading: the store.
        job_id: the job.
        contents: the caller's own chunks, whose keys are at hand.
    """

    def __init__(self, reading: Reading, job_id: str, contents: ChunkContents) -> None:
        self._reading, self._job_id, self._contents = reading, job_id, contents
        self._are_stored: bool | None = None
        """Whether the store has keys for chunks of the job; None: nobody has asked."""

    def of(self, index: int) -> Key | None:
        """Return the caller's key of a chunk; None if the chunk has no key."""
        if self._contents.keys is not None:
            return self._contents.keys[index]
        if self._are_stored is None:
            self._are_stored = self._reading.keys.has_any(self._job_id)
        return self._reading.keys.at(self._job_id, index) if self._are_stored else None

    def index_of(self, key: Key) -> int:
        """Return the chunk with a key.

        Raises:
            KeyNotFound: no chunk of the job has it.
        """
        index = self._reading.keys.index_of(self._job_id, key) if is_key(key) else None
        if index is None:
            raise KeyNotFound(self._job_id, key, has_keys=self._reading.keys.has_any(self._job_id))
        return index
