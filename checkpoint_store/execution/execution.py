"""One job at work: it hands out the chunks to a loop, and records the results in the store."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final
from weakref import ref

from checkpoint_store.errors import CheckpointStoreError, ChunkAlreadyCompleted
from checkpoint_store.execution.chunk_contents import NOT_AT_HAND, ChunkContents, ChunkKeys, Given
from checkpoint_store.execution.chunk_order import ChunkOrder
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.execution.claims.requests import RedoMarks
from checkpoint_store.execution.handles import HandleRecorder
from checkpoint_store.execution.late import LateRecorder, amount_paid, failure_of
from checkpoint_store.execution.lifecycle import JobLifecycle
from checkpoint_store.execution.recorded_job import RecordedJob, RunnersAtWork
from checkpoint_store.execution.results import earlier_cost, encoded
from checkpoint_store.model.attempt import Attempt, MadeFrom, attempt_key, attempt_worked_on_here
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import checked_error, describe
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.money import COST_DEFAULT, cost_in
from checkpoint_store.model.plan import FINGERPRINT_RULE, Fingerprint
from checkpoint_store.storage.records.records import Completion
from checkpoint_store.system.log import log, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.execution.loops.open_loops import Loops
    from checkpoint_store.model.chunks import Shard
    from checkpoint_store.model.money import Cost
    from checkpoint_store.storage.records.open_requests import OpenRequest
    from checkpoint_store.storage.storage import Storage


class JobExecution:
    """One job at work: its chunks, its claims and the recording of its results. Safe to share between threads."""

    def __init__(
        self,
        context: StoreContext,
        job_id: str,
        total_chunks: int,
        given: Given | None = None,
        *,
        request: OpenRequest | None = None,
        store: object = None,
        fingerprint_by: Fingerprint | None = None,
        fingerprint_rule: int = FINGERPRINT_RULE,
        sequential: bool = False,
    ) -> None:
        self._store: Final = store
        """The store, which stays open as long as this object refers to it."""
        self._context: Final = context
        self.job_id: Final = job_id
        self.recorded: Final = RecordedJob(context, job_id, total_chunks)
        """The job as the store has it now."""
        self.contents: Final = (
            NOT_AT_HAND if given is None else ChunkContents(given, rule=fingerprint_rule, sequential=sequential)
        )
        """The caller's own chunks, and their fingerprints."""
        self.fingerprint_by: Final = fingerprint_by
        self._order = ChunkOrder(context.reading, job_id) if sequential else None
        self._claims: Claims | None = None
        self._asked_for: set[int] = set()
        """The chunks that had a handle when they were tried: that try asks the service for the result."""
        self.lifecycle: Final = JobLifecycle(context, self.recorded, request)
        """How the job begins to run, pauses and ends."""
        context.growing.add(ref(self, context.growing.discard))

    # These objects are made when they are first asked for: a list of ten thousand jobs needs none of them. They have no
    # state of their own, so it does not matter if two threads make the same object at the same time.

    @cached_property
    def keys(self) -> ChunkKeys:
        """The caller's keys of the chunks."""
        return ChunkKeys(self._context.reading, self.job_id, self.contents)

    @cached_property
    def runners(self) -> RunnersAtWork:
        """The runners that are at work on the job now."""
        return RunnersAtWork(self._context, self.job_id)

    @cached_property
    def late(self) -> LateRecorder:
        """Records what comes of calls that no loop waits for any more, and failures that the work reports by hand."""
        return LateRecorder(self._context, self.job_id)

    @property
    def is_sequential(self) -> bool:
        """Whether each chunk's work depends on the results before it."""
        return self._order is not None

    def grow(self, total_chunks: int, given: Given | None) -> None:
        """Note that the job has grown, and its chunks now, for this object and its open loops."""
        if total_chunks > self.recorded.total_chunks:
            self.contents.grow(given)
            self.recorded.total_chunks = total_chunks

    def reach(self) -> int:
        """Return how many chunks, from the first on, a loop can work on now: all, or those that the caller gave."""
        total, at_hand = self.recorded.known_total(), self.contents.count
        return total if at_hand is None else min(total, at_hand)

    @property
    def loops(self) -> Loops:
        """The open loops on all jobs of the store."""
        return self._context.loops

    @property
    def claims(self) -> Claims:
        """The claims of this process for the job."""
        if self._claims is None:
            self._claims = self._context.claims_of(self.job_id)
        return self._claims

    def queue(
        self,
        *,
        known_pause: int | None = None,
        max_attempts: int | None = None,
        shard: Shard | None = None,
        places: int = 1,
    ) -> ChunkQueue:
        """Return the chunk queue of a loop that begins now. ``places``: how many chunks it works on at a time."""
        return ChunkQueue(
            self.claims,
            self.reach,
            pauses=self.lifecycle.pauses,
            queued_pauses=self._context.pauses,
            known_pause=known_pause,
            max_attempts=max_attempts,
            in_order=self.is_sequential,
            shard=shard,
            marks=RedoMarks(self._context.reading.marks, self.job_id),
            stopped_runners=self.runners.stopped,
            end_abandoned=self.loops.end_abandoned,
            places=places,
            inside=attempt_worked_on_here(self.job_id),
        )

    @property
    def storage(self) -> Storage:
        """The verbs of the store that write."""
        return self._context.storage

    def look_at(self, index: int) -> tuple[bool, str | None]:
        """Return whether a chunk is complete, and the handle of a chunk that is not complete."""
        return self._context.storage.handles.look_at(self.job_id, index)

    def attempt_of(self, chunk: ClaimedChunk, *, handle: str | None) -> Attempt:
        """Return the attempt at a claimed chunk, for the work on it."""
        job_id, index, number = self.job_id, chunk.index, chunk.number
        fingerprint = self.contents.fingerprint(index)
        # The result of this try may come while a later try is at work: note what this try was given.
        previous, digest = (None, None) if self._order is None else self._order.previous(index)
        chunk.made_from = MadeFrom(fingerprint, digest)
        if handle is not None:
            self._asked_for.add(index)
        recorder = HandleRecorder(self._context.storage.handles, job_id, index, number, fingerprint)
        about = job_id, index, number, attempt_key(job_id, index, fingerprint), previous, handle
        return Attempt(*about, self.keys.of(index), recorder, chunk.made_from)

    def completion(
        self,
        index: int,
        result: object,
        *,
        text: str | None = None,
        at: str | None = None,
        replace: bool = False,
        cost: Cost | None = None,
        attempt: tuple[int, float] | None = None,
        made_from: MadeFrom | None = None,
    ) -> Completion:
        """Return the completion to write for a result, checked (``text``: its JSON text, if it is encoded already).

        ``cost``: where the cost stands in this and an earlier result; None: the place that the last loop named.
        ``attempt``: the number of the attempt that made the result, and its seconds; None: the attempt in hand.
        ``made_from``: what that attempt was given; None: what the attempt in hand was given, or the chunk as it is now.
        """
        job_id, storage = self.job_id, self._context.writing
        index = self.recorded.checked_index(index)
        if replace is not False:
            replace = checked_flag("replace", replace)
        text = encoded(result, job_id=job_id, chunk_index=index) if text is None else text
        is_crowded = storage is not None and storage.is_crowded
        digest = (result_digest.digest_in_a_crowd if is_crowded else result_digest.digest)(job_id, index, text)
        claims = self._claims or self._context.claims.at_hand(job_id)
        in_hand = None if claims is None or attempt is not None else claims.in_hand.get(index)
        number, seconds = attempt or ((None, None) if in_hand is None else (in_hand.number, in_hand.seconds))
        given = made_from or (None if in_hand is None else in_hand.made_from)
        made_from = given or MadeFrom(self.contents.fingerprint(index))
        cost = self._context.cost_places.get(job_id, COST_DEFAULT) if cost is None else cost
        costs: tuple[float | None, float | None] = None, None
        if cost != COST_DEFAULT:
            earlier = earlier_cost(self._context, job_id, index, cost, replace=replace)
            costs = earlier, cost_in(json_text.decode(text), cost)
        about = job_id, index, at or now(), text, digest, made_from.fingerprint
        return Completion(*about, number, seconds, replace, *costs, made_from.previous_digest, self._order is not None)

    def submit(self, completions: Sequence[Completion], *, by_hand: bool = False) -> None:
        """Record completions, all or none; durable when this returns.

        ``by_hand``: they are in the hand of a caller; what the store cannot take now is kept. A loop keeps its own.
        """
        if self._order is not None:
            self._order.require(completions)
        try:
            self._context.record(completions, self._claims)
        except CheckpointStoreError as error:
            if by_hand and self._context.writing is not None:
                self._context.unrecorded.keep_by_hand(error, completions)
            raise
        if self._order is not None:
            self._order.completed(completions)
        elif self.contents.taken:
            self.contents.forget(completions)
        if self._asked_for:
            self._note_payers([completion.chunk_index for completion in completions])

    def _note_payers(self, indices: Sequence[int]) -> None:
        """Note which chunk paid for these results: a service is paid once for a handle that several chunks have."""
        for index in self._asked_for.intersection(indices):
            self._asked_for.discard(index)
            try:
                self._context.storage.handles.note_payer(self.job_id, index)
            except Exception as error:  # whatever the disk or the memory lacks: the result is recorded, and counts
                log_suppressed(error, f"job {self.job_id}, chunk {index}: who paid for its result is not recorded")

    def fail(
        self,
        index: int,
        error: BaseException | str,
        cost: float | None,
        *,
        counted: bool,
        attempt: ClaimedChunk | None = None,
    ) -> None:
        """Record that a try at a chunk failed, why, and what it cost; see :meth:`Job.fail_chunk`. Durable on return.

        ``counted`` says whether the try counts against the chunk. ``attempt``: the try; None: the try in hand. The
        failure is only noted if a later try has the chunk, or if the try's own work reports it: that try goes on.
        """
        index = self.recorded.checked_index(index)
        error = checked_error(error)
        paid, message, in_hand = amount_paid(error, cost), describe(error), self.claims.in_hand
        if attempt is None and self.late.note_reported(in_hand.get(index), error, message, paid):
            return
        made = in_hand.attempt_at(index) if attempt is None else (attempt.number, attempt.seconds)
        failure = failure_of(self.job_id, index, message, attempt=made, cost=paid)
        if attempt is not None and in_hand.get(index, attempt) is not attempt:
            where = f"job {self.job_id}, chunk {index}"
            log.warning("%s: attempt %d failed after a later try began%s", where, made[0], self.late.failure(failure))
            return
        try:
            self.claims.fail(index, message, attempt=attempt, cost=paid, counted=counted)
        except CheckpointStoreError as refusal:
            if paid is not None and isinstance(refusal, ChunkAlreadyCompleted):
                self.late.failure(failure)
            elif paid is not None and made[0] is not None:  # its attempt tells whether it was recorded since
                self._context.unrecorded.keep_by_hand(refusal, [failure], are_failures=True)
            raise

    def keep_unrecorded(self, completions: Sequence[Completion], *, are_failures: bool = False) -> str:
        """Keep completions that cannot be recorded now; see :meth:`UnrecordedResults.keep`."""
        return self._context.unrecorded.keep(completions, are_failures=are_failures)

    def record_unrecorded(self) -> None:
        """Record the unrecorded results of the store."""
        self._context.record_unrecorded()

    def unclaimed(self) -> Iterator[int]:
        """Yield the chunks that are at hand and not complete, by index, even those that a runner works on."""
        pages = self._context.reading.chunks.completed_pages(self.job_id, self.reach())
        return (index for page, completed in pages for index in sorted(set(page) - set(completed)))
