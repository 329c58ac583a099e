"""Which chunks of a job a command is about: ``3-7``, ``--chunks 3-7`` or ``--key KEY``, in every command alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from checkpoint_store.cli.run.chunk_ranges import ChunkRangesType
from checkpoint_store.errors import ChunkOutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from checkpoint_store import Job
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges


def chunks_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments CHUNKS, ``--chunks RANGES`` and ``--key KEY``, as ``named``, ``chunks`` and ``keys``."""
    for option in (
        click.option(
            "--key", "keys", metavar="KEY", multiple=True, help="A chunk by its key, such as a file (repeatable)."
        ),
        click.option(
            "--chunks", metavar="RANGES", type=ChunkRangesType(), help="These chunks, such as 3-7 or 0,3,20-29."
        ),
        click.argument("named", nargs=-1, type=ChunkRangesType(), metavar="[CHUNKS]..."),
    ):
        function = option(function)
    return function


def chosen_chunks(job: Job, ranges: Iterable[ChunkRanges | None], keys: Iterable[str]) -> list[int]:
    """Return the indices of the chunks that are named, ascending; none where nothing is named.

    Raises:
        ChunkOutOfRange: the job has no such chunk.
        KeyNotFound: no chunk has such a key.
    """
    parts = [part for one in ranges if one is not None for part in one.ranges]
    for part in parts:  # first: a range may be endless
        if part.stop > job.total_chunks:
            raise ChunkOutOfRange(job.job_id, part.stop - 1, job.total_chunks)
    return sorted({*map(job.index_of, keys), *(index for part in parts for index in part)})
