"""The caller's own loop: the chunks that are left, each claimed before it is handed out."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from checkpoint_store.execution.claims.claim_handle import ClaimHandle
from checkpoint_store.execution.nesting import refuse_nested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.attempt import Attempt

T = TypeVar("T")

_RETRY_INTERVAL_SECONDS: Final = 0.1


class PendingLoop(Generic[T]):
    """One ``pending``: made, gone through once, and done.

    ``make_chunk`` makes what the caller gets: of a chunk's index and data, its attempt, and the handle that keeps it.
    """

    def __init__(
        self,
        execution: JobExecution,
        make_chunk: Callable[[int, Any, Attempt, ClaimHandle], T],
        *,
        max_attempts: int | None,
        wait: bool,
    ) -> None:
        self._make_chunk = make_chunk
        self._execution = execution
        self._max_attempts = max_attempts
        self._wait = wait
        self._is_stopped = False

    def stop(self) -> None:
        """Hand out nothing more; from any thread."""
        self._is_stopped = True

    def forget(self) -> None:
        """Nothing is in flight here: what is handed out is the caller's."""

    def run(self) -> Iterator[T]:
        """Yield the chunks that are left; see :meth:`Job.pending`. An error that ends the loop is kept with the job."""
        if self._wait:
            refuse_nested(self._execution.job_id, "pending(wait=True)")
        try:
            yield from self._claimed_chunks()
        except Exception as error:
            self._execution.lifecycle.record_failure(error)
            raise

    def _claimed_chunks(self) -> Iterator[T]:
        execution = self._execution
        execution.record_unrecorded()
        queue = execution.queue(max_attempts=self._max_attempts)
        ready: deque[ClaimedChunk] = deque()
        last: ClaimedChunk | None = None
        ahead = False
        try:
            while True:  # no `while condition`: an interrupt at its jump would skip `finally` (python/cpython#130279)
                if self._is_stopped or queue.is_paused() or self._is_held_up_by(last):
                    break
                if ready and queue.is_slow:
                    queue.give_back(ready)
                    ready.clear()
                if not ready:
                    claimed = queue.take(queue.batch())
                    if not claimed and self._wait and queue.waits_for_others():
                        time.sleep(_RETRY_INTERVAL_SECONDS)
                        continue
                    if not claimed:
                        break
                    ready.extend(claimed)
                    ahead = len(claimed) > 1
                last = ready.popleft()
                is_completed, stored_handle = execution.look_at(last.index)
                if ahead and is_completed:
                    queue.claims.release([last])
                    continue
                queue.start(last)
                queue.claims.note_begun([last])
                yield self._claimed(queue, last, stored_handle)
        except GeneratorExit:  # the caller left: the work on the last chunk may have begun
            if last is not None and not last.dropped:
                last.begun = True
            raise
        finally:
            queue.close(ready)
        queue.claims.end_if_idle(wait=True)

    def _is_held_up_by(self, last: ClaimedChunk | None) -> bool:
        """Whether the last chunk of a sequential job was left undone, so that no other may begin."""
        execution = self._execution
        return last is not None and execution.is_sequential and not execution.results.is_completed(last.index)

    def _claimed(self, queue: ChunkQueue, chunk: ClaimedChunk, stored_handle: str | None) -> T:
        execution = self._execution
        handle, data = ClaimHandle(queue.claims, chunk), execution.contents.data(chunk.index)
        return self._make_chunk(chunk.index, data, execution.attempt_of(chunk, handle=stored_handle), handle)
