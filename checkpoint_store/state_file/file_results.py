"""Which results a state file has, in which order, and where they end: what a later state has in common with it."""

from __future__ import annotations

from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checkpoint_store.storage.job_snapshot import JobSnapshot

_PAGE: int = 1024

Key = tuple[int, int, str]
"""(index, number, digest) of a result in the store. Numbers grow as results are recorded."""


class FileResults(NamedTuple):
    """The results in a state file."""

    indices: array[int]
    """The chunk of each, in the order of the file."""
    number_max: int
    """The largest number of a result among them."""
    checksum: int
    """Of the keys of all of them, in whichever order."""
    head_bytes: int
    """Where they begin in the file."""
    end_bytes: int
    """Where they end."""

    @property
    def is_in_order(self) -> bool:
        """Whether they stand in the order of the chunks, as they do where a state is exact."""
        return all(earlier < later for earlier, later in pairwise(self.indices))

    def pages(self) -> Iterator[array[int]]:
        """Yield the chunk of each, in the order of the file, in pages."""
        for start in range(0, len(self.indices), _PAGE):
            yield self.indices[start : start + _PAGE]

    def new_keys(self, keys: Iterable[list[Key]]) -> list[Key] | None:
        """Return the keys of the results that a job has besides, as they were recorded.

        None where it has not these very results any more.
        """
        checksum, count, new = 0, 0, list[Key]()
        for page in keys:
            for key in page:
                if key[1] > self.number_max:
                    new.append(key)
                else:
                    checksum += hash(key)
                    count += 1
        if count != len(self.indices) or checksum != self.checksum:
            return None
        return sorted(new, key=lambda key: key[1])

    def and_these(self, new: list[Key], end_bytes: int) -> FileResults:
        """Return the results of a file that has these and new ones, which end there."""
        return FileResults(
            self.indices + array("q", [index for index, _, _ in new]),
            new[-1][1] if new else self.number_max,
            self.checksum + sum(map(hash, new)),
            self.head_bytes,
            end_bytes,
        )


def all_results(snapshot: JobSnapshot, head_bytes: int, end_bytes: int) -> FileResults:
    """Return the results of a file that has all results of a job, in the order of its chunks."""
    indices, number_max, checksum = array("q"), -1, 0
    for page in snapshot.result_keys():
        indices.extend([index for index, _, _ in page])
        number_max = max(number_max, *[number for _, number, _ in page])
        checksum += sum(map(hash, page))
    return FileResults(indices, number_max, checksum, head_bytes, end_bytes)
