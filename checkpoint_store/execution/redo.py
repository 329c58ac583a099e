"""Mark chunks of a job to be done again: one transaction in the store; then the state file is made exact."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from checkpoint_store.errors import CheckpointStoreError, StoreBusy
from checkpoint_store.model.amounts import cost_in
from checkpoint_store.model.codec import json_text
from checkpoint_store.system.log import WarningsLast, log_suppressed

if TYPE_CHECKING:
    from collections.abc import Collection

    from checkpoint_store.execution.context import StoreContext
    from checkpoint_store.model.amounts import Cost


def redo(context: StoreContext, job_id: str, indices: Collection[int]) -> int:
    """Let complete chunks be done again; return how many chunks got a new mark. See :meth:`Job.redo`."""
    storage = context.storage
    with suppress(StoreBusy):  # chunks that this process has dropped are not in work
        storage.claims.release(job_id)
    count = storage.redos.redo(job_id, indices)
    if count:
        context.job_ended(job_id)
    return count


def earlier_cost(context: StoreContext, job_id: str, index: int, cost: Cost, *, replace: bool) -> float | None:
    """Return the cost of the result that the next result of a chunk replaces; None if a usual field holds it.

    The earlier result is replaced if the chunk is to be done again, or if the caller asks for that (``replace``).

    A ``cost`` function is the caller's. It is called here, outside of any transaction. A store that is closed, or an
    earlier result that is damaged, raises nothing: the next result is paid for, and is to be recorded or kept.
    """
    try:
        is_by_hand = replace and context.reading.results.digest(job_id, index) is not None
        if not is_by_hand and not context.reading.marks.has(job_id, index):
            return None
        with suppress(Warning), WarningsLast():  # a warning of a healed result may be an error here
            text = context.reading.results.text(job_id, index)
        return cost_in(json_text.decode(text), cost)
    except (CheckpointStoreError, ValueError) as error:
        log_suppressed(error, f"job {job_id}, chunk {index}: what its earlier result cost could not be read")
        return None
