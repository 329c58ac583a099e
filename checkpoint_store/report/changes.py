"""Compare the plans of the jobs of one file field by field, and their configs key by key."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checkpoint_store import JobSummary


def changes_by_job(summaries: Sequence[JobSummary]) -> dict[str, dict[str, Any]]:
    """Return how each job differs from the job of the same file that was opened before it, by job id.

    Args:
        summaries: all jobs of the store, the one opened last first.
    """
    by_file: dict[str, list[JobSummary]] = defaultdict(list)
    for summary in summaries:
        by_file[summary.file_name].append(summary)
    return {
        later.job_id: {"earlier": earlier.job_id, "fields": list(_differences(earlier, later))}
        for jobs in by_file.values()
        for later, earlier in pairwise(jobs)
    }


def _differences(earlier: JobSummary, later: JobSummary) -> Iterator[dict[str, Any]]:
    before, after = _plan(earlier), _plan(later)
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield {"field": name, "before": before.get(name), "after": after.get(name)}


def _plan(summary: JobSummary) -> dict[str, Any]:
    fields = {
        "chunks": summary.progress.total_chunks,
        "model": summary.model,
        "provider": summary.provider,
        "title": summary.video_title,
    }
    return fields | {f"config.{name}": value for name, value in summary.config.items()}
