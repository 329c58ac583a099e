"""The caller's own loop: the chunks that are left, each claimed before it is handed out."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.execution.claims.chunk_queue import Scope
from checkpoint_store.execution.claims.claimed_chunk import Held, Hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.execution.execution import Work
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
    _hold: Hold | None = field(default=None, compare=False, repr=False)

    def fail(self, error: BaseException | str) -> None:
        """Record that this try failed. See :meth:`Job.fail_chunk`."""
        self.job.fail_chunk(self.index, error)

    def complete(self, result: object, *, replace: bool = False) -> None:
        """Record the result; durable when this returns. See :meth:`Job.complete`."""
        self.job.complete(self.index, result, replace=replace)


class PendingLoop:
    """One ``pending``: made, gone through once, and done."""

    def __init__(self, job: Job, execution: Work, *, max_attempts: int | None, wait: bool) -> None:
        self._job = job
        self._execution = execution
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
        job, execution = self._job, self._execution
        execution.record_what_was_kept()
        scope = Scope(execution.claims, job.total_chunks, max_attempts=self._max_attempts)
        ready: deque[Held] = deque()
        last: Held | None = None
        ahead = False
        try:
            while True:  # no `while condition`: an interrupt at its jump would skip `finally` (python/cpython#130279)
                if self._is_stopped or scope.is_paused():
                    break
                if not ready:
                    several = scope.take(scope.batch())
                    if not several and self._wait and scope.waits_for_others():
                        time.sleep(_POLL_SECONDS)
                        continue
                    if not several:
                        break
                    ready.extend(several)
                    ahead = len(several) > 1
                last = ready.popleft()
                if ahead and job.is_completed(last.index):
                    scope.claims.let_go([last])
                    continue
                scope.gives(last)
                yield self._claimed(scope, last)
        except GeneratorExit:  # from the middle of the work on the last one, for all that is known here
            if last is not None and not last.dropped:
                last.begun = True
            raise
        finally:
            scope.close(ready)
        scope.claims.rest(patiently=True)

    def _claimed(self, scope: Scope, held: Held) -> PendingChunk:
        work = self._execution
        hold = Hold(scope.claims, held)
        return PendingChunk(self._job, held.index, work.hand_out(held.index), work.attempt_of(held), hold)
