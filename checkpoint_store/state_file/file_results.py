"""The results in a state file, by their keys. A file grows only while its job still has each of these results."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.storage.verbs.job_content import JobContent

_RESULTS_AT_ONCE: Final = 1024
_INDEX: Final = "i"
"""The type of an index in an array: four bytes, enough for every chunk that a plan may have."""

Key = tuple[int, int, str]
"""The key of a result: (chunk index, number, digest). A result that is recorded later has a larger number."""


class NewResults(NamedTuple):
    """The results that a file lacks. No key is kept: there may be a million."""

    indices: array[int]
    """The chunk index of each result, ascending."""
    number_max: int
    """The largest number in the keys of these results; -1 without results."""
    checksum: int
    """The sum of the hashes of all keys."""


class FileResults(NamedTuple):
    """The keys of the results in a state file, and their place in the file."""

    indices: array[int]
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
        return all(earlier < later for earlier, later in pairwise(self.indices))

    def pages(self) -> Iterator[array[int]]:
        """Yield the chunk indices of the results, in the order of the file, in pages."""
        for start in range(0, len(self.indices), _RESULTS_AT_ONCE):
            yield self.indices[start : start + _RESULTS_AT_ONCE]

    def new_results(self, keys: Iterable[list[Key]]) -> NewResults | None:
        """Return the results of a job that this file lacks, in the order of the chunks.

        None if the job lacks a result of this file, because the result was replaced or deleted since; or if an index
        is larger than any plan allows, which only a damaged store has.

        Args:
            keys: the keys of all results that the job has now, in pages, ascending by index.
        """
        checksum, count = 0, 0
        new, new_number_max, new_checksum = array(_INDEX), -1, 0
        for page in keys:
            for key in page:
                index, number, _ = key
                if number <= self.number_max:
                    checksum += hash(key)
                    count += 1
                    continue
                try:
                    new.append(index)
                except OverflowError:
                    return None
                new_number_max = max(new_number_max, number)
                new_checksum += hash(key)
        if count != len(self.indices) or checksum != self.checksum:
            return None
        return NewResults(new, new_number_max, new_checksum)

    def and_these(self, new: NewResults) -> FileResults:
        """Return the results of this file with ``new`` results behind them; where they end is known once written."""
        return self._replace(
            indices=self.indices + new.indices,
            number_max=max(self.number_max, new.number_max),
            checksum=self.checksum + new.checksum,
        )


def all_results(snapshot: JobContent, head_bytes: int, end_bytes: int) -> FileResults | None:
    """Return the results of a file that has all results of a job, in the order of the chunks.

    None if an index is larger than any plan allows, which only a damaged store has.
    """
    nothing = FileResults(array(_INDEX), -1, 0, head_bytes, end_bytes)
    new = nothing.new_results(snapshot.result_keys())
    return None if new is None else nothing.and_these(new)
