"""The cost of a job, read from the field in which its results have their costs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checkpoint_store import Job, JobCosts

USUAL_FIELDS: Final = ("cost", "cost_usd", "usage.cost")
_COST_OPTION: Final = "--cost"


def costs_of(job: Job, metadata: Mapping[str, Any]) -> tuple[str, JobCosts]:
    """Return what a job cost, and the name under which ``totals`` shows it.

    Args:
        job: the job.
        metadata: its metadata. The field that its last ``run --cost`` named comes before the usual ones.
    """
    fields = dict.fromkeys((*_field_of_last_run(metadata), *USUAL_FIELDS))
    for field in fields:
        costs = job.costs(field)
        if costs.carried is not None:  # a result has its cost there
            return field if field in USUAL_FIELDS else USUAL_FIELDS[0], costs
    return USUAL_FIELDS[0], costs


def _field_of_last_run(metadata: Mapping[str, Any]) -> list[str]:
    if not metadata:
        return []
    from checkpoint_store.cli.run.memory import is_memory  # most jobs are not worked off by a command
    from checkpoint_store.cli.run.task_records import MEMORY

    memory = metadata.get(MEMORY)
    if not is_memory(memory):
        return []
    words = memory["words"]
    options = words[: words.index("--")] if "--" in words else words
    return [value for option, value in pairwise(options) if option == _COST_OPTION][-1:]
