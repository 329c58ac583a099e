"""Which chunks of a job are complete, and which are left, as ranges of indices: read in pages, nothing is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checkpoint_store.storage.reading import Reading


def completed_ranges(reading: Reading, job_id: str) -> list[range]:
    """Return the completed chunks, ascending. It takes as long as there are such chunks."""
    ranges: list[range] = []
    start = 0
    while completed := reading.completed_from(job_id, start):
        start = completed[-1] + 1
        for index in completed:
            if ranges and ranges[-1].stop == index:
                ranges[-1] = range(ranges[-1].start, index + 1)
            else:
                ranges.append(range(index, index + 1))
    return ranges


def remaining_ranges(reading: Reading, job_id: str, total_chunks: int) -> list[range]:
    """Return the chunks of ``[0, total_chunks)`` that are not complete, ascending, whoever works on them."""
    gaps, start = list[range](), 0
    for done in [*completed_ranges(reading, job_id), range(total_chunks, total_chunks)]:
        gap = range(start, min(done.start, total_chunks))
        if gap:
            gaps.append(gap)
        start = done.stop
    return gaps


def remaining_indices(reading: Reading, job_id: str, total_chunks: int) -> Iterator[int]:
    """Yield the chunks of ``[0, total_chunks)`` that are not complete, ascending, in bounded memory."""
    for page, completed in reading.completed_pages(job_id, total_chunks):
        yield from sorted(set(page) - set(completed))
