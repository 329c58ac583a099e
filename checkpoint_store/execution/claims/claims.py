"""The chunks of one job that this process works on: each is claimed in the store before its work starts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted, RunnerReleased
from checkpoint_store.execution.claims.claimed_along import ClaimedAlong
from checkpoint_store.execution.claims.claimed_chunk import ChunksInHand, ClaimedChunk, LateSettlement, is_vain
from checkpoint_store.execution.claims.runner import OwnRunner
from checkpoint_store.storage.records.records import ClaimRequest, FailedAttempt
from checkpoint_store.system.file_lock import take
from checkpoint_store.system.forks import ForkAware, watch
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimingLoop
    from checkpoint_store.storage.records.records import ClaimSearchResult, Completion
    from checkpoint_store.storage.verbs.claims import ClaimStorage

MAX_ATTEMPTS_DEFAULT: Final = 3
_STARTED_IN_A_ROW_MAX: Final = 4
"""A loop that starts more chunks in a row than this, and completes none, only reads them: release them in batches."""


class Claims(ForkAware):
    """The chunks of one job that one store object has claimed. Safe to share between threads.

    A forked child starts with no chunk: they are the parent's.
    """

    def __init__(
        self, storage: ClaimStorage, job_id: str, registered: set[Claims], on_change: Callable[[str], None]
    ) -> None:
        self.storage: Final = storage
        """The verbs for claims."""
        self._on_change = on_change
        """Called with the job's id when a runner is registered, which changes the job: its working time goes on."""
        self._registered = registered
        """All claims of the store object whose runner is registered. This set keeps them alive."""
        self.job_id: Final = job_id
        self.lock_timeout_seconds: Final = storage.lock_timeout_seconds
        self.runner: Final = OwnRunner(storage, job_id)
        self.forget_in_child()
        watch(self)

    def forget_in_child(self) -> None:
        """Forget the runner and its chunks in a forked child: they are the parent's."""
        self._lock = threading.RLock()
        self.settling_late = LateSettlement()
        """Held while a late result is recorded: no work on its chunk begins that would be paid for in vain."""
        self.in_hand = ChunksInHand(self.storage.path, self.job_id)
        """The chunks that are claimed, by index."""
        self.along = ClaimedAlong(self._lock, self.in_hand)
        """The chunks that are claimed in the transaction that completes another chunk."""
        self.runner.forget()

    # -- the runner, begun and ended with what needs it

    def register(self, *, exclusive: bool = False) -> int:
        """Become a runner of the job; see :meth:`OwnRunner.register`."""
        with self._lock:
            was_registered = self.runner.is_registered
            runner_id = self.runner.register(exclusive=exclusive)
            self._registered.add(self)
            if not was_registered:
                self._on_change(self.job_id)
            self.in_hand.belong_to(runner_id)
            return runner_id

    def end_if_idle(self, *, wait: bool = False) -> None:
        """End the runner if no loop needs it, no chunk is claimed, and it is not exclusive.

        With ``wait``, wait for other threads, and end an exclusive runner, too, if its job is completed. A finalizer
        must not wait. A runner that cannot end now ends with the next loop, or when the store object is closed.
        """
        if not self._may_end(look=wait):
            return
        taken: list[bool] = []
        try:
            take(self._lock, taken, -1 if wait else 0)
            if taken and self._may_end(look=wait):
                self._end(only_if_free=not wait)
        except CheckpointStoreError as error:
            log_suppressed(error, f"the runner of job {self.job_id} has not ended yet")
        finally:
            if taken:
                self._lock.release()

    def _may_end(self, *, look: bool) -> bool:
        # An interrupt may leave a chunk here that was to be claimed with a completion, and was not.
        are_free = all(not chunk.is_taken and not chunk.loop.is_active for chunk in list(self.in_hand.values()))
        return are_free and self.runner.may_end(look=look)

    def _end(self, *, only_if_free: bool) -> None:
        begun = {chunk.claim for chunk in list(self.in_hand.values()) if chunk.begun}
        self.runner.end(begun=begun, only_if_free=only_if_free)
        self._drop()

    def _drop(self) -> None:
        self.in_hand.forget_runner(self.runner.runner_id)
        self.runner.drop()
        self.in_hand.clear()
        self._registered.discard(self)

    def close(self) -> None:
        """End the runner. Its claimed chunks are free, in doubt if their work began. Durable; errors are logged."""
        with self._lock:
            if not self.runner.is_registered:
                return
            try:
                self._end(only_if_free=False)
            except CheckpointStoreError as error:  # others see from the free lock that the runner has ended
                log_suppressed(error, f"the end of the runner of job {self.job_id} was not recorded")
            finally:
                self._drop()

    # -- claiming

    def claim(
        self, loop: ClaimingLoop, spans: Sequence[tuple[int, int]], wanted: int, *, in_order: bool = False
    ) -> tuple[list[ClaimedChunk], ClaimSearchResult]:
        """Claim up to ``wanted`` chunks of these half-open spans for a loop, the lowest first. Durable when it returns.

        ``in_order``: claim a chunk only if all chunks before it are complete. Returns the chunks, and the result of the
        search.
        """
        with self._lock:
            request = ClaimRequest(
                self.job_id,
                runner_id := self.register(),
                spans,
                wanted,
                attempts_max=loop.attempts_max,
                indices_in_hand=self.in_hand.indices_of_loops(),
                trusted_runner_ids=self.runner.trusted_runner_ids(),
                in_order=in_order,
            )
            with self.in_hand.searched(self.release):
                search = self.storage.claim(request)
                self.runner.note_alive(search)
                chunks = [ClaimedChunk(claim, runner_id, loop) for claim in search.claims]
                self.in_hand.update((chunk.index, chunk) for chunk in chunks)
            return chunks, search

    def confirm_along(self, along: ClaimedChunk, *, has_claimed: bool) -> None:
        """Keep ``along`` if the transaction of a completion claimed it; see :meth:`ClaimedAlong.confirm`."""
        left = self.along.confirm(along, has_claimed=has_claimed)
        if left:
            self.release(left)

    # -- what becomes of claimed chunks

    def note_begun(self, chunks: Sequence[ClaimedChunk], *, by_caller: bool = False) -> list[ClaimedChunk]:
        """Note in the runner's lock file that the work on claimed chunks begins; see :meth:`ClaimStorage.note_begun`.

        ``by_caller``: the caller of a loop does the work, and may leave it undone. Returns the chunks whose work may
        begin: not those that are no longer in hand, because a late result, or a completion by hand, came meanwhile.
        None may begin (:class:`RunnerReleased`) if the chunks were given to others by hand.
        """
        runner_id = chunks[0].runner_id  # all were claimed for one loop, whose runner does not end before the loop
        with self.settling_late.lock, self._lock:
            held = [chunk for chunk in chunks if self.in_hand.holds(chunk)]
            if held and not self.storage.note_begun(runner_id, [chunk.claim for chunk in held]):
                raise RunnerReleased(self.job_id, runner_id)
            for chunk in held:
                if by_caller:
                    chunk.is_yielded = True
                else:
                    chunk.begun = True
            return held

    def completed(self, completions: Iterable[Completion]) -> None:
        """Forget the claims of chunks that the store has as complete now. End the runner if no loop needs it.

        Where an earlier attempt completed a chunk, the attempt in hand is no longer needed. If its work has begun, it
        stays in hand until it ends: it is paid for, and what it reserves of a budget counts until then.
        """
        self.done([completion.chunk_index for completion in completions if self._has_ended(completion)])
        if self.storage.releases:  # they could not be freed while the completions were being written
            self._release_queued()
        if not self.runner.loops:
            self.end_if_idle(wait=True)

    def _has_ended(self, completion: Completion) -> bool:
        """Whether the attempt in hand made this result. Free any other attempt that has not begun and is not needed."""
        chunk = self.in_hand.get(completion.chunk_index)
        if chunk is None or completion.attempt in (None, chunk.number):
            return True
        with self._lock:  # no work on the chunk begins in between: see note_begun()
            if not chunk.begun and not chunk.is_yielded and is_vain(self.storage, self.job_id, chunk.index):
                self.release([chunk])
        return False

    def done(self, indices: Iterable[int]) -> None:
        """Forget the claims of chunks that the store has as completed or failed now."""
        for index in indices:
            chunk = self.in_hand.pop(index, None)
            if chunk is not None:
                chunk.loop.started_in_a_row, chunk.loop.done_at = 0, time.monotonic()
                self.storage.done(chunk.runner_id, chunk.claim)

    def abandon(self, index: int, attempt: int | None = None) -> None:
        """Free a chunk that another attempt has completed. The attempt in hand is in doubt.

        ``attempt``: the number of the attempt that is over. Another attempt in hand goes on.
        """
        chunk = self.in_hand.get(index)
        if chunk is not None and attempt in (None, chunk.number):
            chunk.begun = True
            self.release([chunk])

    def release(self, chunks: Sequence[ClaimedChunk]) -> None:
        """Free claimed chunks that are neither completed nor failed: now if the store is free, or by its next write.

        Chunks whose work began are in doubt. A finalizer may call this: no thread is waited for.
        """
        mine = [chunk for chunk in chunks if self.in_hand.release(chunk, self._free_later)]
        if any(chunk.loop.is_active and chunk.loop.started_in_a_row > _STARTED_IN_A_ROW_MAX for chunk in mine):
            return  # the loop only reads its chunks: its next claim frees them
        if not self.storage.is_closed:
            self.end_if_idle()
            self._release_queued()

    def _free_later(self, chunk: ClaimedChunk) -> None:
        self.storage.done(chunk.runner_id, chunk.claim)
        self.storage.queue_release(self.job_id, chunk.runner_id, chunk.claim, begun=chunk.begun)

    def _release_queued(self) -> None:
        if self.runner.is_registered:
            try:
                self.storage.release(self.job_id)
            except CheckpointStoreError as error:  # a thread is writing, perhaps this one: the next write frees them
                log_suppressed(error, f"chunks of job {self.job_id} are not free yet")

    def fail(
        self,
        index: int,
        error: str,
        *,
        attempt: ClaimedChunk | None = None,
        limit: int = MAX_ATTEMPTS_DEFAULT,
        counted: bool = True,
        again: bool = False,
        permanent: bool = False,
        seconds: float | None = None,
        cost: float | None = None,
        may_be_billed: bool = False,
    ) -> ClaimedChunk | None:
        """Record that the attempt at a chunk failed; see :class:`FailedAttempt`. Durable when this returns.

        ``attempt`` is what failed; None: the attempt in hand. Returns the chunk with its next attempt, which has begun
        because ``again`` asks for it; None if none has begun. :class:`ChunkAlreadyCompleted`: the chunk was completed
        otherwise, or another attempt is in hand by now.
        """
        with self._lock:
            chunk = self.in_hand.get(index)
            if attempt is not None and chunk is not None and chunk is not attempt:
                raise ChunkAlreadyCompleted(self.job_id, index)
            if chunk is None and attempt is not None and attempt.is_failed:
                chunk = attempt  # its work has reported its failure before: it failed once
            number = None if chunk is None else chunk.number
            failed = FailedAttempt(
                self.job_id, index, number, self.runner.runner_id, error, seconds,
                attempts_max=limit, is_counted=counted, tries_again=again, is_permanent=permanent,
                cost=cost, may_be_billed=may_be_billed,
            )  # fmt: skip
            try:
                outcome = self.storage.fail(failed)
            except ChunkAlreadyCompleted:
                self.abandon(index)
                raise
            if chunk is not None:
                chunk.is_failed = True
            if outcome.next_claim is None or chunk is None:
                self.done([index])
                if not self.runner.loops:
                    self.end_if_idle(wait=True)
                return None
            self.storage.done(chunk.runner_id, chunk.claim)
            attempts = chunk.attempts_in_loop + 1
            following = ClaimedChunk(outcome.next_claim, chunk.runner_id, chunk.loop, attempts_in_loop=attempts)
            self.in_hand[index] = following
            return following

    def last_pause(self) -> int:
        """Return the number of the last pause of the job that was asked for and still stands; 0 for none."""
        return self.storage.last_pause(self.job_id)
