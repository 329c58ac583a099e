"""Which chunks of a job a command is about: ``3-7``, ``--chunks 3-7`` or ``--key KEY``, in every command alike."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from checkpoint_store.cli.options import job_argument, json_option, store_option
from checkpoint_store.cli.run.chunk_ranges import ChunkRangesType
from checkpoint_store.errors import ChunkOutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from checkpoint_store import Job
    from checkpoint_store.cli.run.chunk_ranges import ChunkRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedChunks:
    """The arguments of a command about chunks of a job."""

    job_id: str | None
    """The job; None for the newest job."""
    named: tuple[ChunkRanges, ...]
    chunks: ChunkRanges | None
    keys: tuple[str, ...]
    store_path: str
    as_json: bool

    @property
    def are_any(self) -> bool:
        """Whether any chunk is named."""
        return bool(self.named or self.chunks is not None or self.keys)

    def of(self, job: Job) -> list[int]:
        """Return the indices of the named chunks, ascending; an empty list if no chunk is named.

        Raises:
            ChunkOutOfRange: the job has no such chunk.
            KeyNotFound: no chunk has the key.
        """
        ranges = (*self.named, *([] if self.chunks is None else [self.chunks]))
        parts = [part for chunk_ranges in ranges for part in chunk_ranges.ranges]
        for part in parts:  # first: a range may be endless
            if part.stop > job.total_chunks:
                raise ChunkOutOfRange(job.job_id, part.stop - 1, job.total_chunks)
        return sorted({*map(job.index_of, self.keys), *(index for part in parts for index in part)})


def takes_chunks(function: Callable[[NamedChunks], None]) -> Callable[..., Any]:
    """Add the arguments JOB and CHUNKS, and their options, ``--store`` and ``--json``, for a command about chunks."""

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(NamedChunks(**given))

    return job_argument()(_chunks_options(store_option(json_option(command))))


def _chunks_options(function: Callable[..., Any]) -> Callable[..., Any]:
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
