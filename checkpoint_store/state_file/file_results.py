"""The results in a state file, by their keys. A file grows only while its job still has each of these results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from checkpoint_store.model.chunks import IndexList
from checkpoint_store.model.state import state_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from checkpoint_store.storage.verbs.job_content import JobContent

_LINE_PART_BYTES: Final = 65536
"""Read this many bytes at once of the line of the completed chunks: it may have a million indices."""

ResultKey = tuple[int, int, str]
"""The key of a result: (chunk index, number, digest). A result that is recorded later has a larger number."""


class NewResults(NamedTuple):
    """The results that a file lacks. No key is kept: there may be a million."""

    indices: IndexList
    """The chunk index of each result, ascending."""
    number_max: int
    """The largest number in the keys of these results; -1 without results."""
    checksum: int
    """The sum of the hashes of all keys."""


class FileResults(NamedTuple):
    """The keys of the results in a state file, and their place in the file."""

    indices: IndexList
    """The chunk index of each result, in the order of the file."""
    number_max: int
    """The largest number in the keys of these results; -1 for a file without results."""
    checksum: int
    """The sum of the hashes of all keys. The order of the results does not change the sum."""
    head_bytes: int
    """The byte offset at which the first result begins."""
    end_bytes: int
    """The byte offset behind the last result."""

    @property
    def is_in_order(self) -> bool:
        """Whether the results stand in the order of the chunks, as in every exact state."""
        return self.indices.is_ascending

    def new_results(self, keys: Iterable[list[ResultKey]]) -> NewResults | None:
        """Return the results of a job that this file lacks, in the order of the chunks.

        None if the job lacks a result of this file: the result was replaced or deleted since.

        Args:
            keys: the keys of all results that the job has now, in pages, ascending by index.
        """
        checksum, count = 0, 0
        new, new_number_max, new_checksum = IndexList(), -1, 0
        for page in keys:
            new_indices = list[int]()
            for key in page:
                index, number, _ = key
                if number <= self.number_max:
                    checksum += hash(key)
                    count += 1
                    continue
                new_indices.append(index)
                new_number_max = max(new_number_max, number)
                new_checksum += hash(key)
            new.extend(new_indices)
        if count != len(self.indices) or checksum != self.checksum:
            return None
        return NewResults(new, new_number_max, new_checksum)

    def and_these(self, new: NewResults) -> FileResults:
        """Return the results of this file with ``new`` results behind them; where they end is known once written."""
        return self._replace(
            indices=self.indices.and_these(new.indices),
            number_max=max(self.number_max, new.number_max),
            checksum=self.checksum + new.checksum,
        )


def all_results(snapshot: JobContent, head_bytes: int, end_bytes: int) -> FileResults | None:
    """Return the results of a file that has all results of a job, in the order of the chunks.

    None if the number of a result is negative, which only a damaged store has.
    """
    nothing = FileResults(IndexList(), -1, 0, head_bytes, end_bytes)
    new = nothing.new_results(snapshot.result_keys())
    return None if new is None else nothing.and_these(new)


def head_bytes_of(path: Path, job_id: str) -> int | None:
    """Return the byte offset at which the results begin in a state file of this job.

    None if the file cannot be read, shows another job, or this version does not write files of this layout.
    """
    try:
        with path.open("rb") as file:
            fields = state_text.read_fields(file.readline() for _ in range(state_text.HEAD_LINES - 1))
            if fields is None or fields["job_id"] != job_id:
                return None
            parts = iter(lambda: file.readline(_LINE_PART_BYTES), b"")
            return file.tell() + len(state_text.RESULTS_BEGIN) if state_text.passes_completed(parts) else None
    except OSError:
        return None
