"""The records that callers receive: frozen, and without a connection to the store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from checkpoint_store.errors import counted
from checkpoint_store.model import html_text

if TYPE_CHECKING:
    from datetime import datetime

    from checkpoint_store.errors import Difference


class JobStatus(StrEnum):
    """The status of a job. A member equals its own text."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job, without its results."""

    completed_chunks: int
    total_chunks: int
    started_at: datetime
    """Aware, in UTC."""
    updated_at: datetime
    """When a chunk was completed, or the job was changed, for the last time; aware, in UTC."""
    chunks_per_minute: float | None
    """The rate over the time of work on the last chunks, without pauses; None until a chunk was completed."""

    @property
    def percent(self) -> float:
        """0.0 to 100.0; a job without chunks is done."""
        return 100.0 * self.completed_chunks / self.total_chunks if self.total_chunks else 100.0

    @property
    def remaining_chunks(self) -> int:
        """How many chunks are left."""
        return self.total_chunks - self.completed_chunks

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a bar, how many chunks are completed, and how fast."""
        done, total = self.completed_chunks, self.total_chunks
        rate = "" if self.chunks_per_minute is None else f", {self.chunks_per_minute:,.1f} chunks a minute"
        percent = math.floor(self.percent)  # 100% says that all of them are completed
        return f"<span>{html_text.bar(done, total)} {done_text(self)} ({percent}%){rate}</span>"


def done_text(progress: Progress) -> str:
    """Return how many chunks are complete, and how many there are: ``1,200 of 5,000 chunks``."""
    return f"{progress.completed_chunks:,} of {chunks_text(progress.total_chunks)}"


def chunks_text(count: int) -> str:
    """Return a number of chunks with its noun: ``1 chunk``, ``1,200 chunks``."""
    return counted(count, "chunk")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """The facts about one job in a list, all of one moment. ``video_title``, ``model`` and ``provider`` may be None."""

    job_id: str
    file_name: str
    video_title: str | None
    model: str | None
    provider: str | None
    status: JobStatus
    """The recorded status. :attr:`shown_status` is the status for people."""
    is_active: bool
    """Whether a runner works on the job, in this process or in another one."""
    progress: Progress
    failed_chunks: int
    """How many chunks used up their attempts."""
    in_doubt_chunks: int
    """How many chunks were begun, and never ended: they may have been billed."""
    in_doubt_with_handle: int = 0
    """How many of the chunks in doubt have a handle: the service that holds their work can be asked for the result."""
    redo_chunks: int = 0
    """How many chunks are left although they have a result: they are to be done again (:meth:`Job.redo`)."""
    replaced_cost: float = 0.0
    """The cost of results that were replaced later, by ``redo`` or ``replace=True``."""
    failed_cost: float = 0.0
    """The cost of tries that gave no result."""
    superseded_by: str | None = None
    """The id of the job of the same file that was opened in place of this job; or None."""
    error_message: str | None
    """Why the job failed, or why a loop left chunks; None if nobody said."""
    config: dict[str, Any]
    metadata: dict[str, Any]
    """JSON data about the job that is no part of its plan; empty if nobody gave any."""

    @property
    def is_interrupted(self) -> bool:
        """Whether the job is recorded as ``running`` and nobody works on it: its process was killed, or left its loop.

        False for a superseded job: nobody needs to go on with it.
        """
        return self.status is JobStatus.RUNNING and not self.is_active and not self.is_superseded

    @property
    def is_superseded(self) -> bool:
        """Whether another job of the file took the place of this incomplete job, and nobody works on it any more."""
        return self.superseded_by is not None and self.status is not JobStatus.COMPLETED and not self.is_active

    @property
    def seconds_left(self) -> float | None:
        """The seconds for the chunks left but the failed ones; None without a rate, and for a superseded job."""
        left = max(self.progress.remaining_chunks - self.failed_chunks, 0)
        per_minute = self.progress.chunks_per_minute
        return 60 * left / per_minute if per_minute and not self.is_superseded else None

    @property
    def shown_status(self) -> str:
        """The status that people are shown: as recorded, ``interrupted``, or ``superseded``."""
        if self.is_superseded:
            return "superseded"
        return "interrupted" if self.is_interrupted else self.status.value

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table, without secrets."""
        rows = {
            "job": html_text.text(self.job_id),
            "title": html_text.text(self.video_title),
            "status": self.shown_status,
            "done": self.progress._repr_html_(),
            "failed": f"{self.failed_chunks:,}" if self.failed_chunks else "",
            "in doubt": f"{self.in_doubt_chunks:,}" if self.in_doubt_chunks else "",
            "error": html_text.text(self.error_message),
            "model": html_text.text(self.model),
            "provider": html_text.text(self.provider),
            "config": html_text.config(self.config),
            "updated": f"{self.progress.updated_at:%Y-%m-%d %H:%M:%S} UTC",
        }
        return html_text.table(html_text.text(self.file_name), rows)


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """The last try at one chunk that is not complete."""

    chunk_index: int
    """0-based."""
    attempt: int
    """1 for the first try."""
    outcome: str
    """``running``, ``failed``, or ``abandoned``: its process ended, or it was given up, and nothing was recorded."""
    error: str | None
    """Why the try failed, without secrets; None if it did not."""
    started_at: str
    """ISO 8601, UTC."""
    finished_at: str | None
    """ISO 8601, UTC; None while the try runs."""
    seconds: float | None
    """How long the try took; None while it runs, or if nobody saw its end."""
    is_last: bool
    """Whether the chunk is failed by this try: its attempts are used up."""
    handle: str | None = None
    """What a service calls the work that it holds for the chunk; None where nobody recorded a handle."""
    key: str | int | None = None
    """The caller's key of the chunk, if the job was opened with a mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try at one chunk, with its outcome."""

    chunk_index: int
    """0-based."""
    attempt: int
    """1 for the first try at the chunk."""
    runner: int
    """The number in the store of the runner that made it; see :class:`RunnerRecord`."""
    outcome: str
    """``running``, ``completed``, ``failed``, or ``abandoned``: its process ended, or it was given up."""
    error: str | None
    """Why the try failed, without secrets; None if it did not."""
    started_at: str
    """ISO 8601, UTC."""
    finished_at: str | None
    """ISO 8601, UTC; None while the try runs."""
    seconds: float | None
    """How long the try took; None while it runs, or if nobody saw its end."""
    counted: bool
    """Whether the try counts against ``max_attempts`` if it gives no result."""
    is_last: bool
    """Whether the chunk was failed by this try: its attempts were used up."""
    cost: float | None
    """The cost of a try without a result, or whose result was replaced since; None if nobody said."""
    reserved_cost: float | None
    """The part of the budget that the try reserved when it began; None if no budget was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRecord:
    """One completed chunk, without its result."""

    chunk_index: int
    """0-based."""
    completed_at: str
    """When its result was recorded, or carried over: ISO 8601, UTC."""
    source_job_id: str | None
    """The job that paid for a carried result; None if this job paid for the result itself."""
    source_chunk_index: int | None
    """The chunk of the source job that the result was made for; it tells which carried results are the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRecord:
    """One runner of a job that has not ended, as far as the store knows."""

    runner: int
    """Its number in the store, from 1."""
    host: str
    """The host, or container, that the runner is on."""
    pid: int
    """The id of its process on that host."""
    started_at: str
    """ISO 8601, UTC."""
    is_exclusive: bool
    """Whether the runner shares the job with no other runner."""
    is_alive: bool
    """Whether its process holds the runner lock: it is alive, or stopped. The chunks of a dead runner are free."""
    chunks_in_hand: int
    """How many chunks the runner has claimed."""


@dataclass(frozen=True, slots=True)
class MapItem:
    """One chunk that a loop has completed."""

    index: int
    """0-based."""
    result: Any
    """The result, as ``Job.result(index)`` returns it."""
    key: str | int | None = None
    """The caller's key of the chunk, if the job was opened with a mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The prediction of a run. Making it writes nothing."""

    file_name: str
    job_id: str | None
    """The job that would go on, grow, or is complete; None if a new job would begin, or the run is refused."""
    action: Literal["new", "resume", "complete", "reuse", "extend", "restart", "refuse"]
    """``complete``: nothing is left; ``extend``: it grows; ``reuse``, ``restart``: a new job; ``refuse``: an error."""
    total_chunks: int
    chunks_to_do: int
    """How many chunks would be worked on: neither kept nor passed over. 0 if the run is refused."""
    kept: int
    """How many results would be kept; if the run is refused, how many ``on_change="reuse"`` would keep."""
    in_doubt: tuple[int, ...]
    """Chunks whose last try never ended: the try may have been billed, and the chunk is not done."""
    failed: tuple[int, ...]
    """Chunks that used up their attempts: passed over, until they are freed by ``retry_failed``."""
    differences: tuple[Difference, ...]
    """The differences from the plan of the earlier job."""
    estimated_cost: float | None
    """The mean cost of a result so far, times the chunks to do; None if no result of a like plan has a ``cost``."""
    estimated_seconds: float | None
    """The mean time of a try so far, times the chunks to do, one after the other; None if that is unknown."""
    spent: float
    """The money that the job which goes on, or the earlier one, has paid: see :attr:`JobCosts.cost`."""
    with_handle: tuple[int, ...] = ()
    """Chunks to do that have a handle: a service holds their work, and is asked for it instead of paid again."""
    kept_elsewhere: int = 0
    """Chunks that a new job would do although the store has results for them under another name or setting."""
    other_settings: tuple[str, ...] = ()
    """The settings in which the newest job with such results differs: ``reuse_ignoring`` takes its results."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a check found wrong in a store: ``what`` is wrong, and ``reason`` says how.

    ``job_id`` and ``chunk_index`` (0-based) say to which job and chunk it belongs; None if it belongs to none.
    """

    what: str
    reason: str
    job_id: str | None = None
    chunk_index: int | None = None

    def __str__(self) -> str:
        where = "" if self.job_id is None else f" of job {self.job_id}"
        where += "" if self.chunk_index is None else f", chunk {self.chunk_index}"
        return f"{self.what}{where} {self.reason}"
