"""A notice if the results that were printed are not the results of all chunks of their job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.cli.redone import to_redo_text
from checkpoint_store.cli.screen import Screen, chunk_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store import Job


def counted_out(job: Job, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield all the items; then say on stderr how many chunks have a result, if not each one has its final result.

    In a file into which stdout goes, the results of a half-done job look whole.
    """
    count = 0
    for item in items:
        yield item
        count += 1
    if count < job.total_chunks:
        whole = f"{chunk_count(job.total_chunks)} of job {job.job_id[:8]}"
        Screen().note(f"not all results: {count:,} of the {whole} {'has' if count == 1 else 'have'} a result")
    if to_redo := len(job.to_redo()):
        Screen().note(to_redo_text(to_redo))
