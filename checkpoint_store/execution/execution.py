"""What work on a job needs: what its store shares, its chunks, and the way of a result into the store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from checkpoint_store.errors import (
    ChunkAlreadyCompleted,
    ChunkNotCompleted,
    ChunkOutOfRange,
    InvalidResultError,
    JobNotFound,
    StorageUnavailableError,
)
from checkpoint_store.execution import lifecycle
from checkpoint_store.execution.claims.claims import Claims
from checkpoint_store.model.attempt import Attempt, attempt_key
from checkpoint_store.model.clock import now, parse_time
from checkpoint_store.model.codec import digest as result_digest
from checkpoint_store.model.codec import json_text
from checkpoint_store.model.error_text import describe, text_of
from checkpoint_store.model.plan import Fingerprint, fingerprint
from checkpoint_store.model.records import ChunkRecord, JobStatus, Progress
from checkpoint_store.storage.connection.database import Database
from checkpoint_store.storage.connection.read_only import READ_ONLY
from checkpoint_store.storage.records import Completion
from checkpoint_store.storage.statements import attempt_log
from checkpoint_store.storage.statements import costs as cost_statements
from checkpoint_store.storage.statements import jobs as job_statements
from checkpoint_store.storage.statements import results as result_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.execution.claims.claimed_chunk import Held
    from checkpoint_store.execution.loops import Loops
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.state_file.writer import StateFile
    from checkpoint_store.storage.backup import RollingBackup
    from checkpoint_store.storage.connection.read_only import AnyDatabase
    from checkpoint_store.storage.group_commit import Writer
    from checkpoint_store.storage.records import JobRecord
    from checkpoint_store.storage.statements.costs import Costs
    from checkpoint_store.storage.statements.save_state import Known


@dataclass(frozen=True, slots=True)
class Room:
    """What a store shares with its jobs."""

    database: AnyDatabase
    writer: Writer | None
    """None in a read-only store."""
    state_file: StateFile | None
    rolling: RollingBackup | None
    loops: Loops
    """Those that are under way."""
    claims: WeakValueDictionary[str, Claims] = field(default_factory=WeakValueDictionary)
    """What this store object has in hand, by job, as long as anyone refers to it."""
    runners: set[Claims] = field(default_factory=set)
    """Those of them that are runners now."""
    kept: list[Completion] = field(default_factory=list)
    """What could not be recorded when it came."""

    def claims_of(self, job_id: str) -> Claims:
        """Return what this store object has in hand of a job, to take more of it."""
        if not isinstance(self.database, Database):
            raise StorageUnavailableError(self.database.path, READ_ONLY)
        found = self.claims.get(job_id)
        if found is None:
            for others in list(self.runners):  # those that could not end when their last loop did
                others.rest(patiently=True)
            found = self.claims.setdefault(job_id, Claims(self.database, job_id, self.runners))
        return found

    def submit(self, completions: Sequence[Completion]) -> None:
        """Record completions of one job, all or none, and let the state file follow."""
        if self.writer is None:
            raise StorageUnavailableError(self.database.path, READ_ONLY)
        claims = self.claims.get(completions[0].job_id)
        if claims is None:
            self.writer.submit(completions)
        else:
            claims.submit(self.writer, completions)
        moment = time.monotonic()
        if self.state_file is not None:
            self.state_file.follow(completions[0].job_id, moment)
        if self.rolling is not None and moment >= self.rolling.due_at:
            self.rolling.make()

    def record_what_was_kept(self) -> None:
        """Record what could not be recorded when it came, of any job."""
        while self.kept:
            completion = self.kept.pop()
            try:
                self.submit([completion])
            except (ChunkAlreadyCompleted, JobNotFound):  # done by another meanwhile, or wanted no longer
                continue
            except BaseException as error:
                self.kept.append(completion)
                error.add_note(f"{self._what_is_kept()} not recorded yet, and kept until this process ends.")
                raise

    def _what_is_kept(self) -> str:
        indices: dict[str, list[int]] = {}
        for completion in self.kept:
            indices.setdefault(completion.job_id, []).append(completion.chunk_index)
        told = [f"chunks {', '.join(map(str, sorted(some)))} of job {job_id}" for job_id, some in indices.items()]
        return f"The results of {'; '.join(told)} are"

    def job_changed(self, job_id: str, known: Known | None = None) -> None:
        """Make the state file exact; ``known`` is what the store holds of the job, where that is at hand."""
        if self.state_file is not None:
            self.state_file.write(job_id, known)

    def job_ended(self, job_id: str) -> None:
        """Make the state file exact, and keep a copy of the store."""
        self.job_changed(job_id)
        if self.rolling is not None:
            self.rolling.make()


class Work:
    """A job's chunks on their way to the work, and results on their way to the store. Safe to share between threads."""

    def __init__(
        self,
        room: Room,
        job_id: str,
        total_chunks: int,
        chunks: Sequence[Any] | None,
        fingerprint_by: Fingerprint | None,
        *,
        store: object,
    ) -> None:
        self._store: Final = store
        """Referred to, so that it stays open for as long as anyone works on the job."""
        self._room = room
        self.job_id: Final = job_id
        self.total_chunks: Final = total_chunks
        self._chunks = chunks
        self.fingerprint_by = fingerprint_by
        self._handed_out: dict[int, str] = {}
        self._claims: Claims | None = None

    @property
    def has_chunks(self) -> bool:
        """Whether the caller's own chunks are at hand, and not only their number."""
        return self._chunks is not None

    @property
    def loops(self) -> Loops:
        """Those that are under way on any job of the store."""
        return self._room.loops

    @property
    def claims(self) -> Claims:
        """What this process has in hand of the job."""
        if self._claims is None:
            self._claims = self._room.claims_of(self.job_id)
        return self._claims

    def check_index(self, index: object) -> None:
        """Raise :class:`ChunkOutOfRange` for what is no chunk of this job."""
        if type(index) is not int or not 0 <= index < self.total_chunks:
            raise ChunkOutOfRange(self.job_id, index, self.total_chunks)

    def hand_out(self, index: int) -> Any:
        """Return the caller's chunk; what can be changed in place is identified before that can happen."""
        if self._chunks is None:
            return None
        chunk = self._chunks[index]
        if not isinstance(chunk, str | bytes):
            self._handed_out[index] = fingerprint(chunk, self.fingerprint_by)
        return chunk

    def fingerprint(self, index: int) -> str | None:
        """Return the fingerprint of a chunk as it was handed out; None where the chunks are not at hand."""
        if self._chunks is None:
            return None
        return self._handed_out.get(index) or fingerprint(self._chunks[index], self.fingerprint_by)

    def attempt_of(self, held: Held) -> Attempt:
        """Return what the work on a claimed chunk can ask about its try."""
        key = attempt_key(self.job_id, held.index, self.fingerprint(held.index))
        return Attempt(self.job_id, held.index, held.number, key)

    def completion(
        self, index: int, result: object, *, text: str | None = None, at: str | None = None, replace: bool = False
    ) -> Completion:
        """Return what is to be written for a result (``text`` is its JSON text, where that is there already).

        Raises:
            ChunkOutOfRange, InvalidResultError: as :meth:`Job.complete` says.
        """
        job_id, writer = self.job_id, self._room.writer
        self.check_index(index)
        if text is None:
            text = encoded(result, job_id=job_id, chunk_index=index)
        alone = writer is None or writer.last_batch == 1
        digest = (result_digest.digest if alone else result_digest.digest_in_a_crowd)(job_id, index, text)
        fingerprint = None if self._chunks is None else self.fingerprint(index)
        claims = self._claims or self._room.claims.get(job_id)
        attempt, seconds = (None, None) if claims is None else claims.attempt_at(index)
        return Completion(job_id, index, at or now(), text, digest, fingerprint, attempt, seconds, replace)

    def submit(self, completions: Sequence[Completion]) -> None:
        """Record completions, all or none; durable when this returns."""
        self._room.submit(completions)
        if self._handed_out:
            for completion in completions:
                self._handed_out.pop(completion.chunk_index, None)

    def keep_for_later(self, completions: Sequence[Completion]) -> None:
        """Keep what could not be recorded now (a full disk): the next loop of this store object records it first."""
        self._room.kept.extend(completions)

    def record_what_was_kept(self) -> None:
        """Record what could not be recorded before."""
        self._room.record_what_was_kept()

    # -- where the job stands

    def record(self) -> JobRecord:
        """Return the job as the store has it now."""
        database = self._room.database
        return database.read(lambda connection: job_statements.find_job(connection, self.job_id, database.path))

    def progress(self) -> Progress:
        """Return how far the job has come; one row is read, whatever its size."""
        record = self.record()
        started, updated = parse_time(record.started_at), parse_time(record.updated_at)
        minutes = (updated - parse_time(record.stretch_started_at)).total_seconds() / 60
        done = record.completed_count - record.stretch_completed_count
        rate = done / minutes if done > 0 and minutes > 0 else None
        return Progress(record.completed_count, record.total_chunks, started, updated, rate)

    def last_attempts(self, *outcomes: str) -> list[ChunkRecord]:
        """Return the last try at each chunk that is not complete, by index, where it ended in one of these ways."""
        database = self._room.database
        return database.read(
            lambda connection: attempt_log.latest(connection, self.job_id, database.path, outcomes=outcomes)
        )

    def failed_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that used up their attempts, by index."""
        return [record for record in self.last_attempts("failed", "abandoned") if record.is_last]

    def failure_counts(self) -> tuple[int, int]:
        """Return how many chunks are failed, and how many in doubt."""
        database = self._room.database
        return database.read(lambda connection: attempt_log.counts(connection, self.job_id, database.path))

    def costs_after(self, result_id: int, cost: Cost = "cost") -> Costs:
        """Return what the results after one (0: all) cost; ``cost`` says where that stands in a result."""
        read = self._room.database.read

        def page(after: int) -> Sequence[tuple[Any, ...]]:
            return read(lambda connection: cost_statements.page(connection, self.job_id, after, cost))

        return cost_statements.added_up(page, result_id, cost)

    def result_text(self, index: int) -> str:
        """Return the JSON text of a completed chunk's result.

        Raises:
            ChunkOutOfRange, ChunkNotCompleted, StoreDamaged: as :meth:`Job.result` says.
        """
        self.check_index(index)
        database = self._room.database
        row = database.read(lambda connection: result_statements.result_row(connection, self.job_id, index))
        if row is None or row[1] is None:
            raise ChunkNotCompleted(self.job_id, index, completed=row is not None)
        return result_statements.verified(database.path, self.job_id, index, *row)

    # -- how a loop's part in it begins and ends

    def resume(self) -> None:
        """Set the job ``running``; see :meth:`Job.resume`."""
        lifecycle.resume(self._room.database, self.job_id)
        self._room.job_ended(self.job_id)

    def take_up(self) -> None:
        """Make the job ``running`` where chunks are left, as a loop begins."""
        self.record_what_was_kept()
        if self.record().status is not JobStatus.RUNNING and self.progress().remaining_chunks:
            self.resume()

    def leave(
        self, status: JobStatus, error: BaseException | str | None = None, *, with_this_thread: bool = False
    ) -> None:
        """End this loop's part (or that of all loops of this thread).

        The job gets this status unless it is done, or other loops or runners are at work on it.
        """
        claims = self.claims
        if claims.others_here(but_this_thread=with_this_thread):
            return
        if with_this_thread or (not claims.are_kept and (not claims.is_exclusive or claims.is_job_completed())):
            claims.close()
        lifecycle.leave(self._room.database, claims, status, None if error is None else describe(error))
        self._room.job_ended(self.job_id)


def encoded(result: object, *, chunk_index: int, job_id: str | None = None) -> str:
    """Return the JSON text of a chunk's result.

    Raises:
        InvalidResultError: it cannot be kept as it is; the error has the value, which may be paid for.
    """
    try:
        return json_text.encode(result)
    except Exception as error:  # also whatever a value of the caller's does while it is read
        reason, path = f"cannot be read: {type(error).__name__}: {text_of(error)}", "result"
        if isawaitable(result):
            reason = "is a coroutine (or another awaitable), which map() does not await: use amap()"
        elif isinstance(error, InvalidResultError):
            reason, path = error.reason, error.path
        raise InvalidResultError(reason, path=path, job_id=job_id, chunk_index=chunk_index, result=result) from error
