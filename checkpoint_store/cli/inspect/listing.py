"""Which jobs ``list`` shows, and what they cost."""

from __future__ import annotations

import dataclasses
import re
import warnings
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import JobsPassedOver, JobStatus
from checkpoint_store.cli.early import own_words
from checkpoint_store.cli.messages import spoken
from checkpoint_store.cli.paths import ParamType, composed, job_name, printable
from checkpoint_store.cli.run.memory import memory_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click

    from checkpoint_store import CheckpointStore, Job, JobCosts, JobSummary


USUAL_FIELDS: Final = ("cost", "cost_usd", "usage.cost")
_COST_OPTION: Final = "--cost"


def costs_of(job: Job, metadata: Mapping[str, Any]) -> tuple[str, JobCosts]:
    """Return what a job cost, and the name under which ``totals`` shows it.

    The field that the last ``run --cost`` named, which is in the job's metadata, comes before the usual ones.
    """
    fields = dict.fromkeys((*_field_of_last_run(metadata), *USUAL_FIELDS))
    for field in fields:
        costs = job.costs(field)
        if costs.carried is not None:  # a result has its cost there
            return field if field in USUAL_FIELDS else USUAL_FIELDS[0], costs
    return USUAL_FIELDS[0], costs


def _field_of_last_run(metadata: Mapping[str, Any]) -> list[str]:
    memory = memory_of(metadata)
    pairs = pairwise(own_words(memory["words"]) if memory else ())
    return [value for option, value in pairs if option == _COST_OPTION][-1:]


JOB_STATUSES: Final = (*(status.value for status in JobStatus), "interrupted", "superseded")
LIST_COLUMNS: Final = (
    *("job_id", "file_name", "status", "completed_chunks", "total_chunks", "redo_chunks", "failed_chunks"),
    "in_doubt_chunks",
    *("cost", "tokens", "started_at", "updated_at", "model", "provider"),
)
"""The columns of ``list --csv``."""
_TOKENS: Final = (
    ("total_tokens",),
    ("tokens",),
    ("input_tokens", "output_tokens"),
    ("prompt_tokens", "completion_tokens"),
)
TOKEN_FIELDS: Final = tuple(name for names in _TOKENS for name in names)
_COSTS: Final = ("cost", "carried", "reserved_cost", "dearest_cost", "unreadable_chunk")
"""The fields of :class:`JobCosts` that a list has."""
JOBS_WITH_COSTS_MAX: Final = 50
RESULTS_WITH_COSTS_MAX: Final = 20_000
"""List no costs of more jobs or results: each result is read for its cost, so ``list`` would take seconds."""
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class When(ParamType[datetime]):
    """A day, a moment (ISO 8601; without an offset it is local time), or how long ago: ``90m``, ``12h``, ``7d``."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment; show a usage error for anything else."""
        ago = re.fullmatch(r"(\d{1,5})([mhdw])", value)
        try:
            if ago is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            reason = f"{value!r} is no day such as 2026-01-31, no moment, and no time ago such as 12h or 7d."
            self.fail(reason, param, ctx)


def names_of(file: str | None, store_path: Path) -> frozenset[str] | None:
    """Return the names that match a file as a person types it: its name, or a path from here; None for all names."""
    if file is None:
        return None
    return frozenset(map(composed, (printable(file), job_name(Path(file), store_path))))


def chosen(
    jobs: Sequence[JobSummary],
    status: str | None,
    file_names: frozenset[str] | None,
    since: datetime | None,
    limit: int | None,
) -> list[JobSummary]:
    """Return the jobs that pass these filters, in their order; a filter of None lets all pass. See :func:`names_of`."""

    def passes(job: JobSummary) -> bool:
        name = composed(job.file_name)
        return (
            status in (None, job.shown_status)
            and (file_names is None or not file_names.isdisjoint((name, PurePath(name).name)))
            and (since is None or job.progress.updated_at >= since)
        )

    return list(islice(filter(passes, jobs), limit))


def readable(store: CheckpointStore) -> tuple[list[JobSummary], dict[str, str]]:
    """Return the jobs that can be read, and an ``error`` about the jobs that cannot; no error if all can be read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", JobsPassedOver)
        summaries = store.summaries()
    return summaries, {"error": spoken(str(caught[0].message), str(store.path))} if caught else {}


def add_costs(
    records: Sequence[dict[str, Any]],
    job_of: Callable[[str], Job],
    totals_of: Callable[[Job, Sequence[str]], Mapping[str, int | float]],
) -> bool:
    """Set the costs of each job, and its ``tokens``; None for what is unknown. False: reading them takes too long.

    ``totals_of`` returns the sums of fields over the results that a job paid for.
    """
    results = sum(record["completed_chunks"] for record in records)
    is_cheap = len(records) <= JOBS_WITH_COSTS_MAX and results <= RESULTS_WITH_COSTS_MAX
    for record in records:
        record.update(dict.fromkeys((*_COSTS, "tokens")))
        if is_cheap and (record["completed_chunks"] or record["redo_chunks"]):
            job = job_of(record["job_id"])
            _, costs = costs_of(job, record["metadata"])
            record.update(dataclasses.asdict(costs), tokens=_tokens(totals_of(job, TOKEN_FIELDS)))
        elif is_cheap:  # the job itself is not read: many jobs may have no result
            record["cost"] = round(record["failed_cost"] + record["replaced_cost"], 9) or None
    return is_cheap


def _tokens(totals: Mapping[str, int | float]) -> int | float | None:
    fields = next((names for names in _TOKENS if any(name in totals for name in names)), ())
    return sum(totals.get(name, 0) for name in fields) if fields else None
