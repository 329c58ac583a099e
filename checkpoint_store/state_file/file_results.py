"""The results in a state file, by their keys. A file grows only while its job still has each of these results."""

from __future__ import annotations

from array import array
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.storage.verbs.job_content import JobContent

_RESULTS_AT_ONCE: Final = 1024

Key = tuple[int, int, str]
"""The key of a result: (chunk index, number, digest). A result that is recorded later has a larger number."""


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

    def new_keys(self, keys: Iterable[list[Key]]) -> list[Key] | None:
        """Return the keys of a job's results that this file lacks, in the order in which they were recorded.

        None if the job lacks a result of this file: the result was replaced or deleted since.

        Args:
            keys: the keys of all results that the job has now, in pages.
        """
        checksum, count, new = 0, 0, list[Key]()
        for page in keys:
            for key in page:
                _, number, _ = key
                if number > self.number_max:
                    new.append(key)
                else:
                    checksum += hash(key)
                    count += 1
        if count != len(self.indices) or checksum != self.checksum:
            return None
        return sorted(new, key=itemgetter(1))

    def and_these(self, new: list[Key]) -> FileResults:
        """Return the results of this file with ``new`` results behind them; where they end is known once written."""
        return self._replace(
            indices=self.indices + array("q", [index for index, _, _ in new]),
            number_max=max([self.number_max, *[number for _, number, _ in new]]),
            checksum=self.checksum + sum(map(hash, new)),
        )


def all_results(snapshot: JobContent, head_bytes: int, end_bytes: int) -> FileResults:
    """Return the results of a file that has all results of a job, in the order of the chunks."""
    indices, number_max, checksum = array("q"), -1, 0
    for page in snapshot.result_keys():
        indices.extend([index for index, _, _ in page])
        number_max = max(number_max, *[number for _, number, _ in page])
        checksum += sum(map(hash, page))
    return FileResults(indices, number_max, checksum, head_bytes, end_bytes)
