"""The columns of a frame that shows a job: its results, and what each of them took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.execution.frames import beside, result_columns
from checkpoint_store.model.amounts import cost_in
from checkpoint_store.model.records import ChunkAccount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checkpoint_store.execution.frames import Columns
    from checkpoint_store.model.amounts import Cost


def job_columns(rows: Sequence[tuple[int, Any]], accounts: Mapping[int, ChunkAccount], cost: Cost) -> Columns:
    """Return the columns of these chunks, pairs of index and result. See :meth:`JobReading.to_dataframe`."""
    taken = [accounts.get(index, ChunkAccount()) for index, _ in rows]
    first: Columns = {"index": [index for index, _ in rows], "key": [one.key for one in taken]}
    last: Columns = {
        "cost": [_paid(result, one, cost) for (_, result), one in zip(rows, taken, strict=True)],
        "seconds": [one.seconds for one in taken],
        "attempts": [one.attempts for one in taken],
    }
    ours = first | last
    fields = {
        name: values
        for name, values in result_columns([result for _, result in rows]).items()
        if values != ours.get(name)
    }
    return first | beside(fields, ours) | last


def _paid(result: Any, account: ChunkAccount, cost: Cost) -> float | None:
    """Return what this job paid for a chunk; None where nobody knows."""
    of_result = cost_in(result, cost) if result is not None else None
    if account.is_carried and of_result is not None:
        of_result = 0.0  # another job paid for it
    known = [one for one in (of_result, account.failed_cost) if one is not None]
    return sum(known) if known else None
