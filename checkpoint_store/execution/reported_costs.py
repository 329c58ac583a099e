"""What failed tries cost that an attempt reported before its result: the cost is kept before the result is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.system.log import log_suppressed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoint_store.execution.claims.claims import Claims
    from checkpoint_store.storage.records import Completion
    from checkpoint_store.storage.storage import Storage


def keep_reported_costs(storage: Storage, claims: Claims | None, completions: Sequence[Completion]) -> None:
    """Keep the costs that were reported by the attempts which these completions end. Durable when this returns.

    The store is asked only for attempts that have reported a cost, or that are not in hand: their results come late,
    and another process may have made them. A cost that cannot be kept is logged, and no error: the result is recorded
    next, and is worth more.
    """
    for completion in completions:
        job_id, index, number = completion.job_id, completion.chunk_index, completion.attempt
        if number is None:
            continue
        chunk = None if claims is None else claims.in_hand.get(index)
        if chunk is not None and chunk.number == number and not chunk.reported:
            continue
        try:
            storage.budgets.keep_reported(job_id, index, number)
        except Exception as error:  # whatever the disk lacks: the result is tried all the same
            log_suppressed(error, f"job {job_id}, chunk {index}: what its failed tries cost is not recorded")
