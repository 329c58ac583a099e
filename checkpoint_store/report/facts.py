"""The facts of a report about a job as a whole."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.report.columns import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checkpoint_store import ChunkRecord, Job, JobCosts, JobSummary
    from checkpoint_store.report.amounts import Sums


_COMMAND_LINE: Final = "command_line"
"""The metadata key under which the command stores how a job is run. The page shows a line to type instead."""


def job_facts(job: Job, summary: JobSummary) -> dict[str, Any]:
    """Return the progress of a job, and the settings that it was made for."""
    progress = summary.progress
    return {
        "job_id": summary.job_id,
        "file_name": summary.file_name,
        "title": summary.video_title,
        "model": summary.model,
        "provider": summary.provider,
        "status": summary.shown_status,
        "is_active": summary.is_active,
        "total": progress.total_chunks,
        "completed": progress.completed_chunks,
        "failed": summary.failed_chunks,
        "in_doubt": summary.in_doubt_chunks,
        "redo": summary.redo_chunks,
        "replaced_cost": summary.replaced_cost,
        "chunks_per_minute": progress.chunks_per_minute,
        "seconds_left": summary.seconds_left,
        "started_at": milliseconds(progress.started_at.isoformat()),
        "updated_at": milliseconds(progress.updated_at.isoformat()),
        "error": summary.error_message,
        "config": summary.config,
        "metadata": {name: value for name, value in summary.metadata.items() if name != _COMMAND_LINE},
        "sequential": job.sequential,
        "in_doubt_with_handle": summary.in_doubt_with_handle,
        "superseded_by": summary.superseded_by,
        "runners": _living_runners(job) if summary.is_active else [],
    }


def _living_runners(job: Job) -> list[dict[str, Any]]:
    return [dataclasses.asdict(runner) for runner in job.runners() if runner.is_alive]


def lines(summary: JobSummary, store_path: Path) -> dict[str, str]:
    """Return the command lines that a reader of the page may type, by command. They work in every folder.

    ``resume`` is among them if a run can go on with chunks that are left, and the job remembers how it is run.
    """
    job_id, store = summary.job_id[:8], ("--store", str(store_path))
    words = {verb: ("checkpoint-store", verb, job_id, *store) for verb in ("retry", "results")}
    left = summary.progress.remaining_chunks
    if left and _COMMAND_LINE in summary.metadata and not (summary.is_superseded or summary.is_active):
        failed = ("--failed",) if summary.failed_chunks == left else ()
        words["resume"] = ("checkpoint-store", "resume", job_id, *failed, *store, *_open_option(summary.error_message))
    return {verb: shlex.join(line) for verb, line in words.items()}


def _open_option(error_message: str | None) -> tuple[str, ...]:
    """Return the option whose value the reader has to choose for a job that would otherwise pause again."""
    open_options = {"BudgetReached": ("--max-cost", "AMOUNT"), "CostUnknown": ("--cost", "FIELD")}
    return open_options.get((error_message or "").partition(":")[0], ())


def costs(paid: JobCosts, sums: Sums, in_doubt: Sequence[float | None]) -> dict[str, Any]:
    """Return what a job paid, what others paid for it, and what its chunks in doubt may have cost.

    Args:
        paid: the costs of the job.
        sums: the sums over its results.
        in_doubt: the reservation of each chunk in doubt; None if no budget was set.
    """
    dearest = sums.dearest
    at_most = [max(reserved or 0.0, dearest or 0.0) for reserved in in_doubt]
    return {
        "spent": paid.cost,
        "failed_tries_cost": paid.failed_cost + paid.replaced_cost or None,
        "carried_cost": paid.carried,
        "in_doubt_at_most": sum(at_most) if any(at_most) else None,
        "tokens": dict(sorted(sums.tokens.items())),
    }


def marks(job: Job, summary: JobSummary) -> dict[str, list[ChunkRecord]]:
    """Return the last try at each chunk that was tried and is not complete, by how the chunk stands."""
    if not summary.progress.remaining_chunks:
        return {name: [] for name in ("running", "retried", "in_doubt", "failed")}
    failed = job.failed_chunks()
    gone = {record.chunk_index for record in failed}
    return {
        "running": job.running_chunks(),
        "retried": [record for record in job.errors() if record.chunk_index not in gone],
        "in_doubt": job.in_doubt_chunks(),
        "failed": failed,
    }
