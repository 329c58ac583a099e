"""One job: what is left of it, what is done, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.execution.job.changes import ChunkTry, JobChanges
from checkpoint_store.execution.loops.open_loops import RunningLoop
from checkpoint_store.execution.pending import PendingLoop
from checkpoint_store.loop import entry
from checkpoint_store.loop.option_names import checks_option_names
from checkpoint_store.loop.service.retry_policy import blames_no_chunk
from checkpoint_store.model.chunks import checked_pairs
from checkpoint_store.model.clock import now
from checkpoint_store.model.error_text import add_note

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator
    from concurrent.futures import Executor
    from types import TracebackType

    from checkpoint_store.execution.pending import AttemptInHand
    from checkpoint_store.loop.service.retry_policy import Errors, Wait
    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.loop_records import LoopEvent
    from checkpoint_store.model.money import Cost
    from checkpoint_store.model.records import MapItem

T = TypeVar("T")


class Job(JobChanges):
    """One input being processed, chunk by chunk. Safe to share between threads.

    Made by :meth:`CheckpointStore.open_job` and :meth:`CheckpointStore.job`. As a context manager it ends ``completed``
    when nothing is left; ``paused`` on KeyboardInterrupt, when chunks are left, or where the error that ended the block
    had paused the job in a loop; ``failed``, with the message, on any other exception.
    """

    # -- what is left

    def pending(self, *, max_attempts: int | None = None, wait: bool = False) -> Iterator[PendingChunk]:
        """Yield the chunks that are not complete, in index order, each claimed for this loop: no other runner gets it.

        Failed chunks (see :meth:`fail_chunk`) are passed over, and so are chunks that another loop, thread or process
        has in hand. A chunk that becomes free, as when its runner is killed, comes last. A chunk is in hand as long as
        its object is referred to. It may be left undone: the next ``pending()`` yields it again. The loop ends when the
        job is paused.

        Args:
            max_attempts: pass over a chunk that was tried this many times; a try that ended with its process counts.
                None: a chunk whose process died is given out again, however often.
            wait: wait until the chunks that others have in hand are complete, or free.

        Raises:
            JobBusy: another runner has the job for itself.
        """
        if self._context.writing is None:
            yield from (
                PendingChunk(self, index, self._execution.contents.data(index)) for index in self._execution.unclaimed()
            )
            return
        loop = PendingLoop(self._execution, partial(PendingChunk, self), max_attempts=max_attempts, wait=wait)
        yield from RunningLoop(self._execution.loops, self.job_id, loop).run()

    # -- what came of a chunk

    def complete(self, index: int, result: object, *, replace: bool = False) -> None:
        """Record the result of chunk ``index`` (0-based). Durable when this returns.

        The chunk, its result and the job's ``updated_at`` are one transaction; the last chunk also ends the job
        ``completed``. Recording an equal result again changes nothing, even with its keys in another order: it is safe
        to call again after an error or an interrupt. What the store cannot take now is kept, and recorded later.

        Args:
            index: 0 to ``total_chunks - 1``.
            result: a JSON value, a dataclass or a pydantic model.
            replace: replace another result by this one. The earlier cost stays counted, if it stands where the last
                loop of this store object said (``cost=``), or in a usual field.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            InvalidResultError: the result would not come back as it is; nothing was written.
            ChunkAlreadyCompleted: the chunk has another result, and ``replace`` is not set.
            ChunkOutOfOrder: the job is sequential, and a chunk before this one is not complete.
        """
        self._execution.submit([self._execution.completion(index, result, replace=replace)], by_hand=True)

    def complete_many(self, pairs: Iterable[tuple[int, object]]) -> None:
        """Record many (index, result) pairs in one commit: all of them or, on an error, none. See :meth:`complete`."""
        at = now()
        if completions := [self._execution.completion(*pair, at=at) for pair in checked_pairs(pairs)]:
            self._execution.submit(completions, by_hand=True)

    def fail_chunk(self, index: int, error: BaseException | str, *, cost: float | None = None) -> None:
        """Record that a try at chunk ``index`` failed, and why (secrets in it are replaced).

        ``cost`` counts for the budget; by default the exception's attribute ``cost``. After three failed tries (or the
        ``max_attempts`` of a loop) the chunk is failed: loops pass it over until :meth:`retry_failed`; before that, the
        next loop tries it again. An exception that blames no chunk does not count: HTTP 401, 402, 403, 429, 503, or a
        call that reached no service. A text counts always. If the work of a ``map`` calls this, its try goes on.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            InvalidArgumentError: ``cost`` is no number from 0 to 10^15; or ``error`` is no exception and no text.
            ChunkAlreadyCompleted: the chunk is complete.
        """
        self._execution.fail(index, error, cost, counted=not blames_no_chunk(error))

    def retry_failed(self, *indices: int) -> int:
        """Give failed chunks (these indices, 0-based; or all) their attempts back, durably, and return their number."""
        chunks = [self._execution.recorded.checked_index(index) for index in indices]
        return self._context.storage.job_changes.retry_failed(self.job_id, chunks or None)

    # -- the whole loop

    @checks_option_names
    def map(
        self,
        fn: Callable[[Any], Any],
        *,
        executor: Executor | Callable[[], Executor] | None = None,
        workers: int | None = None,
        ordered: bool = False,
        on_error: Literal["stop", "record"] = "stop",
        max_attempts: int = 3,
        retry_on: Errors | None = None,
        stop_on: Errors | None = None,
        wait: Wait | None = None,
        timeout_seconds: float | None = None,
        outage_seconds: float = 600.0,
        max_cost: float | None = None,
        cost: Cost = "cost",
        max_calls_per_minute: float | None = None,
        max_tokens_per_minute: float | None = None,
        tokens: Callable[[Any], float] | None = None,
        deadline_seconds: float | None = None,
        only: Collection[int] | None = None,
        progress: bool = False,
        on_pause: Literal["raise", "return"] = "raise",
        stop_when: Callable[[], bool] | None = None,
        on_event: Callable[[LoopEvent], object] | None = None,
    ) -> Iterator[MapItem]:
        """Call ``fn`` with every chunk that is left, record each result, and yield it: the whole loop.

        ``fn`` gets the caller's own chunk (its index, where only ``total_chunks`` is known) and returns its result;
        :func:`current_attempt` says more. A result is durable when it is yielded. The loop waits for chunks that other
        runners have in hand. When no chunk is left the job is ``completed``. When the job is paused (:meth:`pause`) the
        chunks in hand are finished and recorded, and the loop raises :class:`JobPaused`. A first Ctrl-C, SIGTERM or
        SIGHUP pauses all loops of the process, and then takes its usual course; a second one ends the loop at once. A
        handler of the program's own stays. If the loop is left early, the chunks in hand are finished and recorded, and
        the job is ``paused``. An exception of ``fn``, ``SystemExit`` included, is a failed try.

        Args:
            fn: does the work.
            executor: anything with ``submit(fn, *args)`` that returns a ``concurrent.futures.Future`` (for clusters see
                :mod:`checkpoint_store.executors`), or a function that makes an executor, which is called again where
                the executor broke. It does the work; this process records the results. None: threads.
            workers: how many chunks are worked on at the same time; by default 1, or as many as the executor can do.
            ordered: yield in index order (a chunk that is taken over from another runner may come late).
            on_error: ``"stop"`` ends the loop at the first chunk that fails for good, and raises its error;
                ``"record"`` goes on with the others. A result that cannot be stored ends the loop either way.
            max_attempts: how often a chunk is tried, over all runs; tries while the service was away do not count.
            retry_on: exception types, or a function of the exception, that are worth another try. By default all but
                mistakes of a program (TypeError …), and HTTP errors that will not change.
            stop_on: exception types, or a function of the exception, that every chunk would meet: the job is paused, no
                chunk is to blame, and the error is raised, whatever ``retry_on`` says. HTTP 401, 402, 403, 407, and
                codes such as ``insufficient_quota``, stop it besides; with ``()`` no error does.
            wait: seconds between tries, or a function of the tries so far; by default exponential, with jitter. A
                ``Retry-After`` comes first, up to an hour. Where a service is in trouble, the whole loop waits.
            timeout_seconds: how long a try may take; a result that comes later is recorded while the process lives.
            outage_seconds: how long to wait for a service of which no call succeeds; then the job is paused.
            max_cost: what the job may cost, over all its runners. Before a chunk starts it reserves what the dearest
                result cost; where that does not fit, or a result's cost cannot be read, the job is paused. The
                exception of a failed try may tell its cost as an attribute ``cost``.
            cost: where the cost stands in a result: a field, a dotted path (``"usage.cost"``), or a function that gets
                the result as the store has it and returns its cost: a number from 0 to 10^15, or a text of that number.
            max_calls_per_minute: how many tries may start in a minute, over all living runners of the job.
            max_tokens_per_minute: how many tokens tries may use in a minute, over all living runners of the job. Needs
                ``tokens``.
            tokens: a function of the caller's chunk that estimates its tokens; what the result says (``total_tokens``,
                or ``input_tokens`` and ``output_tokens``, in it or in its ``usage``) corrects the estimate.
            deadline_seconds: after this time the loop starts no further chunk, finishes those in hand, and pauses.
            only: a shard: work on these chunks alone (``range(0, 500)``, or any collection of indices). The loop ends
                when they are complete; where others are left, the job is ``paused`` then: nobody works on it.
            progress: show a live bar.
            on_pause: what a pause from elsewhere does: ``"raise"`` :class:`JobPaused`, or ``"return"`` quietly.
            stop_when: asked before each chunk, and a few times a second. Once it is True, this loop ends as by a pause.
            on_event: a function that is called with a :class:`LoopEvent` for each event, in the loop's thread (in
                ``amap``: the event loop's). Its exceptions are logged. It must not take long: the loop waits for it.

        Raises:
            ChunkFailed: the chunks that are left have used up their attempts (with ``on_error="stop"``).
            ServiceUnavailable: no call has succeeded for ``outage_seconds``.
            BudgetReached: the next chunk might cost more than is left.
            DeadlineReached: chunks are left after ``deadline_seconds``.
            CostUnknown: there is a ``max_cost``, and the cost of a result (also of an earlier run) cannot be read.
            JobPaused: the job was paused with chunks left (unless ``on_pause="return"``).
            InvalidResultError, WorkerDied: a result cannot be stored (the error has it); the executor broke for good.
            KeyboardInterrupt, SystemExit: Ctrl-C, or SIGTERM or SIGHUP (128 + number), after the chunks in hand.
            JobBusy: another runner has the job for itself.
            RunnerReleased: ``checkpoint-store release`` gave the chunks of this process to others.
            UnknownOptionError: a keyword is no option; the message names the nearest option.
        """
        given = locals()
        return entry.map_loop(self._execution, fn, given)

    @checks_option_names
    def amap(
        self,
        fn: Callable[[Any], Any],
        *,
        workers: int = 8,
        ordered: bool = False,
        on_error: Literal["stop", "record"] = "stop",
        max_attempts: int = 3,
        retry_on: Errors | None = None,
        stop_on: Errors | None = None,
        wait: Wait | None = None,
        timeout_seconds: float | None = None,
        outage_seconds: float = 600.0,
        max_cost: float | None = None,
        cost: Cost = "cost",
        max_calls_per_minute: float | None = None,
        max_tokens_per_minute: float | None = None,
        tokens: Callable[[Any], float] | None = None,
        deadline_seconds: float | None = None,
        only: Collection[int] | None = None,
        progress: bool = False,
        on_pause: Literal["raise", "return"] = "raise",
        stop_when: Callable[[], bool] | None = None,
        on_event: Callable[[LoopEvent], object] | None = None,
    ) -> AsyncGenerator[MapItem, None]:
        """:meth:`map` for asyncio: ``fn`` is a coroutine function, of which up to ``workers`` are awaited at a time.

        A plain function is called in threads; the event loop never waits for the disk. A try beyond ``timeout_seconds``
        goes on until the event loop ends, and a late result is recorded. A loop that is cancelled first records the
        calls in flight; a second cancellation cancels them. Leave early through ``contextlib.aclosing``.
        """
        given = locals()
        return entry.amap(self._execution, fn, given)

    def apending(self, *, max_attempts: int | None = None, wait: bool = False) -> AsyncGenerator[PendingChunk, None]:
        """:meth:`pending` for asyncio; the event loop never waits for the disk."""
        return entry.apending(self.pending(max_attempts=max_attempts, wait=wait))

    async def acomplete(self, index: int, result: object, *, replace: bool = False) -> None:
        """:meth:`complete` for asyncio. The result is recorded even if the call is cancelled meanwhile."""
        await entry.acomplete(lambda: self.complete(index, result, replace=replace))

    # -- how it ends

    def __enter__(self) -> Self:
        self._execution.lifecycle.enter_block()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._execution.lifecycle.leave_block(error)
        except CheckpointStoreError as late:
            if error is None:
                raise
            add_note(error, f"Besides, the end of the job could not be recorded: {late}")


@dataclass(frozen=True, slots=True)
class PendingChunk(ChunkTry):
    """A chunk that is left to do.

    No other runner gets the chunk while anything refers to this object, even after the loop was left. The next loop of
    this store object takes the chunk up again.
    """

    job: Job
    index: int
    """0-based."""
    data: Any
    """The caller's own chunk; None where the job was opened with ``total_chunks`` only."""
    attempt: Attempt | None = field(default=None, compare=False)
    """The try at the chunk; None if the store is read only, so that nothing was claimed."""
    _handle: AttemptInHand | None = field(default=None, compare=False, repr=False)

    def fail(self, error: BaseException | str, *, cost: float | None = None) -> None:
        """Record that this try failed, and what it cost; a later try goes on. See :meth:`Job.fail_chunk`."""
        if self._handle is None:
            self.job.fail_chunk(self.index, error, cost=cost)
        else:
            self._handle.fail(error, cost, counted=not blames_no_chunk(error))

    def complete(self, result: object, *, replace: bool = False) -> None:
        """Record the result of this try; durable when this returns. See :meth:`Job.complete`."""
        if self._handle is None:
            self.job.complete(self.index, result, replace=replace)
        else:
            self._handle.complete(result, replace=replace)
