"""The sums over a job: fields of its results, and its costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from checkpoint_store.errors import InvalidArgumentError
from checkpoint_store.execution.job.reading import JobReading
from checkpoint_store.model.amounts import checked_cost

if TYPE_CHECKING:
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.job_costs import JobCosts


class JobSums(JobReading):
    """The part of :class:`Job` that adds up the results and the costs. Safe to share between threads."""

    def totals(
        self, *keys: str, missing: Literal["raise", "skip"] = "raise", carried: bool = True
    ) -> dict[str, int | float]:
        """Return the sum of each named field over all results, computed by the database.

        A text that is a number ("0.50", as pydantic dumps a Decimal) counts. A field that is absent from a result, or
        no number in it, adds nothing. What a job paid is :meth:`costs`: failed tries are in no result.

        Args:
            keys: fields of the results, or dotted paths (``"usage.total_tokens"``).
            missing: leave out (``"skip"``) a field that no result has; a misspelt field adds nothing.
            carried: add up the results that were carried over from other jobs, too, each once. False: only the results
                that this job paid for.

        Raises:
            InvalidArgumentError: the job has results, and no result has the field.
        """
        if missing not in ("raise", "skip"):
            raise InvalidArgumentError("missing", missing, 'is neither "raise" nor "skip"')
        for key in keys:
            if not key or '"' in key or not all(key.split(".")):
                raise InvalidArgumentError("keys", key, "is neither a field of the results, nor a dotted path")
        return self._context.reading.results.totals(
            self.job_id, keys, skip_missing=missing == "skip", with_carried=carried
        )

    def costs(self, cost: Cost = "cost") -> JobCosts:
        """Return what the job paid so far, as a budget counts it, and what other jobs paid for results it carries.

        The costs of failed tries, and of results that were replaced since, count, too. Two costs are unknown, and are
        left out: the cost of a try whose process died, and the cost of a result that does not tell it.

        Args:
            cost: the place of the cost in a result; see :meth:`map`.

        Raises:
            InvalidArgumentError: ``cost`` is neither the name of a field, nor a dotted path, nor a function.
            StoreDamaged: a result is missing, or is no JSON, and no copy has it.
        """
        return self._context.reading.results.job_costs(self.job_id, checked_cost(cost))
