"""The records of a loop: its events, and its run with the distribution of times in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from checkpoint_store.errors import number_text

if TYPE_CHECKING:
    from collections.abc import Mapping


EventKind = Literal["started", "retried", "completed", "failed", "paused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEvent:
    """One thing that happened in a ``map`` or ``amap``.

    A try that ``started`` ends with one ``completed``, ``retried`` or ``failed``, unless the loop ends before it. A
    result that comes after its time-out is ``completed``, too, after the ``retried`` or ``failed`` of its time-out. A
    chunk that waits for its next try, and that another call has completed, is ``completed`` without that try.
    """

    kind: EventKind
    """The kind of the event.

    ``started``: a try at a chunk begins. The same try starts again where an executor broke, or never got to it.
    ``completed``: the chunk is complete, and its result durable (where another runner was first, that runner's result).
    ``retried``: the try failed, and the chunk waits for its next try.
    ``failed``: the try failed, and this loop does not try the chunk again.
    ``paused``: the loop has ended, and chunks are left; what it had in hand is recorded. It is the last event.
    """
    index: int | None = None
    """The chunk, 0-based; None for ``paused``."""
    key: str | int | None = None
    """The caller's key of the chunk, as it was given, if the job was opened with a mapping."""
    attempt: int | None = None
    """The number of the try, from 1, over all runs; None for ``paused``."""
    cost: float | None = None
    """The cost of the try; None if neither its result nor its error has a cost."""
    seconds: float | None = None
    """How long the try took; None for ``started`` and ``paused``, and for a try that was no longer needed."""
    error: str | None = None
    """Why the try failed, or why the loop paused, as the store keeps it: without secrets."""


LIMITS: Final = "limits"
SERVICE: Final = "the service"
"""``LIMITS`` and ``SERVICE`` are the reasons for which a loop starts no chunk although a worker is free."""
_STEP: Final = 1.02
"""Times are counted in steps of two per cent."""
_STEPS_PER_E: Final = 1 / math.log(_STEP)
_SECONDS_MIN: Final = 1e-6
_WAIT_SHOWN_SECONDS_MIN: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The record of one run of ``map`` or ``amap``, without the work of other runners."""

    job_id: str
    started_at: str
    """ISO 8601, UTC."""
    seconds: float
    """How long the run took."""
    completed_chunks: int
    """How many results the run recorded."""
    retries: Mapping[str, int]
    """How often a chunk was tried again, by reason: ``HTTP 429``, ``TimeoutError``, ``WorkerDied`` …"""
    waited_for_service_seconds: float
    """For how long chunks were held back because the service was away. Other chunks may have been in work meanwhile."""
    waited_for_limits_seconds: float
    """For how long chunks were held back by a rate limit, or by what other runners may spend of the budget."""
    work_seconds_p50: float | None
    """The median of the times that the completed chunks took, each by itself, to two per cent; None without one."""
    work_seconds_p95: float | None
    """The time that 95 of 100 completed chunks did not exceed; see ``work_seconds_p50``."""
    work_seconds_p99: float | None
    """The time that 99 of 100 completed chunks did not exceed; see ``work_seconds_p50``."""
    cost: float | None
    """The cost of its results and failed tries; None if no cost can be read."""
    tokens: float | None
    """How many tokens its results used, as they say; None if no result says so."""
    ended: Literal["completed", "paused", "failed", "interrupted", "left"]
    """``completed``: no chunk of the job is left. ``left``: the caller left the loop early."""
    reason: str | None
    """Why the run ended so, as a text for people; None if the job is completed."""

    @property
    def retry_count(self) -> int:
        """How often any chunk was tried again."""
        return sum(self.retries.values())

    @property
    def summary(self) -> str:
        """The record in one line: what was done, what was tried again, what was waited for."""
        chunks = f"{self.completed_chunks:,} chunk{'' if self.completed_chunks == 1 else 's'}"
        parts = [f"{chunks} in {_seconds_text(self.seconds)} s"]
        if self.work_seconds_p50 is not None:
            times = (self.work_seconds_p50, self.work_seconds_p95, self.work_seconds_p99)
            parts.append("work p50 {} s, p95 {} s, p99 {} s".format(*(_seconds_text(each or 0) for each in times)))
        if self.retries:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.retries.items())
            parts.append(f"{self.retry_count:,} tried again ({kinds})")
        waits = ((SERVICE, self.waited_for_service_seconds), (LIMITS, self.waited_for_limits_seconds))
        parts += [
            f"waited {_seconds_text(seconds)} s for {what}"
            for what, seconds in waits
            if seconds >= _WAIT_SHOWN_SECONDS_MIN
        ]
        amounts = (("cost", self.cost), ("tokens", self.tokens))
        parts += [f"{name} {number_text(amount)}" for name, amount in amounts if amount]
        return "; ".join(parts)


def _seconds_text(seconds: float) -> str:
    """Return a time with three significant digits."""
    return number_text(float(f"{seconds:.3g}"))


class Durations:
    """The distribution of any number of times, each known to two per cent."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self._counts[round(math.log(max(seconds, _SECONDS_MIN)) * _STEPS_PER_E)] += 1
        self._total += 1

    def percentile(self, percent: float) -> float | None:
        """Return the time that ``percent`` per cent of all times do not exceed; None if no time was added."""
        wanted, seen = math.ceil(self._total * percent / 100), 0
        for step, count in sorted(self._counts.items()):
            seen += count
            if seen >= wanted:
                return float(f"{_STEP**step:.3g}")
        return None
