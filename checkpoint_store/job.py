"""One job: what is left of it, what is done, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from checkpoint_store import codec
from checkpoint_store._db import queries
from checkpoint_store._db.reading import READ_ONLY
from checkpoint_store._db.writer import Completion
from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkNotCompleted,
    ChunkOutOfRange,
    InvalidArgumentError,
    InvalidResultError,
    JobIncomplete,
    StorageUnavailableError,
    StoreTargetError,
)
from checkpoint_store.export import write_state
from checkpoint_store.plan import Fingerprint, fingerprint
from checkpoint_store.state import JobStatus, ProcessingState, Progress, now, parse_time
from checkpoint_store.typed import as_type as convert

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import Connection

    from checkpoint_store._db.backup import RollingBackup
    from checkpoint_store._db.queries import JobRecord
    from checkpoint_store._db.reading import AnyDatabase
    from checkpoint_store._db.writer import Writer
    from checkpoint_store.export import StateFile

T = TypeVar("T")

_WINDOW: Final = 4096


@dataclass(frozen=True, slots=True)
class Room:
    """What a store shares with its jobs."""

    database: AnyDatabase
    writer: Writer | None
    """None in a read-only store."""
    state_file: StateFile | None
    rolling: RollingBackup | None

    def submit(self, completions: Sequence[Completion]) -> None:
        """Record completions of one job, all or none, and let the state file follow."""
        if self.writer is None:
            raise StorageUnavailableError(self.database.path, READ_ONLY)
        self.writer.submit(completions)
        if self.state_file is not None:
            self.state_file.follow(completions[0].job_id)
        if self.rolling is not None:
            self.rolling.follow()

    def job_changed(self, job_id: str) -> None:
        """Make the state file exact."""
        if self.state_file is not None:
            self.state_file.write(job_id)

    def job_ended(self, job_id: str) -> None:
        """Make the state file exact, and keep a copy of the store."""
        self.job_changed(job_id)
        if self.rolling is not None:
            self.rolling.make()


@dataclass(frozen=True, slots=True)
class PendingChunk:
    """A chunk that is left to do."""

    job: Job
    index: int
    """0-based."""
    data: Any
    """The caller's own chunk; None where the job was opened with ``total_chunks`` only."""

    def complete(self, result: object, *, replace: bool = False) -> None:
        """Record the result; durable when this returns. See :meth:`Job.complete`."""
        self.job.complete(self.index, result, replace=replace)


class Job:
    """One input being processed, chunk by chunk. Safe to share between threads.

    Made by :meth:`CheckpointStore.open_job` and :meth:`CheckpointStore.job`. As a context manager it ends ``completed``
    when nothing is left; ``paused`` on KeyboardInterrupt, or when chunks are left; ``failed``, with the message, on any
    other exception.
    """

    def __init__(
        self,
        room: Room,
        record: JobRecord,
        chunks: Sequence[Any] | None = None,
        fingerprint_by: Fingerprint | None = None,
    ) -> None:
        self._room = room
        self._database = room.database
        self._chunks = chunks
        self._fingerprint_by = fingerprint_by
        self._handed_out: dict[int, str] = {}
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

    def _record(self) -> JobRecord:
        return self._database.read(lambda connection: queries.find_job(connection, self.job_id, self._database.path))

    @property
    def status(self) -> JobStatus:
        """``running``, ``paused``, ``completed`` or ``failed``, as the store has it now."""
        return self._record().status

    @property
    def error_message(self) -> str | None:
        """Why it failed, as the store has it now."""
        return self._record().error_message

    def progress(self) -> Progress:
        """Return how far it has come; one row is read, whatever its size."""
        record = self._record()
        started, updated = parse_time(record.started_at), parse_time(record.updated_at)
        minutes = (updated - parse_time(record.stretch_started_at)).total_seconds() / 60
        done = record.completed_count - record.stretch_completed_count
        rate = done / minutes if done > 0 and minutes > 0 else None
        return Progress(record.completed_count, record.total_chunks, started, updated, rate)

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
        return self._database.read(lambda connection: queries.completed_in(connection, self.job_id, start, stop))

    # -- what is left

    def pending(self) -> Iterator[PendingChunk]:
        """Yield the chunks that are not complete, in index order.

        The store is asked again before each one, so a chunk that another thread or process completed meanwhile is
        passed over. A chunk may be left undone: the next ``pending()`` yields it again.
        """
        for start in range(0, self.total_chunks, _WINDOW):
            stop = min(start + _WINDOW, self.total_chunks)
            done = self._completed_in(start, stop)
            if len(done) == stop - start:
                continue
            passed = set(done)
            fresh = True
            for index in range(start, stop):
                if index in passed:
                    continue
                if fresh or not self._is_completed(index):
                    fresh = False
                    yield PendingChunk(self, index, self._hand_out(index))

    def _is_completed(self, index: int) -> bool:
        return self._database.read_row(*queries.is_completed(self.job_id, index)) is not None

    def _hand_out(self, index: int) -> Any:
        """Return the caller's chunk; what can be changed in place is identified before that can happen."""
        if self._chunks is None:
            return None
        chunk = self._chunks[index]
        if not isinstance(chunk, str | bytes):
            self._handed_out[index] = fingerprint(chunk, self._fingerprint_by)
        return chunk

    def _fingerprint(self, index: int) -> str | None:
        if self._chunks is None:
            return None
        return self._handed_out.get(index) or fingerprint(self._chunks[index], self._fingerprint_by)

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
        self._room.submit([self._completion(index, result, now(), replace=replace)])

    def complete_many(self, pairs: Iterable[tuple[int, object]]) -> None:
        """Record many (index, result) pairs in one commit: all of them or, on an error, none. See :meth:`complete`."""
        at = now()
        completions = [self._completion(index, result, at) for index, result in pairs]
        if completions:
            self._room.submit(completions)

    def _completion(self, index: int, result: object, at: str, *, replace: bool = False) -> Completion:
        self._check_index(index)
        try:
            text = codec.encode(result, chunk_index=index)
        except InvalidResultError as error:
            raise InvalidResultError(error.reason, path=error.path, job_id=self.job_id, chunk_index=index) from error
        digest = codec.digest(self.job_id, index, text)
        return Completion(self.job_id, index, at, text, digest, self._fingerprint(index), replace)

    def _check_index(self, index: int) -> None:
        if type(index) is not int or not 0 <= index < self.total_chunks:
            raise ChunkOutOfRange(self.job_id, index, self.total_chunks)

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
        self._check_index(index)
        row = self._database.read(lambda connection: queries.result_row(connection, self.job_id, index))
        if row is None or row[1] is None:
            raise ChunkNotCompleted(self.job_id, index, completed=row is not None)
        text = queries.verified(self._database.path, self.job_id, index, *row)
        return self._decode(index, text, as_type)

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
        """Yield (index, text) of the results, verified, in pages of about a mebibyte; nothing is open in between."""
        for page in queries.paged(self._page):
            yield queries.verified_page(self._database.path, self.job_id, page)

    def _page(self, after: int, limit: int) -> list[queries.ResultRow]:
        return self._database.read(lambda connection: queries.result_page(connection, self.job_id, after, limit))

    def _decode(self, index: int, text: str, as_type: type[Any] | None) -> Any:
        value = codec.decode(text)
        if as_type is None:
            return value
        try:
            return convert(value, as_type)
        except InvalidResultError as error:
            raise InvalidResultError(error.reason, path=error.path, job_id=self.job_id, chunk_index=index) from error

    def totals(self, *keys: str) -> dict[str, int | float]:
        """Return the sum of each named field over all results, computed by the database.

        A field that is absent from a result, or no number in it, adds nothing.
        """
        for key in keys:
            if not key or '"' in key:
                raise InvalidArgumentError("keys", key, "is not the name of a field of the results")
        return self._database.read(lambda connection: queries.totals(connection, self.job_id, keys))

    def state(self) -> ProcessingState:
        """Return a snapshot of the whole job, results included."""

        def work(connection: Connection) -> ProcessingState:
            record = queries.find_job(connection, self.job_id, self._database.path)
            return queries.state_of(connection, record, self._database.path)

        return self._database.read(work)

    def export(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the job's state to ``path`` (default: the store's state file) and return where; durable then."""
        if path is not None:
            from pathlib import Path as RealPath  # noqa: PLC0415 - a name that only annotations need above

            return write_state(self._database, self.job_id, RealPath(path).absolute())
        if self._room.state_file is None:
            raise StoreTargetError(self._database.path, "this store has no state file (state_file=None); give a path")
        return self._room.state_file.write(self.job_id)

    # -- how it ends

    def pause(self) -> None:
        """End this stretch of work: status ``paused``. What is complete stays so."""
        self._end_unless_done(JobStatus.PAUSED)

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``."""
        self._end_unless_done(JobStatus.RUNNING)

    def finish(self) -> None:
        """End the job ``completed``.

        Raises:
            JobIncomplete: chunks are left.
        """

        def work(connection: Connection) -> None:
            if not queries.finish_if_done(connection, self.job_id):
                record = queries.find_job(connection, self.job_id, self._database.path)
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
            queries.update_job(connection, self.job_id, self._database.path, **values)

        self._database.write(work)
        self._room.job_ended(self.job_id)

    def _end_unless_done(self, status: JobStatus) -> None:
        """Set the status; a job with nothing left is completed, whatever was asked."""

        def work(connection: Connection) -> None:
            if not queries.finish_if_done(connection, self.job_id):
                values = {"status": status.value, "error_message": None, "updated_at": now()}
                queries.update_job(connection, self.job_id, self._database.path, **values)

        self._database.write(work)
        self._room.job_ended(self.job_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # What is no Exception asks to stop: Ctrl-C, a cancelled task, a generator that is closed, sys.exit().
            if error is None or (not isinstance(error, Exception) and not getattr(error, "code", None)):
                self.pause()
            else:
                self.fail(error)
        except CheckpointStoreError as late:
            if error is None:
                raise
            error.add_note(f"Besides, the end of the job could not be recorded: {late}")


def describe(error: BaseException | str) -> str:
    """Return the message to keep of an error, without what looks like a secret."""
    from checkpoint_store.redact import redact_text  # noqa: PLC0415 - its patterns are for writers only

    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}".removesuffix(": ")
    return redact_text(text.encode("utf-8", "backslashreplace").decode("utf-8"))
