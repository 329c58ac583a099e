"""The reports of a merge and of a prune."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.errors import InvalidArgumentError, counted, size_text
from checkpoint_store.model.chunks import as_float

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
    """How many attempts of other machines the merge added here."""
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


_DAYS_MAX: Final = 365_000


class Prunable(NamedTuple):
    """The rows of a store file that a prune deletes."""

    jobs: tuple[str, ...]
    attempts: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """The request of a prune: superseded and complete jobs by number or age, old attempts, unneeded files."""

    keep_last: int | None
    """How many jobs stay, the ones opened last; None: no limit."""
    before: datetime | None
    """Keep what changed after this moment; None: no age limit."""

    @property
    def names_jobs(self) -> bool:
        """Whether any job can go."""
        return self.keep_last is not None or self.before is not None

    def is_old(self, moment: datetime) -> bool:
        """Whether something that was changed last at this moment may go."""
        return self.before is None or moment < self.before


def prune_request(keep_last: object, older_than_days: object) -> PruneRequest:
    """Return the request that the arguments of ``prune`` make; each is a number from 0, or None."""
    if keep_last is not None and (type(keep_last) is not int or keep_last < 0):
        raise InvalidArgumentError("keep_last", keep_last, "is no number of jobs: a whole number from 0")
    if older_than_days is None:
        return PruneRequest(keep_last, None)
    days = as_float(older_than_days)
    if days is None or not 0 <= days <= _DAYS_MAX:
        raise InvalidArgumentError("older_than_days", older_than_days, "is no number of days from 0")
    return PruneRequest(keep_last, datetime.now(UTC) - timedelta(days=days))


@dataclass(frozen=True, slots=True)
class PruneReport:
    """The report of a prune: what it deleted, or in a dry run, what it would delete."""

    jobs: tuple[str, ...]
    """The ids of the jobs, the one opened last first."""
    attempts: int
    """How many attempts: all of these jobs, and the old attempts at complete chunks of other jobs."""
    files: tuple[Path, ...]
    """The files: moved aside by a recovery or a restoring, backups, and a state file that shows one of the jobs."""
    bytes: int
    """The sum of the sizes of the files, and of the results of the jobs as text."""
    dry_run: bool
    """Whether nothing was deleted."""

    def __str__(self) -> str:
        verb = "would delete" if self.dry_run else "deleted"
        jobs, attempts, files = (
            counted(count, noun)
            for count, noun in ((len(self.jobs), "job"), (self.attempts, "attempt"), (len(self.files), "file"))
        )
        return f"{verb} {jobs}, {attempts} and {files}: {size_text(self.bytes)}"
