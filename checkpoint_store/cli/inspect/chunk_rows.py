"""The chunks of a job as rows and as ranges: adjacent chunks of the same status that were not tried share a row."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store import StoreDamaged
from checkpoint_store.cli.chunk_map import ranges_of
from checkpoint_store.cli.messages import spoken
from checkpoint_store.cli.redone import tries_in_vain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from checkpoint_store import ChunkRecord, Job

CHUNK_STATUSES: Final = ("pending", "to-redo", "running", "completed", "failed", "in-doubt")
ATTEMPT: Final = ("attempt", "error", "started_at", "finished_at", "seconds", "handle", "key")
"""The columns of a row that describe the last attempt at its chunk."""


def rows_of(job: Job) -> Iterator[dict[str, Any]]:
    """Yield rows for all chunks of a job, by index. A row is about the chunks ``start`` to ``stop``, without ``stop``.

    ``redo`` says whether the chunks are to be done again, and keep their earlier results until then. The status of a
    chunk to redo is ``to-redo`` unless somebody works on it, or it failed. ``tries`` counts the tries since the last
    result.
    """
    marked = job.to_redo()
    tried = _tried(job, frozenset(marked))
    attempt_counts = tries_in_vain(job, [record for _, record in tried.values()])
    indices = sorted(tried)
    position = 0
    for start, stop in [*job.completed_ranges(), (job.total_chunks, job.total_chunks)]:
        for index in _between(indices, position, start):
            yield from _untried(position, index, marked)
            status, record = tried[index]
            row = _row(index, index + 1, status, redo=bool(_between(marked, index, index + 1)), record=record)
            yield row | {"tries": attempt_counts[index]}
            position = index + 1
        yield from _untried(position, start, marked)
        if start < stop:
            yield _row(start, stop, "completed")
        position = stop


def count_in(rows: Iterable[dict[str, Any]]) -> int:
    """Return how many chunks these rows have."""
    return sum(row["stop"] - row["start"] for row in rows)


def tried_ranges(job: Job) -> dict[str, Any]:
    """Return the ranges of the chunks that were tried and are left, by status; ``damage``: why they cannot be read."""
    try:
        failed = {record.chunk_index for record in job.failed_chunks()}
        in_doubt = {record.chunk_index for record in job.in_doubt_chunks()} - failed
        running = {record.chunk_index for record in job.running_chunks()}
        to_redo, damage = set(job.to_redo()), None
    except StoreDamaged as error:  # the rest of the page is sound, and is shown
        failed, in_doubt, running, to_redo, damage = set(), set(), set(), set(), spoken(str(error))
    return {
        "failed_ranges": ranges_of(failed),
        "in_doubt_ranges": ranges_of(in_doubt),
        "running_ranges": ranges_of(running),
        "redo_ranges": ranges_of(to_redo - failed - in_doubt - running),
        "damage": damage,
    }


def _tried(job: Job, marked: frozenset[int]) -> dict[int, tuple[str, ChunkRecord]]:
    """Return the chunks that were tried and are left, with their status and their last attempt."""
    by_index = {
        failed.chunk_index: ("to-redo" if failed.chunk_index in marked else "pending", failed)
        for failed in job.errors()
    }
    by_index |= {record.chunk_index: ("running", record) for record in job.running_chunks()}
    by_index |= {record.chunk_index: ("in-doubt", record) for record in job.in_doubt_chunks()}
    return by_index | {record.chunk_index: ("failed", record) for record in job.failed_chunks()}


def _untried(start: int, stop: int, marked: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield rows for chunks that are left and were not tried: those to redo, and those without a result."""
    position = start
    for first, end in ranges_of(_between(marked, start, stop)):
        if position < first:
            yield _row(position, first, "pending")
        yield _row(first, end, "to-redo", redo=True)
        position = end
    if position < stop:
        yield _row(position, stop, "pending")


def _between(ascending: Sequence[int], start: int, stop: int) -> Sequence[int]:
    return ascending[bisect_left(ascending, start) : bisect_left(ascending, stop)]


def _row(
    start: int, stop: int, status: str, *, redo: bool = False, record: ChunkRecord | None = None
) -> dict[str, Any]:
    attempt = {name: None if record is None else getattr(record, name) for name in ATTEMPT}
    return {"start": start, "stop": stop, "status": status, **attempt, "tries": 0, "redo": redo}
