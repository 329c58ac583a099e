"""The caller's own loop: the chunks that are left, each claimed before it is handed out."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from checkpoint_store.execution.claims.chunk_queue import Scope
from checkpoint_store.execution.claims.claimed_chunk import Held, Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.attempt import Attempt

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1


class PendingLoop(Generic[T]):
    """One ``pending``: made, gone through once, and done.

    ``dress`` makes what the caller gets: of a chunk's index and data, its attempt, and the handle that keeps it.
    """

    def __init__(
        self,
        execution: JobExecution,
        dress: Callable[[int, Any, Attempt, Hold], T],
        *,
        max_attempts: int | None,
        wait: bool,
    ) -> None:
        self._dress = dress
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
        """Yield the chunks that are left; see :meth:`Job.pending`."""
        execution = self._execution
        execution.record_what_was_kept()
        scope = Scope(execution.claims, execution.total_chunks, max_attempts=self._max_attempts)
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
                if ahead and execution.is_completed(last.index):
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

    def _claimed(self, scope: Scope, held: Held) -> T:
        execution = self._execution
        handle = Hold(scope.claims, held)
        return self._dress(held.index, execution.hand_out(held.index), execution.attempt_of(held), handle)
