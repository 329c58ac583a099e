"""Ranges of chunks as a person types them: ``3-7``, ``--only``, ``--chunks 3-7`` or ``--key KEY``."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.options import job_argument
from checkpoint_store.cli.paths import ParamType, printable
from checkpoint_store.errors import ChunkOutOfRange

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from checkpoint_store import Job
    from checkpoint_store.cli.run.inputs import Input


_PART: Final = re.compile(r"(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChunkRanges:
    """Chunks as a person names them: ``0-499``, or ``3,7,20-29``; the first chunk is 0; a range includes its end."""

    text: str
    ranges: tuple[range, ...]

    def __str__(self) -> str:
        return self.text

    @property
    def indices(self) -> Collection[int]:
        """The indices of the chunks."""
        return self.ranges[0] if len(self.ranges) == 1 else sorted(set(chain(*self.ranges)))

    def __contains__(self, index: object) -> bool:
        return any(index in part for part in self.ranges)

    @property
    def last(self) -> int:
        """The highest index of the chunks."""
        return max(part.stop - 1 for part in self.ranges)

    def check_count(self, inputs: Sequence[Input]) -> None:
        """Raise a usage error unless there is one input."""
        if len(inputs) != 1:
            raise click.UsageError(f"--only names chunks of one FILE, and {len(inputs)} are given.")

    def check(self, begun: Input) -> None:
        """Raise a usage error unless an input, as its job reads it, has all of these chunks."""
        total = len(begun.content.chunks)
        if self.last >= total:
            has = f"has the chunks 0 to {total - 1}"
            raise click.UsageError(f"--only {self.text}: {printable(begun.path)} {has}, and no chunk {self.last}.")

    def count_left(self, job: Job) -> int:
        """Return how many of these chunks are not complete."""
        left = set(self.indices)
        for start, stop in job.completed_ranges():
            left.difference_update(range(start, stop))
        return len(left)


class ChunkRangesType(ParamType[ChunkRanges]):
    """Ranges of chunks with commas between them; a range includes its last chunk."""

    name = "ranges"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ChunkRanges:
        """Return the chunks; show a usage error for anything else."""
        if isinstance(value, ChunkRanges):
            return value
        return ChunkRanges(value, tuple(self._range(part.strip(), param, ctx) for part in value.split(",")))

    def _range(self, part: str, param: click.Parameter | None, ctx: click.Context | None) -> range:
        match = _PART.fullmatch(part)
        if match is None:
            self.fail(f"{part!r} is no range of chunks such as 0-499, and no chunk such as 7.", param, ctx)
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if last < first:
            self.fail(f"{part} ends before it begins; write {last}-{first}.", param, ctx)
        return range(first, last + 1)


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

    def of(self, job: Job) -> list[int]:
        """Return the indices of the named chunks, ascending (none: an empty list); refuse one that the job lacks."""
        ranges = (*self.named, *([] if self.chunks is None else [self.chunks]))
        parts = [part for chunk_ranges in ranges for part in chunk_ranges.ranges]
        for part in parts:  # first: a range may be endless
            if part.stop > job.total_chunks:
                raise ChunkOutOfRange(job.job_id, part.stop - 1, job.total_chunks)
        return sorted({*map(job.index_of, self.keys), *(index for part in parts for index in part)})


def takes_chunks(function: Callable[[NamedChunks], None]) -> Callable[..., Any]:
    """Add the arguments JOB and CHUNKS, and their options, for a command about chunks."""

    @job_argument
    @click.argument("named", nargs=-1, type=ChunkRangesType(), metavar="[CHUNKS]...")
    @click.option("--chunks", metavar="RANGES", type=ChunkRangesType(), help="These chunks, such as 3-7 or 0,3,20-29.")
    @click.option(
        "--key", "keys", metavar="KEY", multiple=True, help="A chunk by its key, such as a file (repeatable)."
    )
    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(NamedChunks(**given))

    return command
