"""What a job has cost, and whether one more chunk fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpoint_store.job import Job


class Spending:
    """What a job's results say that they cost, those of other runners included."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._after = 0
        self._results = 0
        self._priced = 0
        self.total = 0.0
        self.look()

    def look(self) -> None:
        """Take in the results that have come since."""
        self._after, results, priced, cost = self._job.costs_after(self._after)
        self._results += results
        self._priced += priced
        self.total += cost

    @property
    def known_total(self) -> float | None:
        """None where no result has a cost."""
        return self.total if self._priced else None

    @property
    def mean(self) -> float:
        """Of the results that have a cost."""
        return self.total / self._priced if self._priced else 0.0

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of what a chunk costs."""
        return not self._results

    def allows(self, under_way: int, most: float) -> bool:
        """Whether one more fits, beside those under way."""
        return self.total + self.mean * (under_way + 1) <= most * (1 + 1e-9)
