"""The caller's own loop: the chunks that are left, each claimed before it is handed out."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.execution.claims.claim_handle import ClaimHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.job import Job
    from checkpoint_store.model.attempt import Attempt

_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """A chunk that is left to do.

    While it is referred to, no other runner gets it, also after its loop was left; the next loop of the same store
    object takes it up again.
    """

    job: Job
    index: int
    """0-based."""
    data: Any
    """The caller's own chunk; None where the job was opened with ``total_chunks`` only."""
    attempt: Attempt | None = field(default=None, compare=False)
    """The try that this is; None where the store is read only, and nothing was claimed."""
    _handle: ClaimHandle | None = field(default=None, compare=False, repr=False)

    def fail(self, error: BaseException | str) -> None:
        """Record that this try failed. See :meth:`Job.fail_chunk`."""
        self.job.fail_chunk(self.index, error)

    def complete(self, result: object, *, replace: bool = False) -> None:
        """Record the result; durable when this returns. See :meth:`Job.complete`."""
        self.job.complete(self.index, result, replace=replace)


class PendingLoop:
    """One ``pending``: made, gone through once, and done."""

    def __init__(self, job: Job, *, max_attempts: int | None, wait: bool) -> None:
        self._job = job
        self._max_attempts = max_attempts
        self._wait = wait
        self._is_stopped = False

    def stop(self) -> None:
        """Hand out nothing more; from any thread."""
        self._is_stopped = True

    def forget(self) -> None:
        """Nothing is in flight here: what is handed out is the caller's."""

    def run(self) -> Iterator[PendingChunk]:
        """Yield the chunks that are left; see :meth:`Job.pending`."""
        job = self._job
        job.work.record_what_was_kept()
        queue = ChunkQueue(job.work.claims, job.total_chunks, max_attempts=self._max_attempts)
        ready: deque[ClaimedChunk] = deque()
        last: ClaimedChunk | None = None
        ahead = False
        try:
            while not (self._is_stopped or queue.is_paused()):
                if not ready:
                    several = queue.take(queue.batch())
                    if not several and self._wait and queue.waits_for_others():
                        time.sleep(_POLL_SECONDS)
                        continue
                    if not several:
                        break
                    ready.extend(several)
                    ahead = len(several) > 1
                last = ready.popleft()
                if ahead and job.is_completed(last.index):
                    queue.claims.release([last])
                    continue
                queue.start(last)
                yield self._claimed(queue, last)
        except GeneratorExit:  # from the middle of the work on the last one, for all that is known here
            if last is not None and not last.dropped:
                last.begun = True
            raise
        finally:
            queue.close(ready)
        queue.claims.end_if_idle(wait=True)

    def _claimed(self, queue: ChunkQueue, chunk: ClaimedChunk) -> PendingChunk:
        work = self._job.work
        handle = ClaimHandle(queue.claims, chunk)
        return PendingChunk(self._job, chunk.index, work.hand_out(chunk.index), work.attempt_of(chunk), handle)
