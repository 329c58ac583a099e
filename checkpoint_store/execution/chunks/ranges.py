"""The completed chunks of a job, and the chunks that are left, read page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpoint_store.model.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.storage.reading import Reading


def completed_ranges(reading: Reading, job_id: str) -> list[tuple[int, int]]:
    """Return the completed chunks as half-open ranges ``(start, stop)``, ascending."""
    return list(spans_of(_completed(reading, job_id)))


def _completed(reading: Reading, job_id: str) -> Iterator[int]:
    start = 0
    while completed := reading.chunks.completed_from(job_id, start):
        yield from completed
        start = completed[-1] + 1


def remaining_ranges(reading: Reading, job_id: str, total_chunks: int) -> list[range]:
    """Return the chunks of ``[0, total_chunks)`` that are not complete, ascending, whether claimed or not."""
    gaps, position = list[range](), 0
    for start, stop in [*completed_ranges(reading, job_id), (total_chunks, total_chunks)]:
        gap = range(position, min(start, total_chunks))
        if gap:
            gaps.append(gap)
        position = stop
    return gaps


def incomplete(reading: Reading, job_id: str, total_chunks: int) -> Iterator[int]:
    """Yield the chunks that are not complete, by index."""
    for page, completed in reading.chunks.completed_pages(job_id, total_chunks):
        yield from sorted(set(page) - set(completed))
