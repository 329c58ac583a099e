"""A job's counts and cost at one moment, for the live line and the summary of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from checkpoint_store.cli import screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store import ChunkRecord, Job

_REFRESH_SECONDS: Final = 0.5


class JobSnapshot:
    """The counts and the cost of a job, the work of other runs included. The cost is that of :meth:`Job.costs`."""

    def __init__(self, job: Job, cost_field: str) -> None:
        self._job = job
        self._cost_field = cost_field
        self._refreshed_seconds = 0.0
        self._execution = job._execution  # noqa: SLF001 - no public call adds up new results alone, or tells of a pause
        self._results = self._execution.recorded.costs_after(0, cost_field)
        self._first_pause = self._execution.lifecycle.pauses.last
        self.completed_chunks = self.failed_chunks = self.in_doubt_chunks = self.redo_chunks = 0
        self.refresh(force=True)

    def refresh(self, *, force: bool = False) -> None:
        """Read the job from the store, at most twice a second unless forced; only new results are added up."""
        now_seconds = time.monotonic()
        if not force and now_seconds - self._refreshed_seconds < _REFRESH_SECONDS:
            return
        self._refreshed_seconds = now_seconds
        new_costs = self._execution.recorded.costs_after(self._results.last_result, self._cost_field)
        self._results = self._results.followed_by(new_costs)
        self._spending = self._execution.storage.budgets.spending(self._execution.job_id, self._results)
        summary = self._job.summary()
        self.completed_chunks = summary.progress.completed_chunks
        self.failed_chunks, self.in_doubt_chunks = summary.failed_chunks, summary.in_doubt_chunks
        self.redo_chunks = summary.redo_chunks
        self._chunks_per_minute, self._seconds_left = summary.progress.chunks_per_minute, summary.seconds_left
        left = self._left = summary.progress.remaining_chunks - summary.failed_chunks
        elsewhere = 0 if self._execution.claims.in_hand or left <= 0 else len(self._job.running_chunks())
        self._waited_for = elsewhere if elsewhere >= left else 0

    @property
    def pause_asked(self) -> bool:
        """Whether somebody asked for a pause since the job was opened, even if its last chunk was in hand by then."""
        return self._execution.claims.last_pause() > (self._first_pause or 0)

    @property
    def cost(self) -> float | None:
        """The amount that the job has paid, failed tries included; None if no cost is known."""
        return round(self._spending.spent, 9) if self._spending.priced else None

    @property
    def cost_now(self) -> float | None:
        """What this run paid, without what other runs paid meanwhile; None if no cost of the job is known."""
        run = self._job.last_run
        return None if self.cost is None else (run.cost if run else None) or 0.0

    def rate_text(self, done: int) -> str:
        """Return the rate over the time in which somebody worked, and how long the rest takes; empty while unknown.

        While other runs have all chunks that are left, it says so: they may have stopped, so no time is promised.
        ``done``, the number of completed chunks that is shown beside it, may be newer than the snapshot.
        """
        if self._waited_for:
            return f"waiting for {screen.chunk_count(self._waited_for)} of other runs"
        if self._chunks_per_minute is None:
            return ""
        rest = max(0, self._left - max(0, done - self.completed_chunks))
        seconds_left = self._seconds_left * rest / self._left if self._seconds_left and self._left > 0 else 0.0
        left = f", {screen.duration(seconds_left)} left" if seconds_left else ""
        return f"{screen.rate(self._chunks_per_minute)}{left}"

    @property
    def redo_text(self) -> str:
        """The number of chunks that are to be done again as text; empty if it is 0."""
        return f"{self.redo_chunks:,} to redo" if self.redo_chunks else ""

    @property
    def failure_text(self) -> str:
        """The numbers of failed chunks and of chunks in doubt as text; empty if both are 0."""
        counts = (("failed", self.failed_chunks), ("in doubt", self.in_doubt_chunks))
        return ", ".join(f"{count:,} {name}" for name, count in counts if count)


def tries_in_vain(job: Job, records: Sequence[ChunkRecord]) -> dict[int, int]:
    """Return how many tries each of these chunks had since it last got a result, by index.

    Only a chunk that is done again had a result before: without such a chunk the attempts of the job are not read.
    """
    counts = {record.chunk_index: record.attempt for record in records}
    if redone := counts.keys() & set(job.to_redo()):
        counts |= dict.fromkeys(redone, 0)
        for attempt in job.attempts():  # by chunk, and in the order of the tries
            if attempt.chunk_index in redone:
                was_in_vain = attempt.outcome != "completed"
                counts[attempt.chunk_index] = counts[attempt.chunk_index] + 1 if was_in_vain else 0
    return counts
