"""Hand the chunks of a queue to a loop with the caller's own body: each is claimed before the caller gets it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk

_RETRY_INTERVAL_SECONDS: Final = 0.1


class ChunksInTurn:
    """The chunks of a queue, one after the other. Use it in a ``with`` block, which ends the queue.

    The end frees the chunks that were claimed and not handed out. A chunk that was handed out is the caller's, and the
    finalizer of its :class:`ClaimHandle` frees it.

    Args:
        open_queue: begins the queue where the chunks are claimed.
        wait: wait for chunks that loops of other threads or processes have claimed.
        is_over: called before each chunk with the queue, and the chunk before it or None. True ends the loop.
    """

    queue: ChunkQueue

    def __init__(
        self,
        open_queue: Callable[[], ChunkQueue],
        *,
        wait: bool,
        is_over: Callable[[ChunkQueue, ClaimedChunk | None], bool],
    ) -> None:
        self._open_queue, self._wait, self._is_over = open_queue, wait, is_over
        self._ready: deque[ClaimedChunk] = deque()
        """The chunks that are claimed ahead, the lowest first."""
        self._last: ClaimedChunk | None = None
        """The chunk that the loop got last."""

    def __enter__(self) -> Self:
        self.queue = self._open_queue()  # no call comes after it, so that no interrupt leaves a queue without an end
        return self

    def __iter__(self) -> Iterator[ClaimedChunk]:
        """Yield each chunk once it is claimed, until the loop is over, or no chunk is left."""
        while not self._is_over(self.queue, self._last):
            if self._ready and self.queue.is_slow:
                self.queue.give_back(self._ready)
                self._ready.clear()
            if self._ready or self._claim():
                self._last = self._ready[0]  # before it leaves the others: an interrupt in between frees it, too
                self._ready.popleft()
                yield self._last
            elif self._wait and self.queue.waits_for_others():
                time.sleep(_RETRY_INTERVAL_SECONDS)
            else:
                return

    def _claim(self) -> bool:
        self._ready.extend(self.queue.take(self.queue.batch()))
        return bool(self._ready)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        last = self._last
        if kind is GeneratorExit and last is not None and not last.dropped:
            last.begun = True  # the caller left in the middle of the body: the work on the chunk may have begun
        not_handed_out = [] if last is None or last.is_yielded else [last]  # an error came first, or it is complete
        self.queue.close([*not_handed_out, *self._ready])
