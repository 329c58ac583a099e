"""The report of a merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checkpoint_store.errors import counted

if TYPE_CHECKING:
    from pathlib import Path

    from checkpoint_store.model.records import JobStatus

_INDICES_SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMerge:
    """The report on one job of the other store."""

    job_id: str
    """The job of this store that has the merged results: a job of the same plan, or a new job."""
    other_job_id: str
    """The job of the other store."""
    file_name: str
    status: JobStatus | None
    """The status of the job of this store after the merge; None where the job was passed over."""
    is_new: bool = False
    """Whether this store had no job of that plan, and has one now."""
    added_chunks: int = 0
    """How many chunks the merge completed here. A chunk that was to be done again counts if the other store did so."""
    same_chunks: int = 0
    """How many chunks have the same result in both stores."""
    contradictions: tuple[int, ...] = ()
    """Chunks for which the stores have different results, ascending. This store keeps its own."""
    added_attempts: int = 0
    remaining_chunks: int = 0
    """How many chunks of the job are left."""
    passed_over: str | None = None
    """Why nothing was taken of the job, as a sentence; None where it was merged."""

    def __str__(self) -> str:
        name = f"job {self.other_job_id[:8]} ({self.file_name})"
        if self.passed_over is not None:
            return f"{name}: passed over, because {self.passed_over}"
        into = "added" if self.is_new else f"merged into job {self.job_id[:8]}"
        sentence = f"{name}: {into}, {counted(self.added_chunks, 'chunk')} taken, {self.same_chunks:,} there before"
        if self.contradictions:
            first_chunks = ", ".join(map(str, self.contradictions[:_INDICES_SHOWN_MAX]))
            more = ", …" * (len(self.contradictions) > _INDICES_SHOWN_MAX)
            sentence += (
                f"; another result is kept here for {counted(len(self.contradictions), 'chunk')}: {first_chunks}{more}"
            )
        return sentence + (
            f"; {counted(self.remaining_chunks, 'chunk')} left" if self.remaining_chunks else "; complete"
        )


@dataclass(frozen=True, slots=True)
class MergeReport:
    """The report on one other store, or on a state file."""

    path: Path
    """The other store, or the state file. It was read, and not changed."""
    jobs: tuple[JobMerge, ...]
    """Its jobs, the one opened last first."""

    @property
    def added_chunks(self) -> int:
        """The number of chunks that are complete now, and were not before, over all jobs."""
        return sum(job.added_chunks for job in self.jobs)

    @property
    def contradictions(self) -> tuple[tuple[str, int], ...]:
        """Pairs of a job of this store and a chunk for which the other store has another result."""
        return tuple((job.job_id, index) for job in self.jobs for index in job.contradictions)

    def __str__(self) -> str:
        lines = "".join(f"\n  {job}" for job in self.jobs) or "\n  it has no job"
        return f"{self.path}{lines}"
