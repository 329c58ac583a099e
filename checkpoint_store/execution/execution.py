"""One job at work: its chunks on their way to the work, and the results on their way into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from checkpoint_store.errors import CheckpointStoreError, InvalidArgumentError, KeyNotFound
from checkpoint_store.execution import chunk_ranges, lifecycle, redo
from checkpoint_store.execution.chunk_contents import NOT_AT_HAND, ChunkContents, Given
from checkpoint_store.execution.chunk_order import ChunkOrder
from checkpoint_store.execution.claims.chunk_queue import ChunkQueue
from checkpoint_store.execution.claims.known_pauses import KnownPauses
from checkpoint_store.execution.claims.redo_marks import RedoMarks
from checkpoint_store.execution.job_budget import JobBudget
from checkpoint_store.execution.results import encoded
from checkpoint_store.execution.standing import JobStanding
from checkpoint_store.execution.tries import attempt_of
from checkpoint_store.model.amounts import amount, cost_of_error
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.keys import is_key
from checkpoint_store.model.plan import FINGERPRINT_RULE, Fingerprint
from checkpoint_store.model.records import JobStatus
from checkpoint_store.storage.records import Completion
from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store.execution.claims.claimed_chunk import ClaimedChunk
    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.execution.loops import Loops
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.keys import Key
    from checkpoint_store.model.run_record import RunRecord
    from checkpoint_store.model.shard import Shard
    from checkpoint_store.storage.records import StatusChange


class JobExecution(JobStanding):
    """A job's chunks on their way to the work, and results on their way to the store. Safe to share between threads."""

    def __init__(
        self,
        context: StoreContext,
        job_id: str,
        total_chunks: int,
        chunks: Sequence[Any] | None,
        fingerprint_by: Fingerprint | None,
        *,
        store: object,
        fingerprint_rule: int = FINGERPRINT_RULE,
        sequential: bool = False,
        keys: Sequence[Key] | None = None,
    ) -> None:
        self._store: Final = store
        """Referred to, so that it stays open for as long as anyone works on the job."""
        super().__init__(context, job_id, total_chunks)
        given = None if chunks is None else Given(chunks, fingerprint_by, total_chunks, keys)
        self.contents: Final = (
            NOT_AT_HAND if given is None else ChunkContents(given, rule=fingerprint_rule, sequential=sequential)
        )
        """The caller's own chunks, and their fingerprints."""
        self.fingerprint_by: Final = fingerprint_by
        self._order = ChunkOrder(context.reading, job_id) if sequential else None
        self._has_keys: bool | None = None
        """Whether the store has keys for chunks of the job; None: nobody has asked."""
        self._claims: Claims | None = None
        self.pauses: Final = KnownPauses()
        """The pauses that the holder of this job knows of."""
        context.growing.add(ref(self, context.growing.discard))

    @property
    def has_chunks(self) -> bool:
        """Whether the caller's own chunks are at hand, and not only their number."""
        return self.contents.are_given

    @property
    def is_sequential(self) -> bool:
        """Whether each chunk's work depends on the results before it."""
        return self._order is not None

    def grow(self, total_chunks: int, given: Given | None) -> None:
        """Let this object, and its loops under way, know that the job has grown, and of the chunks that it has now."""
        if total_chunks > self.total_chunks:
            self.contents.grow(given)
            self.total_chunks = total_chunks

    def reach(self) -> int:
        """Return how many first chunks a loop can work on now: where the caller gave chunks, those that are at hand."""
        total, at_hand = self.known_total(), self.contents.count
        return total if at_hand is None else min(total, at_hand)

    @property
    def budget(self) -> JobBudget:
        """What the job has spent and reserved."""
        return JobBudget(self._context, self.job_id)

    @property
    def loops(self) -> Loops:
        """Those that are under way on any job of the store."""
        return self._context.loops

    @property
    def claims(self) -> Claims:
        """What this process has in hand of the job."""
        if self._claims is None:
            self._claims = self._context.claims_of(self.job_id)
        return self._claims

    def chunk_data(self, index: int) -> Any:
        """Return the caller's chunk. The fingerprint of a chunk that its caller may change is taken before."""
        return self.contents.data(index)

    def queue(
        self,
        *,
        known_pause: int | None = None,
        max_attempts: int | None = None,
        shard: Shard | None = None,
        places: int = 1,
    ) -> ChunkQueue:
        """Return the chunks that a loop which begins now may claim, all of the job or those of a shard.

        ``places`` says how many chunks the loop works on at the same time.
        """
        return ChunkQueue(
            self.claims,
            self.reach,
            pauses=self.pauses,
            known_pause=known_pause,
            max_attempts=max_attempts,
            in_order=self.is_sequential,
            shard=shard,
            marks=RedoMarks(self._context.reading, self.job_id),
            places=places,
        )

    def attempt_of(self, chunk: ClaimedChunk, *, handle: str | None) -> Attempt:
        """Return what the work on a claimed chunk can ask about its try."""
        handles, key = self._context.storage.handles, self.key(chunk.index)
        return attempt_of(chunk, self.job_id, self.contents, self._order, handles, key=key, handle=handle)

    def key(self, index: int) -> Key | None:
        """Return what the caller calls a chunk; None where it has no key."""
        if self.contents.keys is not None:
            return self.contents.keys[index]
        if self._has_keys is None:
            self._has_keys = self._context.reading.has_keys(self.job_id)
        return self._context.reading.key_at(self.job_id, index) if self._has_keys else None

    def index_of(self, key: Key) -> int:
        """Return the chunk with a key.

        Raises:
            KeyNotFound: no chunk of the job has it.
        """
        index = self._context.reading.index_of_key(self.job_id, key) if is_key(key) else None
        if index is None:
            raise KeyNotFound(self.job_id, key, has_keys=self._context.reading.has_keys(self.job_id))
        return index

    def completion(
        self,
        index: int,
        result: object,
        *,
        text: str | None = None,
        at: str | None = None,
        replace: bool = False,
        cost: Cost = "cost",
    ) -> Completion:
        """Return what is to be written for a result (``text`` is its JSON text, where that is there already).

        ``cost`` says where the cost stands in the result that this one takes the place of, if the chunk is done again.

        Raises:
            ChunkOutOfRange, InvalidResultError: as :meth:`Job.complete` says.
        """
        job_id, storage = self.job_id, self._context.writing
        self.check_index(index)
        if text is None:
            text = encoded(result, job_id=job_id, chunk_index=index)
        is_crowded = storage is not None and storage.is_crowded
        digest = (result_digest.digest_in_a_crowd if is_crowded else result_digest.digest)(job_id, index, text)
        fingerprint = self.contents.fingerprint(index)
        claims = self._claims or self._context.claims.at_hand(job_id)
        attempt, seconds = (None, None) if claims is None else claims.attempt_at(index)
        earlier_cost = None if cost == "cost" else redo.earlier_cost(self._context, job_id, index, cost)
        made = (attempt, seconds, replace, earlier_cost)
        return Completion(job_id, index, at or now(), text, digest, fingerprint, *made)

    def submit(self, completions: Sequence[Completion]) -> None:
        """Record completions, all or none; durable when this returns.

        Raises:
            ChunkOutOfOrder: the job is sequential, and a chunk before one of them is not complete.
        """
        if self._order is not None:
            self._order.require([completion.chunk_index for completion in completions])
        self._context.record(completions)
        self.contents.forget(completions)

    def fail(self, index: int, error: BaseException | str, cost: float | None, *, counted: bool) -> None:
        """Record that a try at a chunk failed, why, and what it cost; see :meth:`Job.fail_chunk`. Durable on return.

        ``counted`` says whether the try counts against the chunk.
        """
        self.check_index(index)
        found = cost_of_error(error) if cost is None and isinstance(error, BaseException) else amount(cost)
        if cost is not None and found is None:
            raise InvalidArgumentError("cost", cost, "is no amount: a finite number from 0")
        self.claims.fail(index, describe(error), cost=found, counted=counted)

    def keep_unrecorded(self, completions: Sequence[Completion]) -> str:
        """Keep what could not be recorded now (a full disk); return what to tell of it.

        The next loop of this store object records it first.
        """
        return self._context.unrecorded.keep(completions)

    def record_unrecorded(self) -> None:
        """Record what could not be recorded before."""
        self._context.record_unrecorded()

    # -- who works on it

    def unclaimed(self) -> Iterator[int]:
        """Yield the chunks that are not complete, and at hand, by index, whoever works on them."""
        return chunk_ranges.incomplete(self._context.reading, self.job_id, self.reach())

    def loops_at_work(self) -> int:
        """Return how many loops share the limits of the job: those here, and one for each other runner alive now."""
        own_runner_id = self.claims.runner.runner_id
        others = self._context.reading.living_runners(self.job_id, but=own_runner_id)
        return others + max(1, self.claims.runner.loop_count)

    def others_at_work(self) -> bool:
        """Return whether another runner is at work on the job now. What dead ones had claimed is free, or in doubt."""
        own_runner_id = self.claims.runner.runner_id
        return self._context.storage.claims.others_at_work(self.job_id, own_runner_id=own_runner_id)

    # -- what a run did

    def leave_out(self, seconds: float) -> None:
        """Let the job's rate leave out so many seconds, in which the machine slept. Durable when this returns."""
        self._context.storage.leave_out(self.job_id, seconds)
        self._context.note_change(self.job_id)

    def note_run(self, record: RunRecord) -> None:
        """Keep what a loop did, which has ended."""
        self._context.last_runs[self.job_id] = record

    # -- how its status changes

    def change_status(self, wanted: StatusChange) -> None:
        """Change the job's status; see :mod:`checkpoint_store.execution.lifecycle`."""
        lifecycle.change(self._context, self.job_id, wanted)

    def mark_pauses_known(self) -> None:
        """Let the pauses that were asked for so far end no loop that begins from now on; a later one ends it."""
        self.pauses.last = self._context.storage.claims.last_pause(self.job_id)

    def mark_running(self, known_pause: int | None) -> None:
        """Make the job ``running`` where chunks are left, as a loop begins, unless it was paused since the call.

        ``known_pause``: the last pause that was known at the call. Pauses that were asked for stand.
        """
        self.record_unrecorded()
        if not self.pauses.covers(self.claims.last_pause(), known_pause):
            return
        if self.record().status is not JobStatus.RUNNING and self.progress().remaining_chunks:
            self.change_status(lifecycle.RUN)

    def record_failure(self, error: BaseException) -> None:
        """Keep the error that ended a loop of this job; where that is impossible, log it."""
        try:
            self.leave(*lifecycle.ending_by(error))
        except CheckpointStoreError as late:
            log_suppressed(late, f"the end of job {self.job_id} could not be recorded")

    def leave(
        self, status: JobStatus, error: BaseException | str | None = None, *, with_this_thread: bool = False
    ) -> None:
        """End this loop's part (or that of all loops of this thread); see :func:`lifecycle.leave`."""
        lifecycle.leave(self._context, self.claims, status, error, with_this_thread=with_this_thread)
