"""The records that the storage takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from checkpoint_store.model.clock import parse_time
from checkpoint_store.model.plan import Plan
from checkpoint_store.model.records import Progress

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from checkpoint_store.model.money import Cost
    from checkpoint_store.model.records import JobStatus
    from checkpoint_store.model.state.state import ProcessingState
    from checkpoint_store.storage.records.data_version import DataVersion


class Runner(NamedTuple):
    """One row of ``runners``."""

    runner_id: int
    job_id: str
    lock_file: str
    host: str
    pid: int
    exclusive: bool
    started_at: str


class Claim(NamedTuple):
    """A chunk that this runner has claimed, and the number of its attempt."""

    chunk_index: int
    number: int


class NextClaim(NamedTuple):
    """The chunk that a runner claims in the transaction that completes the chunk before, where nobody tried it yet."""

    chunk_index: int
    runner_id: int


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """The request of a runner to claim chunks."""

    job_id: str
    runner_id: int
    spans: Sequence[tuple[int, int]]
    """Half-open ranges of chunk indices, searched in this order, each from its lowest chunk."""
    wanted: int
    """How many chunks at most."""
    attempts_max: int | None
    """Pass over a chunk with this many attempts that count; None: no limit."""
    indices_in_hand: Container[int]
    """The chunks that this runner works on: they are not claimed again."""
    trusted_runner_ids: Container[int]
    """The other runners that count as alive without a probe."""
    in_order: bool = False
    """Whether a chunk is claimed only if the chunk before it is complete, even if that is in no span."""


class ClaimSearchResult(NamedTuple):
    """The outcome of a search for chunks to claim."""

    claims: list[Claim]
    held: list[tuple[int, int]]
    """The chunks that other runners have claimed, each with the runner's id."""
    next_index: int
    """The index from which the next search goes on."""
    alive_runner_ids: frozenset[int] = frozenset()
    """The other runners that were probed just now, and are alive."""
    has_reaped: bool = False
    """Whether a runner was dead, and was reaped: the chunks that it had claimed are free, or in doubt."""
    is_blocked: bool = False
    """Whether chunks are claimed in order, and the chunk at ``next_index``, or one before it, is not complete."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that gave no result, as its runner reports it."""

    job_id: str
    chunk_index: int
    number: int | None
    """The number of the attempt; None for a chunk that was not claimed."""
    runner_id: int | None
    """The runner's id; None if no runner reports the failure."""
    error: str
    """The message to record, without secrets."""
    seconds: float | None
    """How long the attempt took."""
    attempts_max: int
    """With this many attempts that count, the chunk is failed."""
    is_counted: bool
    """Whether this attempt counts."""
    tries_again: bool
    """Whether the runner begins the next attempt at once, unless the chunk is failed."""
    cost: float | None = None
    """The cost of the attempt; None if no cost is known."""
    may_be_billed: bool = False
    """Whether the end of the attempt is unknown, so that it may still cost the reserved amount."""
    is_permanent: bool = False
    """Whether the error is permanent: the next attempt would fail alike, so the chunk is failed with attempts left."""


class FailureOutcome(NamedTuple):
    """The outcome of reporting a failed attempt."""

    number: int
    """The number of the attempt that failed."""
    is_last: bool
    """Whether the chunk is failed by this attempt."""
    next_claim: Claim | None
    """The next attempt, if it began at once; else None."""


class JobRecord(NamedTuple):
    """One row of ``jobs``, with its config decoded."""

    job_number: int
    job_id: str
    status: JobStatus
    file_name: str
    video_title: str | None
    model: str | None
    provider: str | None
    total_chunks: int
    completed_count: int
    started_at: str
    updated_at: str
    error_message: str | None
    config: dict[str, Any]
    chunks_digest: str | None
    stretch_started_at: str
    stretch_completed_count: int
    is_current: bool
    superseded_by: str | None = None
    fingerprint_rule: int = 1
    looked_number: int | None = None
    """The job's number when results of other jobs were looked for last; None if they never were."""
    looked_jobs: int | None = None
    """How many jobs had smaller numbers at that time."""
    looked_chunks: int | None = None
    """How many completed chunks the jobs with smaller numbers had."""
    metadata: dict[str, Any] | None = None
    sequential: bool = False
    """Whether each chunk's work depends on the results before it."""
    redo_count: int = 0
    """How many of the completed chunks are to be done again."""

    @property
    def done_count(self) -> int:
        """How many chunks are complete, and not to be done again."""
        return self.completed_count - self.redo_count

    @property
    def remaining_count(self) -> int:
        """How many chunks are left."""
        return self.total_chunks - self.done_count

    @property
    def worked(self) -> timedelta:
        """The time in which somebody worked on the job, within its stretch."""
        return max(parse_time(self.updated_at) - parse_time(self.stretch_started_at), timedelta())

    @property
    def progress(self) -> Progress:
        """The progress of the job."""
        started, updated = parse_time(self.started_at), parse_time(self.updated_at)
        minutes = self.worked.total_seconds() / 60
        done = self.done_count - self.stretch_completed_count
        rate = done / minutes if done > 0 and minutes > 0 else None
        return Progress(self.done_count, self.total_chunks, started, updated, rate)

    @property
    def plan(self) -> Plan:
        """The plan that the results of the job were made for."""
        return Plan(
            self.file_name,
            self.total_chunks,
            self.model,
            self.provider,
            self.config,
            self.chunks_digest,
            sequential=self.sequential,
        )


class Completion(NamedTuple):
    """The completion of one chunk, ready to be written. ``text`` and ``digest`` are None if it has no result."""

    job_id: str
    chunk_index: int
    completed_at: str
    text: str | None
    digest: str | None
    fingerprint: str | None = None
    attempt: int | None = None
    """The number of the attempt that made the result, where the chunk was claimed."""
    seconds: float | None = None
    """How long the attempt took."""
    replace: bool = False
    earlier_cost: float | None = None
    """The cost of the result that this result replaces; None: a usual field of the replaced result says it."""
    cost: float | None = None
    """What this result cost; None: a usual field of the result says it."""
    previous_digest: str | None = None
    """See :attr:`MadeFrom.previous_digest`."""
    in_order: bool = False
    """Whether the job is sequential: the transaction refuses a completion behind a chunk that is not complete."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of a job's status, its error message and its pauses."""

    status: JobStatus
    message: str | None = None
    is_completed_instead: bool = True
    """Whether a job without chunks left becomes ``completed`` instead of getting the new status."""
    needs_all_chunks: bool = False
    """Whether it is an error if chunks are left."""
    asks_for_pause: bool = False
    """Whether every loop on the job, in any process, is asked to end."""
    withdraws_pauses: bool = False
    """Whether earlier pauses are withdrawn: loops that have not ended yet go on."""


@dataclass(frozen=True, slots=True)
class Known:
    """The content of a job in the store at one moment."""

    data_version: DataVersion | None
    """The data version of the content; None: nobody can tell later whether the content is still the same."""
    state: ProcessingState
    texts: Sequence[str] | None
    """The stored text of each result, in their order; None if they are too large to keep."""
    digests: Mapping[int, str | None]
    """The digest of each completed chunk's result; None for a chunk without a result."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A result whose cost cannot be read. ``value`` stands in the place of the cost, as short text, if any."""

    chunk_index: int
    value: str | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of the results from a first to a last result id."""

    last_result: int
    """The id of the last of these results: later results have higher ids."""
    priced: int
    """The number of results with a readable cost."""
    total: float
    """The sum of the readable costs."""
    unreadable: Unreadable | None
    """The first result without a readable cost, if any."""
    dearest: float = 0.0
    """The highest readable cost."""

    def followed_by(self, later: Costs) -> Costs:
        """Return the costs of these results and later ones together."""
        return Costs(
            later.last_result,
            self.priced + later.priced,
            self.total + later.total,
            self.unreadable or later.unreadable,
            max(self.dearest, later.dearest),
        )


NO_COSTS: Final = Costs(0, 0, 0.0, None)
"""The costs of no results."""


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """An attempt that is to start within a budget."""

    job_id: str
    runner_id: int
    claim: Claim
    max_cost: float
    cost: Cost
    """The place of the cost in a result."""
    known: Costs
    """The costs of the results that the runner has seen."""
