"""The counts of one loop while it runs, for the record of its run."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from checkpoint_store.errors import CheckpointStoreError, JobPaused, WorkFailed
from checkpoint_store.loop.service_errors import CLIENT_ERROR_MIN, status_of
from checkpoint_store.loop.shards import remaining_chunks
from checkpoint_store.model.amounts import cost_in, tokens_in
from checkpoint_store.model.clock import now
from checkpoint_store.model.error_text import describe
from checkpoint_store.model.frozen import freeze
from checkpoint_store.model.run_record import LIMITS, SERVICE, Durations, RunRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store.execution.execution import JobExecution
    from checkpoint_store.loop.options import Options


class Statistics:
    """The counts of one loop."""

    def __init__(self, execution: JobExecution, options: Options) -> None:
        self._execution, self._options = execution, options
        self.begin()
        self._completed = 0
        self._retries: Counter[str] = Counter()
        self._work = Durations()
        self._cost: float | None = None
        self._tokens: float | None = None

    def begin(self) -> None:
        """Note that the loop begins now."""
        self._started_at = now()
        self._began = time.monotonic()

    def completed(self, result: object, seconds: float | None) -> None:
        """Count a recorded result, and how long the work on it took."""
        self._completed += 1
        if seconds is not None:
            self._work.add(seconds)
        self._add_cost(cost_in(result, self._options.cost))
        tokens = tokens_in(result)
        if tokens is not None:
            self._tokens = (self._tokens or 0) + tokens

    def failed(self, cost: float | None) -> None:
        """Count what a failed try cost."""
        self._add_cost(cost)

    def retried(self, error: BaseException) -> None:
        """Count a chunk that is tried again because of this error."""
        self._retries[_kind_of(error)] += 1

    def _add_cost(self, cost: float | None) -> None:
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost

    def record(
        self, waited_seconds: Mapping[str, float], error: BaseException | None, pause_reason: str | None
    ) -> RunRecord:
        """Return the record of the run, which has ended. ``error``: the exception that ended it; None without one."""
        ended = self._ended(error, pause_reason)
        return RunRecord(
            job_id=self._execution.job_id,
            started_at=self._started_at,
            seconds=round(time.monotonic() - self._began, 3),
            completed_chunks=self._completed,
            retries=freeze(dict(self._retries.most_common())),
            waited_for_service_seconds=round(waited_seconds.get(SERVICE, 0.0), 3),
            waited_for_limits_seconds=round(waited_seconds.get(LIMITS, 0.0), 3),
            work_seconds_p50=self._work.percentile(50),
            work_seconds_p95=self._work.percentile(95),
            work_seconds_p99=self._work.percentile(99),
            cost=None if self._cost is None else round(self._cost, 9),
            tokens=self._tokens,
            ended=ended,
            reason=None if ended == "completed" else _reason(error, pause_reason),
        )

    def _ended(
        self, error: BaseException | None, pause_reason: str | None
    ) -> Literal["completed", "paused", "failed", "interrupted", "left"]:
        if isinstance(error, GeneratorExit):
            return "left"
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return "interrupted"
        if error is not None:
            return "paused" if pause_reason is not None or isinstance(error, JobPaused) else "failed"
        with suppress(CheckpointStoreError):
            if not remaining_chunks(self._execution, self._options.shard):
                return "completed"
        return "failed" if pause_reason is None else "paused"


def _reason(error: BaseException | None, pause_reason: str | None) -> str:
    if error is not None and not isinstance(error, GeneratorExit) and type(error) is not JobPaused:
        return describe(error)
    return pause_reason or "chunks are failed, or in the hands of other loops"


def _kind_of(error: BaseException) -> str:
    status = status_of(error)
    if status is not None and status >= CLIENT_ERROR_MIN:
        return f"HTTP {status}"
    return error.kind if isinstance(error, WorkFailed) else type(error).__name__
