"""What a chunk in its caller's hand can say of the try that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoint_store.model.attempt import Attempt


class ChunkTry:
    """The part of :class:`PendingChunk` that its attempt answers."""

    __slots__ = ()
    attempt: Attempt | None

    @property
    def previous(self) -> Any:
        """In a sequential job, the result of the chunk before this one, as JSON data; None for the first chunk."""
        return None if self.attempt is None else self.attempt.previous
