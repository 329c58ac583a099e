"""The plan of a run that works on some chunks of a file alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.cli.screen import chunk_count

if TYPE_CHECKING:
    from checkpoint_store import CheckpointStore, RunPlan
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges

_GOES_ON: Final = ("resume", "extend", "complete")


def plan_of_part(run_plan: RunPlan, store: CheckpointStore, only: ChunkRanges | None) -> RunPlan:
    """Return the plan of a run of these chunks alone; a run under ``reuse`` may have less to do."""
    if only is None or not run_plan.chunks_to_do:
        return run_plan
    in_part = {
        name: tuple(index for index in getattr(run_plan, name) if index in only)
        for name in ("failed", "in_doubt", "with_handle")
    }
    count = len(only.indices)
    if run_plan.action in _GOES_ON:
        count = only.count_left(store.job(str(run_plan.job_id))) - len(in_part["failed"])
    to_do = min(count, run_plan.chunks_to_do)
    changes: dict[str, Any] = {**in_part, "chunks_to_do": to_do}
    for name in ("estimated_cost", "estimated_seconds"):
        whole = getattr(run_plan, name)
        changes[name] = None if whole is None else whole * to_do / run_plan.chunks_to_do
    return dataclasses.replace(run_plan, **changes)


def to_do_text(run_plan: RunPlan, only: ChunkRanges | None) -> str:
    """Return how many chunks a run would do: ``4 of 6 chunks``."""
    if only is None:
        return f"{run_plan.chunks_to_do:,} of {chunk_count(run_plan.total_chunks)}"
    most = "at most " if run_plan.action == "reuse" else ""
    return f"{most}{run_plan.chunks_to_do:,} of the {chunk_count(len(only.indices))} of --only {only}"
