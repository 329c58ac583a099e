"""The changes that a caller makes to a job: its status and metadata, handles, redos, and the try in hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from checkpoint_store.errors import InvalidArgumentError, StoreBusy
from checkpoint_store.execution import lifecycle, opening
from checkpoint_store.execution.claims.requests import handler_interrupts_library
from checkpoint_store.execution.handles import record_handle
from checkpoint_store.execution.job.details import JobDetails
from checkpoint_store.model.chunks import as_int
from checkpoint_store.model.records import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.model.attempt import Attempt
    from checkpoint_store.model.chunks import Key


class JobChanges(JobDetails):
    """The part of :class:`Job` that changes the job, and works on no chunk. Safe to share between threads."""

    @property
    def metadata(self) -> dict[str, Any]:
        """JSON data about the job that is no part of its plan, as the store has it now: a copy, or empty."""
        return self._execution.recorded.record().metadata or {}

    def set_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of the job. Durable when this returns; the state file follows.

        Args:
            metadata: JSON data, such as an estimate or an owner; ``{}`` leaves nothing.

        Raises:
            InvalidArgumentError: JSON cannot hold a value; the error names its place. Nothing was changed.
            SecretInConfig: a value looks like a secret. Nothing was changed.
        """
        if not isinstance(metadata, Mapping):
            raise InvalidArgumentError("metadata", metadata, "is no mapping; give {} to leave nothing")
        self._context.storage.job_changes.set_metadata(self.job_id, opening.checked_config(metadata, "metadata"))
        self._context.job_changed(self.job_id)

    def pause(self) -> None:
        """Pause the job: status ``paused``, and every loop on it, in any process, ends after the chunk in hand.

        A signal handler may call this at any moment. It is durable, and in the state file, when this returns; with one
        exception. If the handler interrupted a call of this library, this returns at once: the loops of this process
        see the pause at once, and it is durable as soon as the interrupted call is through. The handler may raise
        an exception after it.

        A pause ends no loop that its caller begins later with this object. The pause of a signal handler does.
        """
        self._execution.lifecycle.pause()

    def resume(self) -> None:
        """Take a paused or failed job up again: status ``running``; a loop that the pause has not ended yet goes on."""
        self._execution.lifecycle.change(lifecycle.RESUME)

    def finish(self) -> None:
        """End the job ``completed``. Durable when this returns; the state file follows.

        Raises:
            JobIncomplete: chunks are left.
        """
        self._execution.lifecycle.change(lifecycle.FINISH)

    def fail(self, error: BaseException | str) -> None:
        """End the job ``failed`` with a message (secrets in it are replaced). It can be resumed; see :meth:`resume`."""
        self.set_status(JobStatus.FAILED, error)

    def set_status(self, status: JobStatus | str, error: BaseException | str | None = None) -> None:
        """Set status and error message. Durable when this returns; the state file follows.

        In a signal handler that interrupted a call of this library, the status is durable once that call is through.

        Raises:
            InvalidArgumentError: ``status`` is none of the five statuses; or ``error`` is no exception and no text.
        """
        wanted = lifecycle.status_change(status, error)
        if handler_interrupts_library():
            lifecycle.change_soon(self._context, self.job_id, wanted)
        else:
            self._execution.lifecycle.change(wanted)

    # -- what others have in hand

    def record_handle(self, indices: int | Iterable[int], handle: str | None) -> None:
        """Record the name by which a service holds the work on these chunks, such as a batch's id; durable on return.

        Every later try at these chunks has the handle as ``handle``, until the chunk is complete or gets another
        handle. So the try can ask the service for the result instead of paying again. After an error no chunk has the
        handle.

        Args:
            indices: the chunks (0-based), or a single chunk.
            handle: text of 1 to 4,096 characters; None clears the handles of these chunks.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            InvalidArgumentError: ``handle`` is no text of 1 to 4,096 characters; the error names chunks and value.
            StoreBusy: the store stayed locked for 6 times ``lock_timeout_seconds``; the error's notes have the handle.
        """
        execution, storage = self._execution, self._context.storage.handles
        chunks = [execution.recorded.checked_index(index) for index in _listed(indices)]
        record_handle(storage, self.job_id, {index: execution.contents.fingerprint(index) for index in chunks}, handle)

    def release_runner(self, runner: int) -> int:
        """Give the chunks that a runner has in hand to the others, and return how many. Durable when this returns.

        Use this for a runner whose process was stopped, or whose container was paused, for good: its chunks stay
        claimed otherwise. A killed runner needs no release. The risk: if the process goes on after all, the chunks that
        it has in hand may be paid for twice; both calls count then. It starts no other chunk: its loop ends with
        ``RunnerReleased``, unless no chunk is left.

        Args:
            runner: the number of the runner, as :meth:`runners` says.

        Raises:
            InvalidArgumentError: no runner of this number is at work on this job.
        """
        number = as_int(runner)
        if type(number) is not int:
            raise InvalidArgumentError("runner", runner, "is no whole number")
        return self._context.storage.claims.runners.release(self.job_id, number)

    # -- to do chunks again

    def redo(self, indices: int | Iterable[int]) -> int:
        """Let complete chunks be done again: they are left, and the next loop takes them. Durable when this returns.

        Until the new result of a chunk is durable, ``results()``, exports and the state file show the earlier result;
        then only the new result. The chunks get all their tries back, and lose their handles. A completed job
        becomes ``paused`` (``running`` if a loop is at work: it takes the chunks up), and is completed again with the
        last of these chunks. The cost of the earlier results stays counted.

        After an error, no chunk is to be done again. Nothing changes for a chunk that is to be done again already,
        unless it failed since: then it gets its tries back, as by :meth:`retry_failed`.

        Args:
            indices: the chunks (0-based), such as ``range(3, 8)``, or one index. In a sequential job: all complete
                chunks from the first of them on, because each result was made from the results before it.

        Returns:
            How many chunks the next loop takes in addition.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            ChunkNotCompleted: a chunk is not complete: loops take it anyway.
            ChunkInWork: a living runner is still at work on a chunk.
            InvalidArgumentError: ``indices`` are no indices; or leave out a chunk of a sequential job that depends on
                them; or another job of the file superseded this job.
        """
        chunks: set[int] = set()
        for index in _listed(indices):
            chunks.add(self._execution.recorded.checked_index(index))  # at once: a range may be endless
        storage = self._context.storage
        with suppress(StoreBusy):  # chunks that this process has dropped are not in work
            storage.claims.release(self.job_id)
        count = storage.redos.redo(self.job_id, chunks)
        if count:
            self._context.job_ended(self.job_id)
        return count

    def to_redo(self) -> list[int]:
        """Return the complete chunks that are to be done again, ascending, even those that a runner works on."""
        return sorted(mark.chunk_index for mark in self._context.reading.marks.all_of(self.job_id))


def _listed(indices: int | Iterable[int]) -> Iterator[int]:
    if type(index := as_int(indices)) is int:
        return iter((index,))
    try:
        return iter(indices)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgumentError("indices", indices, "is no list of chunk indices; give [0, 1, 2]") from None


class ChunkTry:
    """The part of :class:`PendingChunk` that is about its attempt."""

    __slots__ = ()
    job: JobChanges
    index: int
    attempt: Attempt | None

    @property
    def key(self) -> Key | None:
        """The caller's key of the chunk (a file name, a page), if the job was opened with a mapping; or None."""
        return self.job.key_of(self.index) if self.attempt is None else self.attempt.key

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: this process has the chunk in hand."""
        raise TypeError(
            "a PendingChunk can neither be copied nor pickled: pass its data, and record the result in this process"
        )

    @property
    def previous(self) -> Any:
        """The result of the chunk before this one in a sequential job, as JSON data; None for the first chunk."""
        return None if self.attempt is None else self.attempt.previous

    @property
    def handle(self) -> str | None:
        """The handle of this chunk: the name by which a service holds its work, as a try recorded it; None without one.

        With a handle, ask the service for the result: the work is paid for.
        """
        return None if self.attempt is None else self.attempt.handle

    def record_handle(self, handle: str | None) -> None:
        """Record the handle of this chunk: the name by which a service holds its work. See :meth:`Job.record_handle`.

        Raises:
            InvalidArgumentError: ``handle`` is no text of 1 to 4,096 characters; the error names chunk and value.
            StorageUnavailableError: the store is read-only.
        """
        if self.attempt is None:
            self.job.record_handle(self.index, handle)
        else:
            self.attempt.record_handle(handle)
