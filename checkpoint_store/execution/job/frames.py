"""A job as a frame of pandas or polars: its results, with the cost, time and attempts of each chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.execution.job import frame_columns as frames
from checkpoint_store.execution.job.keys import JobKeys
from checkpoint_store.model.amounts import checked_cost, cost_in
from checkpoint_store.model.records import ChunkAccount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store.execution.job.reading import Missing
    from checkpoint_store.model.amounts import Cost
    from checkpoint_store.model.keys import Key


class JobFrames(JobKeys):
    """The part of :class:`Job` that makes a frame of the job."""

    def to_dataframe(
        self, library: frames.Library = "pandas", *, missing: Missing = "skip", cost: Cost = "cost"
    ) -> Any:
        """Return a frame with a row for each chunk that has a result, in index order.

        Its columns are ``index``, ``key`` (None where the chunks have none), a column for each field of the results
        (``result`` for results that are no objects), ``cost`` (the amount that this job paid for the chunk, failed
        tries included; None if it is unknown), ``seconds`` (of all tries at it) and ``attempts``. A field that has the
        name of one of these columns and another value is ``result.NAME``. Values are those of the results: if a
        column's values are not of one simple type, they stay Python objects.

        Args:
            library: ``"pandas"`` or ``"polars"`` (extras of the same names).
            missing: what to do about a chunk without a result: ``"skip"`` it, ``"none"`` for a row without fields, or
                ``"raise"``.
            cost: the place of the cost in a result; see :meth:`Job.map`.

        Raises:
            MissingExtra: the library is not installed. Nothing was read.
            JobIncomplete: chunks are left, and ``missing`` is ``"raise"``.
            StoreDamaged: a stored result is not what was written.
        """
        frames.imported(library)
        where = checked_cost(cost)
        rows = self.items() if missing == "skip" else enumerate(self.results(missing=missing))
        accounts = self._context.reading.chunks.accounts(self.job_id)
        return frames.made(library, _columns(list(rows), self.keys(), accounts, where))


def _columns(
    rows: Sequence[tuple[int, Any]], keys: Mapping[int, Key], accounts: Mapping[int, ChunkAccount], cost: Cost
) -> frames.Columns:
    """Return the columns of these chunks, pairs of index and result. See :meth:`JobFrames.to_dataframe`."""
    taken = [accounts.get(index, ChunkAccount()) for index, _ in rows]
    first: frames.Columns = {"index": [index for index, _ in rows], "key": [keys.get(index) for index, _ in rows]}
    last: frames.Columns = {
        "cost": [_paid(result, account, cost) for (_, result), account in zip(rows, taken, strict=True)],
        "seconds": [account.seconds for account in taken],
        "attempts": [account.attempts for account in taken],
    }
    ours = first | last
    fields = {
        name: values
        for name, values in frames.result_columns([result for _, result in rows]).items()
        if values != ours.get(name)
    }
    return first | frames.beside(fields, ours) | last


def _paid(result: Any, account: ChunkAccount, cost: Cost) -> float | None:
    """Return the amount that this job paid for a chunk; None if it is unknown."""
    of_result = cost_in(result, cost) if result is not None else None
    if account.is_carried and of_result is not None:
        of_result = 0.0  # another job paid for it
    known = [part for part in (of_result, account.failed_cost) if part is not None]
    return sum(known) if known else None
