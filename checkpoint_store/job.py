"""One job: what is left of it, what is done, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from checkpoint_store.errors import CheckpointStoreError
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.job_reading import JobReading
from checkpoint_store.execution.loops import RunningLoop
from checkpoint_store.execution.pending import PendingLoop
from checkpoint_store.loop.option_names import checks_option_names
from checkpoint_store.model.clock import now
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.records import JobStatus, MapItem

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from types import TracebackType

    from checkpoint_store.execution.claims.claim_handle import ClaimHandle
    from checkpoint_store.loop.retry_policy import Errors, Wait
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.attempt import Attempt

T = TypeVar("T")


class Job(JobReading):
    """One input being processed, chunk by chunk. Safe to share between threads.

    Made by :meth:`CheckpointStore.open_job` and :meth:`CheckpointStore.job`. As a context manager it ends ``completed``
    when nothing is left; ``paused`` on KeyboardInterrupt, or when chunks are left; ``failed``, with the message, on any
    other exception.
    """

    # -- what is left

    def pending(self, *, max_attempts: int | None = None, wait: bool = False) -> Iterator[PendingChunk]:
        """Yield the chunks that are not complete, in index order, each claimed for this loop: no other runner gets it.

        Passed over are failed chunks (see :meth:`fail_chunk`), and those that another loop, thread or process has in
        hand; such a chunk comes last if it becomes free, as when its runner is killed. A chunk is in hand as long as
        its object is referred to. It may be left undone: the next ``pending()`` yields it again. The loop ends when
        the job is paused.

        Args:
            max_attempts: pass over a chunk that was tried so many times, tries that ended with their process included.
                None: a chunk whose process died is given out again, however often.
            wait: stay until the chunks in other hands are complete, or free.

        Raises:
            JobBusy: another runner has the job for itself.
        """
        if self._context.writing is None:
            yield from (
                PendingChunk(self, index, self._execution.chunk_data(index)) for index in self._execution.unclaimed()
            )
            return
        loop = PendingLoop(self._execution, partial(PendingChunk, self), max_attempts=max_attempts, wait=wait)
        yield from RunningLoop(self._execution, self.job_id, loop).run()

    # -- doing it

    def complete(self, index: int, result: object, *, replace: bool = False) -> None:
        """Record the result of chunk ``index`` (0-based). Durable when this returns.

        The chunk, its result and the job's ``updated_at`` are one transaction; the last chunk also ends the job
        ``completed``. The same result again changes nothing, so after an error or an interrupt, which leave it unknown
        whether it was recorded, calling again is safe.

        Args:
            index: 0 to ``total_chunks - 1``.
            result: a JSON value, a dataclass or a pydantic model.
            replace: put this result in the place of another one.

        Raises:
            ChunkOutOfRange: no such chunk.
            InvalidResultError: the result would not come back as it is; nothing was written.
            ChunkAlreadyCompleted: the chunk has another result, and ``replace`` is not set.
        """
        self._execution.submit([self._execution.completion(index, result, replace=replace)])

    def complete_many(self, pairs: Iterable[tuple[int, object]]) -> None:
        """Record many (index, result) pairs in one commit: all of them or, on an error, none. See :meth:`complete`."""
        at = now()
        completions = [self._execution.completion(index, result, at=at) for index, result in pairs]
        if completions:
            self._execution.submit(completions)

    def fail_chunk(self, index: int, error: BaseException | str) -> None:
        """Record that a try at chunk ``index`` failed, and why (secrets in it are replaced).

        After three such tries (or the ``max_attempts`` of a loop) the chunk is failed: loops pass it over until
        :meth:`retry_failed`. Until then the next loop tries it again.

        Raises:
            ChunkOutOfRange: no such chunk.
            ChunkAlreadyCompleted: it is complete.
        """
        self._execution.check_index(index)
        self._execution.claims.fail(index, describe(error))

    def retry_failed(self, *indices: int) -> int:
        """Give failed chunks (these, or all) their attempts back: loops try them again. Returns how many those are."""
        for index in indices:
            self._execution.check_index(index)
        return self._context.storage.retry_failed(self.job_id, indices or None)

    # -- doing all of it

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
        max_cost: float | None = None,
        cost: Cost = "cost",
        progress: bool = False,
        on_pause: Literal["raise", "return"] = "raise",
        stop_when: Callable[[], bool] | None = None,
    ) -> Iterator[MapItem]:
        """Call ``fn`` with every chunk that is left, record each result, and yield it: the whole loop.

        ``fn`` gets the caller's own chunk (its index, where only ``total_chunks`` is known) and returns its result;
        :func:`current_attempt` says more. What is yielded is durable. Chunks in other runners' hands are waited for.
        When nothing is left the job is ``completed``. When the job is paused (:meth:`pause`) the chunks in hand are
        finished and recorded, and the loop raises :class:`JobPaused`. One Ctrl-C, SIGTERM or SIGHUP does the same to
        all loops of the process; then a loop of the main thread lets the signal take its usual course. A second signal
        ends the loop at once. Where the program has a handler of its own, that handler stays. Where the caller leaves
        the loop early, the chunks in hand are recorded, and the job is ``paused``.

        Args:
            fn: does the work.
            executor: anything with ``submit(fn, *args)`` that returns a ``concurrent.futures.Future``: threads,
                processes, ``dask.distributed.Client.get_executor()``; or a function that makes one, which is called
                again where that one broke. The work is done there, and recorded here. None: threads.
            workers: how many chunks are worked on at the same time; by default 1, or as many as the executor does.
            ordered: yield in index order (what is tried again, or taken over from another runner, may come late).
            on_error: ``"stop"`` ends the loop at the first chunk that fails for good, and raises its error;
                ``"record"`` goes on with the others. A result that cannot be stored ends the loop either way.
            max_attempts: how often a chunk is tried, over all runs; a try that ended with its process counts.
            retry_on: exception types, or a function of the exception, that are worth another try. By default all but
                mistakes of a program (TypeError, KeyError …), and HTTP errors that will not change.
            stop_on: those that every chunk would meet: the job is paused, no chunk is to blame, and the error raised.
                By default HTTP 401, 402 and 403, and the code ``insufficient_quota``.
            wait: seconds between tries, or a function of the tries so far; by default exponential, with jitter. Where
                the exception carries a ``Retry-After``, that is waited for, up to an hour.
            timeout_seconds: how long a try may take; a result that comes while the loop
                still runs is recorded.
            max_cost: before a chunk starts, what the job has cost and the mean of a chunk must fit; else the job is
                paused. So it is at the first result whose cost cannot be read.
            cost: where the cost stands in a result: a field, a dotted path (``"usage.cost"``), or a function that gets
                the result as the store has it and returns its cost. A finite number from 0, or a text that is one.
            progress: show a live bar.
            on_pause: what a pause from elsewhere does: ``"raise"`` :class:`JobPaused`, or ``"return"`` quietly.
            stop_when: asked before each chunk, and a few times a second; once it says True, this loop ends as when the
                job is paused, and other runners go on. For programs that have signal handlers of their own.

        Raises:
            ChunkFailed: the chunks that are left have used up their attempts (with ``on_error="stop"``).
            BudgetReached: the next chunk might cost more than is left.
            CostUnknown: there is a ``max_cost``, and the cost of a result (also of an earlier run) cannot be read.
            JobPaused: the job was paused with chunks left (unless ``on_pause="return"``).
            InvalidResultError: a result cannot be stored; the error has it.
            WorkerDied: the executor broke, and cannot be made anew.
            KeyboardInterrupt: Ctrl-C, after the chunks in hand.
            SystemExit: SIGTERM or SIGHUP, the same; the code is 128 + number.
            JobBusy: another runner has the job for itself.
        """
        given = locals()
        from checkpoint_store.loop.loop import Loop  # noqa: PLC0415 - the same
        from checkpoint_store.loop.options import Options, checked_work  # noqa: PLC0415 - only for those who use it

        checked_work(fn)
        return RunningLoop(self._execution, self.job_id, Loop(self._execution, fn, Options.of(given))).run()

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
        max_cost: float | None = None,
        cost: Cost = "cost",
        progress: bool = False,
        on_pause: Literal["raise", "return"] = "raise",
        stop_when: Callable[[], bool] | None = None,
    ) -> AsyncGenerator[MapItem, None]:
        """:meth:`map` for asyncio: ``fn`` is a coroutine function, of which up to ``workers`` are awaited at a time.

        The other options are those of :meth:`map`. The event loop never waits for the disk. A loop that is cancelled (a
        time-out, a task group) waits for the calls in flight and records them first; a second cancellation cancels
        them. Leave the loop early through ``contextlib.aclosing``; where it is left without that, ``asyncio.run`` waits
        for what is in flight, and it is recorded all the same.
        """
        given = locals()
        from checkpoint_store.loop.aio import amap  # noqa: PLC0415 - see map()
        from checkpoint_store.loop.options import Options, checked_work  # noqa: PLC0415 - see map()

        checked_work(fn, awaited=True)
        return amap(self._execution, fn, Options.of(given))

    def apending(self, *, max_attempts: int | None = None, wait: bool = False) -> AsyncGenerator[PendingChunk, None]:
        """:meth:`pending` for asyncio; the event loop never waits for the disk."""
        from checkpoint_store.loop.aio import apending  # noqa: PLC0415 - see map()

        return apending(self.pending(max_attempts=max_attempts, wait=wait))

    async def acomplete(self, index: int, result: object, *, replace: bool = False) -> None:
        """:meth:`complete` for asyncio. Cancelled meanwhile, it ends so once the result is recorded all the same."""
        from checkpoint_store.loop.aio import acomplete  # noqa: PLC0415 - see map()

        await acomplete(lambda: self.complete(index, result, replace=replace))

    # -- how it ends

    def pause(self) -> None:
        """Pause the job: status ``paused``, and every loop on it, in any process, ends after the chunk in hand."""
        self._execution.change_status(lifecycle.PAUSE)
        self._execution.mark_pauses_known()

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``; loops that were to end go on, if they still do."""
        self._execution.change_status(lifecycle.RESUME)

    def finish(self) -> None:
        """End the job ``completed``.

        Raises:
            JobIncomplete: chunks are left.
        """
        self._execution.change_status(lifecycle.FINISH)

    def fail(self, error: BaseException | str) -> None:
        """End the job ``failed`` with a message (secrets in it are replaced). It can still be resumed."""
        self.set_status(JobStatus.FAILED, error)

    def set_status(self, status: JobStatus, error: BaseException | str | None = None) -> None:
        """Set the status and error message as they are given; the state file is exact when this returns."""
        lifecycle.set_status(self._context, self.job_id, status, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            status, reason = (JobStatus.PAUSED, None) if error is None else lifecycle.ending_by(error)
            self._execution.leave(status, reason, with_this_thread=True)
        except CheckpointStoreError as late:
            if error is None:
                raise
            error.add_note(f"Besides, the end of the job could not be recorded: {late}")


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
