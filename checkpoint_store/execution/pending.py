"""The caller's own loop: the chunks that are left, each claimed before it is handed out."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, counted
from checkpoint_store.execution.loops.deadlocks import refuse_nested
from checkpoint_store.execution.loops.open_loops import StoppableLoop
from checkpoint_store.model.chunks import count_from
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.model.attempt import Attempt


_RETRY_INTERVAL_SECONDS: Final = 0.1


class ChunksInTurn:
    """The chunks of a queue, one after the other. Use it in a ``with`` block, which ends the queue.

    The end frees the chunks that were claimed and not handed out. A chunk that was handed out is the caller's, and the
    finalizer of its :class:`AttemptInHand` frees it. ``wait``: wait for chunks that loops of other threads or processes
    have claimed. ``is_over`` is called before each chunk with the queue, and the chunk before it or None; True ends the
    loop.
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


T = TypeVar("T")

_WORKED_ON_SECONDS: Final = 0.2
"""A chunk that the body of a loop had for this long was worked on; a shorter time is a look at it."""


class AttemptInHand:
    """One attempt that the caller of a loop has in hand. It records for this attempt alone, and for no later attempt.

    The chunk may have been given to another loop meanwhile: it was released by hand, or is done again. The chunk stays
    claimed for as long as somebody refers to this object. Its finalizer frees the chunk.
    """

    __slots__ = ("_chunk", "_claims", "_execution")

    def __init__(self, execution: JobExecution, claims: Claims, chunk: ClaimedChunk) -> None:
        self._execution, self._claims, self._chunk = execution, claims, chunk

    def __del__(self) -> None:
        chunk = getattr(self, "_chunk", None)
        if chunk is None:  # an interrupt came before this object had its chunk
            return
        try:
            if not self._claims.in_hand.holds(chunk):
                return
            chunk.dropped = True  # before the chunk is free: its loop may ask meanwhile
            if _runs_event_loop():  # which may wait neither for the disk nor for another process
                threading.Thread(target=self._claims.release, args=([chunk],), daemon=True).start()
            else:
                self._claims.release([chunk])
        except Exception as error:  # a finalizer may stand anywhere in the caller's program
            log_suppressed(error, f"chunk {chunk.index} was not freed by its finalizer")

    def complete(self, result: object, *, replace: bool) -> None:
        """Record the result of the attempt; see :meth:`Job.complete`. Durable when this returns."""
        chunk, execution = self._chunk, self._execution
        made, made_from = (chunk.number, chunk.seconds), chunk.made_from
        completion = execution.completion(chunk.index, result, replace=replace, attempt=made, made_from=made_from)
        execution.submit([completion], by_hand=True)

    def fail(self, error: BaseException | str, cost: float | None, *, counted: bool) -> None:
        """Record that the attempt failed; see :meth:`Job.fail_chunk`. Durable when this returns."""
        self._execution.fail(self._chunk.index, error, cost, counted=counted, attempt=self._chunk)


def _runs_event_loop() -> bool:
    """Return whether an event loop of asyncio runs in this thread."""
    asyncio = sys.modules.get("asyncio")  # without it there is no event loop, and its import takes long
    with suppress(RuntimeError):
        return asyncio is not None and asyncio.get_running_loop() is not None
    return False


class PendingLoop(StoppableLoop[T]):
    """The loop of one call of ``pending``. It can be run once.

    ``make_chunk`` makes what the caller gets from a chunk's index, its data, its attempt and the handle that keeps it.
    """

    def __init__(
        self,
        execution: JobExecution,
        make_chunk: Callable[[int, Any, Attempt, AttemptInHand], T],
        *,
        max_attempts: int | None,
        wait: bool,
    ) -> None:
        attempts_max = count_from(max_attempts)
        if max_attempts is not None and attempts_max is None:
            raise InvalidArgumentError("max_attempts", max_attempts, "is neither a whole number from 1 nor None")
        self._make_chunk = make_chunk
        self._execution = execution
        self._max_attempts = attempts_max
        self._wait = checked_flag("wait", wait)
        self._is_stopped = False
        self._yielded_at = 0.0
        """When the body of the loop got its last chunk, on the monotonic clock."""
        self._worked_on: list[ClaimedChunk] = []
        """The chunks that the body of the loop had for a while, and had not completed or failed at its end."""

    def stop(self) -> None:
        """Hand out nothing more; from any thread."""
        self._is_stopped = True

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
        self._execution.lifecycle.look_again()
        open_queue = partial(self._execution.queue, max_attempts=self._max_attempts)
        with ChunksInTurn(open_queue, wait=self._wait, is_over=self._is_over) as chunks:
            for chunk in chunks:
                made = self._begun(chunks.queue, chunk)
                if made:
                    yield made.pop()  # the caller alone refers to it
                    self._note_back(chunks.queue, chunk)
        chunks.queue.claims.end_if_idle(wait=True)
        self._log_lost_work()

    def _is_over(self, queue: ChunkQueue, last: ClaimedChunk | None) -> bool:
        """Whether the loop ends before its next chunk; ``last``: the chunk before it, or None."""
        return self._is_stopped or self._is_paused(queue) or self._is_held_up_by(last)

    def _begun(self, queue: ChunkQueue, chunk: ClaimedChunk) -> list[T]:
        """Note that the work on a chunk begins, and return the chunk in a list; an empty list if no work begins."""
        is_completed, stored_handle = self._execution.late.look_before(chunk)
        if is_completed:
            queue.claims.release([chunk])
            return []
        queue.start(chunk)
        made = [self._claimed(queue, chunk, stored_handle)]  # first: an interrupt frees what has a handle
        return made if queue.claims.note_begun([chunk], by_caller=True) else []

    def _note_back(self, queue: ChunkQueue, chunk: ClaimedChunk) -> None:
        """Note that the body of the loop is through with a chunk, and asks for the next."""
        if time.monotonic() - self._yielded_at >= _WORKED_ON_SECONDS and queue.claims.in_hand.holds(chunk):
            self._worked_on.append(chunk)

    def _log_lost_work(self) -> None:
        """Log at the end of the loop which chunks were worked on, and were dropped without a result or a handle.

        No warning: a program may record their results later, such as in groups or out of other threads.
        """
        execution = self._execution
        try:
            dropped = [chunk.index for chunk in self._worked_on if chunk.dropped]
            lost = [index for index in dropped if execution.look_at(index) == (False, None)]
        except CheckpointStoreError as error:
            log_suppressed(error, f"the chunks of job {execution.job_id} that have no result were not looked for")
            return
        if lost:
            log.info(
                "job %s: this loop has ended, and %s that its body worked on, from chunk %d on, had no result by then: "
                "call chunk.complete(result) for each chunk, or the next run does the chunk again",
                *(execution.job_id, counted(len(lost), "chunk"), min(lost)),
            )

    def _is_paused(self, queue: ChunkQueue) -> bool:
        if queue.is_paused():
            log.info("job %s: this loop ends, because somebody asked for a pause", self._execution.job_id)
            return True
        return False

    def _is_held_up_by(self, last: ClaimedChunk | None) -> bool:
        """Whether the last chunk of a sequential job was left undone, so that no other may begin."""
        execution = self._execution
        return last is not None and execution.is_sequential and not execution.recorded.is_completed(last.index)

    def _claimed(self, queue: ChunkQueue, chunk: ClaimedChunk, stored_handle: str | None) -> T:
        execution = self._execution
        handle, data = AttemptInHand(execution, queue.claims, chunk), execution.contents.data(chunk.index)
        attempt = execution.attempt_of(chunk, handle=stored_handle)
        self._yielded_at = time.monotonic()
        return self._make_chunk(chunk.index, data, attempt, handle)
