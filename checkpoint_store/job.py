"""One job: what is left of it, what is done, and how it ends."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, overload

from checkpoint_store.errors import (
    CheckpointStoreError,
    InvalidArgumentError,
    InvalidResultError,
    JobIncomplete,
    JobPaused,
    StoreTargetError,
)
from checkpoint_store.execution.execution import Work
from checkpoint_store.execution.loops import Living
from checkpoint_store.execution.opening import Prints, checked_change, checked_pieces
from checkpoint_store.execution.pending import PendingChunk, PendingLoop
from checkpoint_store.loop.option_names import checks_option_names
from checkpoint_store.loop.signals import asks_to_end
from checkpoint_store.model.clock import now
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.codec.typed import as_type as convert
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.plan import digest_of_fingerprints
from checkpoint_store.model.records import ChunkRecord, JobStatus, MapItem, Progress, RunPlan
from checkpoint_store.state_file.writer import write_state
from checkpoint_store.storage.statements import attempt_log
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements
from checkpoint_store.storage.statements import runners as runner_statements

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Connection

    from checkpoint_store.execution.execution import Room
    from checkpoint_store.loop.retry_policy import Errors, Wait
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.plan import Fingerprint
    from checkpoint_store.model.state import ProcessingState
    from checkpoint_store.storage.records import JobRecord

T = TypeVar("T")

_WINDOW: Final = 4096


class Job:
    """One input being processed, chunk by chunk. Safe to share between threads.

    Made by :meth:`CheckpointStore.open_job` and :meth:`CheckpointStore.job`. As a context manager it ends ``completed``
    when nothing is left; ``paused`` on KeyboardInterrupt, or when chunks are left; ``failed``, with the message, on any
    other exception.
    """

    def __init__(
        self,
        store: object,
        room: Room,
        record: JobRecord,
        chunks: Sequence[Any] | None = None,
        fingerprint_by: Fingerprint | None = None,
    ) -> None:
        self._room = room
        self._database = room.database
        self._execution: Final = Work(room, record.job_id, record.total_chunks, chunks, fingerprint_by, store=store)
        self.job_id: Final = record.job_id
        self.file_name: Final = record.file_name
        self.video_title: Final = record.video_title
        self.model: Final = record.model
        self.provider: Final = record.provider
        self.total_chunks: Final = record.total_chunks
        self.config: Final[dict[str, Any]] = record.config

    def __repr__(self) -> str:
        return f"<Job {self.job_id} of {self.file_name!r}, {self.total_chunks} chunks>"

    # -- where it stands

    @property
    def status(self) -> JobStatus:
        """``pending``, ``running``, ``paused``, ``completed`` or ``failed``, as the store has it now."""
        return self._execution.record().status

    @property
    def error_message(self) -> str | None:
        """Why it failed, as the store has it now."""
        return self._execution.record().error_message

    def progress(self) -> Progress:
        """Return how far it has come; one row is read, whatever its size."""
        return self._execution.progress()

    def completed_ranges(self) -> list[tuple[int, int]]:
        """Return the completed chunks as half-open ranges ``(start, stop)``, ascending."""
        ranges: list[tuple[int, int]] = []
        for start in range(0, self.total_chunks, _WINDOW):
            for index in self._completed_in(start, min(start + _WINDOW, self.total_chunks)):
                if ranges and ranges[-1][1] == index:
                    ranges[-1] = (ranges[-1][0], index + 1)
                else:
                    ranges.append((index, index + 1))
        return ranges

    def _completed_in(self, start: int, stop: int) -> Sequence[int]:
        return self._database.read(
            lambda connection: result_statements.completed_in(connection, self.job_id, start, stop)
        )

    # -- what is left

    def pending(self, *, max_attempts: int | None = None, wait: bool = False) -> Iterator[PendingChunk]:
        """Yield the chunks that are not complete, in index order, each claimed for this loop: no other runner gets it.

        Passed over are failed chunks (see :meth:`fail_chunk`), and those that another loop, thread or process has in
        hand; one of those comes last if it is let go of, as by a runner that is killed. A chunk is in hand as long as
        its object is referred to. It may be left undone: the next ``pending()`` yields it again. The loop ends when
        the job is paused.

        Args:
            max_attempts: pass over a chunk that was tried so many times, tries that ended with their process included.
                None: a chunk whose process died is given out again, however often.
            wait: stay until the chunks in other hands are complete, or free.

        Raises:
            JobBusy: another runner has the job for itself.
        """
        if self._database.read_only:
            yield from self._unclaimed()
            return
        loop = PendingLoop(self, self._execution, max_attempts=max_attempts, wait=wait)
        yield from Living(self._execution, self.job_id, loop).run()

    def _unclaimed(self) -> Iterator[PendingChunk]:
        for start in range(0, self.total_chunks, _WINDOW):
            stop = min(start + _WINDOW, self.total_chunks)
            done = set(self._completed_in(start, stop))
            for index in range(start, stop):
                if index not in done:
                    yield PendingChunk(self, index, self._execution.hand_out(index))

    def is_completed(self, index: int) -> bool:
        """Whether a chunk is complete, by the shortest way."""
        return self._database.read_row(*result_statements.is_completed(self.job_id, index)) is not None

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
        wanted = indices or None
        return self._database.write(lambda connection: attempt_log.retry_failed(connection, self.job_id, wanted))

    def failed_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that used up their attempts, by index."""
        return self._execution.failed_chunks()

    def in_doubt_chunks(self) -> list[ChunkRecord]:
        """Return the chunks whose last try never ended, by index: it may have been billed, and nothing came of it."""
        return self._execution.last_attempts("abandoned")

    def running_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that are being worked on, by index, by whichever runner."""
        return self._execution.last_attempts("running")

    def errors(self) -> list[ChunkRecord]:
        """Return the chunks whose last try failed, by index: failed ones, and those that are still tried again."""
        return self._execution.last_attempts("failed")

    def trouble(self) -> tuple[int, int]:
        """Return how many chunks are failed, and how many in doubt."""
        return self._execution.failure_counts()

    # -- what a run would do

    def plan(
        self, chunks: Iterable[Any] | None = None, *, on_change: Literal["refuse", "reuse", "restart"] = "refuse"
    ) -> RunPlan:
        """Return what a run of this job would do; with ``chunks``, what opening its file with these would. Reads only.

        With ``chunks`` the settings are this job's, and the answer is that of :meth:`CheckpointStore.plan`: another job
        of the file goes on where it has this very plan.
        """
        from checkpoint_store.storage import records  # noqa: PLC0415 - only for those who ask
        from checkpoint_store.storage.statements import earlier_job  # noqa: PLC0415 - only for those who ask
        from checkpoint_store.storage.statements import open_job as open_job_statements  # noqa: PLC0415 - only for those who begin a job

        pieces = None if chunks is None else checked_pieces(chunks, None)
        prints = None if pieces is None else Prints(pieces, self._execution.fingerprint_by)

        def work(connection: Connection) -> RunPlan:
            record = job_statements.find_job(connection, self.job_id, self._database.path)
            plan = record.plan
            if pieces is not None and prints is not None:
                digest = digest_of_fingerprints(prints)
                plan = dataclasses.replace(plan, total_chunks=len(pieces), chunks_digest=digest)
            wish = records.Wish(plan, prints, None, checked_change(on_change), fresh=False)
            path = self._database.path
            earlier = record if pieces is None else earlier_job.earlier_job(connection, plan, path)
            return open_job_statements.plan_run(connection, wish, path, earlier)

        return self._database.read(work)

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
        return Living(self._execution, self.job_id, Loop(self._execution, fn, Options.of(given))).run()

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

        The other options are those of :meth:`map`. The event loop never waits for the disk. A cancelled loop cancels
        what is in flight, and records all that came back before. Leave the loop early through ``contextlib.aclosing``;
        where it is left without that, ``asyncio.run`` waits for what is in flight, and it is recorded all the same.
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

    # -- what is done

    @overload
    def result(self, index: int) -> Any: ...
    @overload
    def result(self, index: int, as_type: type[T]) -> T: ...
    def result(self, index: int, as_type: type[Any] | None = None) -> Any:
        """Return the result of one completed chunk.

        Raises:
            ChunkNotCompleted: it is not complete, or was completed without a result.
            StoreDamaged: what is stored is not what was written.
        """
        return self._decode(index, self._execution.result_text(index), as_type)

    @overload
    def results(self) -> Iterator[Any]: ...
    @overload
    def results(self, as_type: type[T]) -> Iterator[T]: ...
    def results(self, as_type: type[Any] | None = None) -> Iterator[Any]:
        """Yield the results of the completed chunks in index order, in bounded memory.

        Args:
            as_type: a dataclass or pydantic model to give them back as.

        Raises:
            InvalidResultError: a result does not fit ``as_type``; it never becomes a dict or None instead.
            StoreDamaged: what is stored is not what was written.
        """
        for page in self._pages():
            for index, text in page:
                yield self._decode(index, text, as_type)

    def items(self, as_type: type[Any] | None = None) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) of the completed chunks in index order, in bounded memory. See :meth:`results`."""
        for page in self._pages():
            for index, text in page:
                yield index, self._decode(index, text, as_type)

    def _pages(self) -> Iterator[list[tuple[int, str]]]:
        """Yield (index, text) of the results, verified, in bounded pages; nothing is open in between."""
        for page in result_statements.paged(self._page):
            yield result_statements.verified_page(self._database.path, self.job_id, page)

    def _page(self, after: int, limit: int) -> list[result_statements.ResultRow]:
        return self._database.read(
            lambda connection: result_statements.result_page(connection, self.job_id, after, limit)
        )

    def _decode(self, index: int, text: str, as_type: type[Any] | None) -> Any:
        value = json_text.decode(text)
        if as_type is None:
            return value
        try:
            return convert(value, as_type)
        except InvalidResultError as error:
            raise InvalidResultError(error.reason, path=error.path, job_id=self.job_id, chunk_index=index) from error

    def totals(self, *keys: str) -> dict[str, int | float]:
        """Return the sum of each named field over all results, computed by the database.

        A text that is a number ("0.50", as pydantic dumps a Decimal) counts. A field that is absent from a result, or
        no number in it, adds nothing.
        """
        for key in keys:
            if not key or '"' in key:
                raise InvalidArgumentError("keys", key, "is not the name of a field of the results")
        return self._database.read(lambda connection: result_statements.totals(connection, self.job_id, keys))

    def state(self) -> ProcessingState:
        """Return a snapshot of the whole job, results included."""

        def work(connection: Connection) -> ProcessingState:
            path = self._database.path
            record = job_statements.find_job(connection, self.job_id, path)
            texts = [text for page in result_statements.result_texts(connection, self.job_id, path) for text in page]
            return result_statements.state_of(connection, record, texts)

        return self._database.read(work)

    def export(self, path: str | os.PathLike[str] | None = None, *, replace: bool = False) -> Path:
        """Write the job's state to ``path`` (default: the store's state file) and return where; durable then.

        A file that is there is replaced where it is an older export of this job; any other only with ``replace``.

        Raises:
            StoreTargetError: ``path`` is something else, or belongs to the store. Nothing was written.
        """
        if path is not None:
            from pathlib import Path as RealPath  # noqa: PLC0415 - a name that only annotations need above

            return write_state(self._database, self.job_id, RealPath(path).absolute(), replace=replace)
        if self._room.state_file is None:
            raise StoreTargetError(self._database.path, "this store has no state file (state_file=None); give a path")
        return self._room.state_file.write(self.job_id)

    # -- how it ends

    def pause(self) -> None:
        """Pause the job: status ``paused``, and every loop on it, in any process, ends after the chunk in hand."""

        def work(connection: Connection) -> None:
            if not job_statements.finish_if_done(connection, self.job_id):
                values = {"status": JobStatus.PAUSED.value, "error_message": None, "updated_at": now()}
                job_statements.update_job(connection, self.job_id, self._database.path, **values)
                runner_statements.ask_to_pause(connection, self.job_id)

        self._database.write(work)
        self._room.job_ended(self.job_id)

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``; loops that were to end go on, if they still do."""
        self._execution.resume()

    def finish(self) -> None:
        """End the job ``completed``.

        Raises:
            JobIncomplete: chunks are left.
        """

        def work(connection: Connection) -> None:
            if not job_statements.finish_if_done(connection, self.job_id):
                record = job_statements.find_job(connection, self.job_id, self._database.path)
                raise JobIncomplete(self.job_id, record.total_chunks - record.completed_count)

        self._database.write(work)
        self._room.job_ended(self.job_id)

    def fail(self, error: BaseException | str) -> None:
        """End the job ``failed`` with a message (secrets in it are replaced). It can still be resumed."""
        self.set_status(JobStatus.FAILED, error)

    def set_status(self, status: JobStatus, error: BaseException | str | None = None) -> None:
        """Set the status and error message as they are given; the state file is exact when this returns."""
        message = None if error is None else describe(error)

        def work(connection: Connection) -> None:
            values = {"status": status.value, "error_message": message, "updated_at": now()}
            job_statements.update_job(connection, self.job_id, self._database.path, **values)

        self._database.write(work)
        self._room.job_ended(self.job_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None or asks_to_end(error) or type(error) is JobPaused:
                self._execution.leave(JobStatus.PAUSED, with_this_thread=True)
            elif isinstance(error, JobPaused):
                self._execution.leave(JobStatus.PAUSED, error, with_this_thread=True)
            else:
                self._execution.leave(JobStatus.FAILED, error, with_this_thread=True)
        except CheckpointStoreError as late:
            if error is None:
                raise
            error.add_note(f"Besides, the end of the job could not be recorded: {late}")
