"""The reading part of a job: its progress, its results, and what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from checkpoint_store.errors import (
    CheckpointStoreError,
    ChunkNotCompleted,
    InvalidArgumentError,
    JobIncomplete,
    StoreTargetError,
)
from checkpoint_store.execution import opening
from checkpoint_store.execution.job.of_record import JobOfRecord
from checkpoint_store.execution.results import checked_type, decoded
from checkpoint_store.model import html_text
from checkpoint_store.model.flags import checked_flag
from checkpoint_store.model.money import checked_field
from checkpoint_store.model.records import chunks_text, done_text
from checkpoint_store.model.store_file import READ_ONLY
from checkpoint_store.state_file.exporting import write_state
from checkpoint_store.system.paths import absolute

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from checkpoint_store.model.loop_records import RunRecord
    from checkpoint_store.model.records import ChunkRecord, JobStatus, JobSummary, Progress, RunPlan
    from checkpoint_store.model.state.state import ProcessingState

T = TypeVar("T")
Missing = Literal["raise", "skip", "none"]
"""The values of ``missing``: what ``results`` does about a chunk that has no result."""


class JobReading(JobOfRecord):
    """The part of :class:`Job` that only reads the store. Safe to share between threads."""

    def __repr__(self) -> str:
        try:
            summary = self.summary()
        except CheckpointStoreError:  # the store is closed, or cannot be read now
            return f"<Job {self.job_id} of {self.file_name!r}, {chunks_text(self.total_chunks)}>"
        done = f"{done_text(summary.progress)} completed"
        return f"<Job {self.job_id} of {self.file_name!r}, {summary.shown_status}, {done}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table of the job's progress, as the store has it now, without secrets."""
        try:
            return self.summary()._repr_html_()
        except CheckpointStoreError:  # a representation raises nothing
            return html_text.text(repr(self))

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a job is part of a store, which each process opens."""
        path, job_id = str(self._context.reading.path), self.job_id
        raise TypeError(
            f"a Job can neither be copied nor pickled: pass the path of its store and its id, and open it there with "
            f"CheckpointStore({path!r}).job({job_id!r})"
        )

    # -- progress

    @property
    def total_chunks(self) -> int:
        """How many chunks the job has, as far as this object knows.

        The number is exact for growth through this store object. Growth in another process is noticed when a loop
        begins, and by :meth:`remaining`.
        """
        return self._execution.recorded.total_chunks

    @property
    def status(self) -> JobStatus:
        """``pending``, ``running``, ``paused``, ``completed`` or ``failed``, as the store has it now."""
        return self._execution.recorded.record().status

    @property
    def is_active(self) -> bool:
        """Whether a runner works on the job now, in this process or in another process.

        A job with the status ``running`` that is not active was interrupted: its process was killed, or its caller left
        the loop.
        """
        return self._context.reading.runners.is_any_alive(self.job_id)

    @property
    def error_message(self) -> str | None:
        """Why the job failed, or why a loop left chunks, as the store has it now; None if nobody said."""
        return self._execution.recorded.record().error_message

    @property
    def superseded_by(self) -> str | None:
        """The id of the job that superseded this one, as the store has it now; None if no job did."""
        return self._execution.recorded.record().superseded_by

    def progress(self) -> Progress:
        """Return the progress of the job. One row is read, however many chunks the job has.

        A job of :meth:`CheckpointStore.incomplete_jobs` reads nothing as long as nothing was recorded since.
        """
        if self._as_of is not None and self._context.reading.jobs.still_hold(self._as_of):
            return self._record.progress
        return self._execution.recorded.progress()

    def summary(self) -> JobSummary:
        """Return what a list shows of the job now, as :meth:`CheckpointStore.summaries` does."""
        (summary,) = self._context.reading.jobs.summaries(job_id=self.job_id)
        return summary

    def completed_ranges(self) -> list[tuple[int, int]]:
        """Return the completed chunks as half-open ranges ``(start, stop)``, ascending."""
        return self._execution.recorded.completed_ranges()

    def remaining(self) -> list[range]:
        """Return the chunks that are left (not complete, or to be done again) as ranges, ascending.

        Nothing is claimed: another runner may complete them meanwhile. Failed chunks, and chunks in doubt, are among
        them. ``[index for chunks in job.remaining() for index in chunks]`` lists them one by one.
        """
        self._execution.record_unrecorded()  # or the caller would pay again for a result that is kept
        return self._execution.recorded.remaining_ranges()

    def is_completed(self, index: int) -> bool:
        """Whether a chunk is complete and not to be done again; the quickest read of it.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
        """
        return self._execution.recorded.is_completed(self._execution.recorded.checked_index(index))

    def failed_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that used up their attempts, by index."""
        return self._execution.recorded.failed_chunks()

    def in_doubt_chunks(self) -> list[ChunkRecord]:
        """Return the chunks whose last try never ended, by index: the try may have been billed, and gave no result."""
        return self._execution.recorded.last_attempts("abandoned")

    def running_chunks(self) -> list[ChunkRecord]:
        """Return the chunks that any runner is working on, by index."""
        return self._execution.recorded.last_attempts("running")

    @property
    def last_run(self) -> RunRecord | None:
        """The record of the last ``map`` or ``amap`` of this store object on this job; None if no loop has ended."""
        return self._context.last_runs.get(self.job_id)

    def errors(self) -> list[ChunkRecord]:
        """Return the chunks whose last try failed, by index: failed chunks, and chunks that will be tried again."""
        return self._execution.recorded.last_attempts("failed")

    # -- what a run would do

    def plan(
        self,
        chunks: Iterable[Any] | None = None,
        *,
        on_change: Literal["refuse", "reuse", "extend", "restart"] = "refuse",
        cost: str = "cost",
    ) -> RunPlan:
        """Return what a run of this job would do; with ``chunks``, what opening its file would do. Reads only.

        With ``chunks`` the settings are this job's, and the answer is that of :meth:`CheckpointStore.plan`: another job
        of the file goes on where it has this very plan. ``cost`` is the field of the results, or the dotted path, that
        has the cost.
        """
        if chunks is None:
            opening.checked_change(on_change)
            return self._context.reading.plan_of_rest(self.job_id, checked_field(cost))
        by = self._execution.fingerprint_by
        return opening.plan_with(self._context, self.job_id, chunks, by, on_change, cost=cost)

    # -- results

    @overload
    def result(self, index: int) -> Any: ...
    @overload
    def result(self, index: int, as_type: type[T]) -> T: ...
    def result(self, index: int, as_type: type[Any] | None = None) -> Any:
        """Return the result of one completed chunk.

        Raises:
            ChunkNotCompleted: the chunk is not complete, or was completed without a result.
            InvalidArgumentError: ``as_type`` is no type.
            StoreDamaged: a stored result is not what was written.
        """
        return decoded(self._execution.recorded.result_text(index), checked_type(as_type), self.job_id, index)

    @overload
    def results(self, as_type: None = None, missing: Missing = "raise") -> Iterator[Any]: ...
    @overload
    def results(self, as_type: type[T], missing: Literal["raise", "skip"] = "raise") -> Iterator[T]: ...
    @overload
    def results(self, as_type: type[T], missing: Literal["none"]) -> Iterator[T | None]: ...
    def results(self, as_type: type[Any] | None = None, missing: Missing = "raise") -> Iterator[Any]:
        """Yield the result of every chunk in index order, in bounded memory.

        Args:
            as_type: a dataclass or pydantic model; each result comes back as an object of this class.
            missing: what to do about a chunk without a result: ``"raise"`` refuses the whole call, ``"skip"`` passes
                over the chunk, ``"none"`` yields None in its place.

        Raises:
            JobIncomplete: chunks without a result are left, and ``missing`` is ``"raise"``. Nothing was yielded.
            ChunkNotCompleted: a chunk was completed without a result, and ``missing`` is ``"raise"``.
            InvalidArgumentError: ``as_type`` is no type. Nothing was read.
            InvalidResultError: a result does not fit ``as_type``; it never becomes a dict or None instead.
            StoreDamaged: a stored result is not what was written.
        """
        as_type = checked_type(as_type)
        if missing not in ("raise", "skip", "none"):
            raise InvalidArgumentError("missing", missing, "is none of 'raise', 'skip', 'none'")
        if missing == "raise":
            record = self._execution.recorded.record()
            if record.completed_count < record.total_chunks:  # a chunk that is to be done again has a result
                raise JobIncomplete(self.job_id, record.total_chunks - record.completed_count)
        return self._results(as_type, missing)

    def _results(self, as_type: type[Any] | None, missing: Missing) -> Iterator[Any]:
        job_id, expected = self.job_id, 0
        for page in self._context.reading.results.pages(job_id):
            for index, text in page:  # a result takes ten microseconds: each call of a function in this loop counts
                if index > expected:
                    yield from self._gap(expected, index, missing)
                yield decoded(text, as_type, job_id, index)
                expected = index + 1
        yield from self._gap(expected, self._execution.recorded.known_total(), missing)

    def _gap(self, start: int, stop: int, missing: Missing) -> Iterator[None]:
        """Yield the values in place of results for the chunks of ``[start, stop)``, which have none."""
        if missing == "raise" and start < stop:
            raise ChunkNotCompleted(self.job_id, start, completed=self._execution.recorded.is_completed(start))
        yield from (None for _ in range(start, stop) if missing == "none")

    def items(self, as_type: type[Any] | None = None) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) of the completed chunks in index order, in bounded memory. See :meth:`results`."""
        job_id, as_type = self.job_id, checked_type(as_type)
        for page in self._context.reading.results.pages(job_id):
            for index, text in page:
                yield index, decoded(text, as_type, job_id, index)

    def state(self) -> ProcessingState:
        """Return a snapshot of the whole job, results included."""
        return self._context.reading.state(self.job_id)

    def export(self, path: str | os.PathLike[str] | None = None, *, replace: bool = False) -> Path:
        """Write the job's state to ``path`` (default: the store's state file) and return the path. Durable on return.

        An existing file is replaced if it is an older export of this job; any other file only with ``replace``.

        Raises:
            StoreTargetError: ``path`` is another file, or belongs to the store. Nothing was written.
        """
        replace = checked_flag("replace", replace)
        if path is not None:
            return write_state(self._context.reading, self.job_id, absolute(path, "for an export"), replace=replace)
        if self._context.state_file is None:
            why = READ_ONLY if self._context.writing is None else "this store has no state file (state_file=None)"
            raise StoreTargetError(self._context.reading.path, f"{why}; give a path", "for an export")
        return self._context.state_file.write(self.job_id)
