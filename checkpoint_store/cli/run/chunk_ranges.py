"""Ranges of chunks as a person types them, for ``--only`` and ``--chunks``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from checkpoint_store.cli.paths import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from checkpoint_store import Job
    from checkpoint_store.cli.run.inputs import Input

    _RangesType = click.ParamType["ChunkRanges"]
else:
    _RangesType = click.ParamType  # generic for type checkers only

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


class ChunkRangesType(_RangesType):
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
