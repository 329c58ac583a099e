"""The caller's own chunks of one job, and the fingerprint of each as it was handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.model.plan import chained, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checkpoint_store.model.plan import Fingerprint


class ChunkContents:
    """The chunks of one job, where their caller gave them. Safe to share between threads.

    Args:
        chunks: the caller's own; None where only their number is known.
        by: turns a chunk into what identifies it.
        rule: the fingerprint rule of the job.
        sequential: whether a chunk's fingerprint counts the chunks before it, too.
    """

    def __init__(self, chunks: Sequence[Any] | None, by: Fingerprint | None, *, rule: int, sequential: bool) -> None:
        self._chunks, self._by, self._rule, self._sequential = chunks, by, rule, sequential
        self._taken: dict[int, str] = {}
        """Fingerprints of chunks that their caller may change; of a sequential job, of all chunks up to the last."""

    @property
    def are_given(self) -> bool:
        """Whether the caller's own chunks are at hand, and not only their number."""
        return self._chunks is not None

    def data(self, index: int) -> Any:
        """Return the caller's chunk. The fingerprint of a chunk that its caller may change is taken before."""
        if self._chunks is None:
            return None
        chunk = self._chunks[index]
        if self._sequential:
            self._chained(index, self._chunks)
        elif not isinstance(chunk, str | bytes):
            self._taken[index] = self._identify(index, chunk)
        return chunk

    def fingerprint(self, index: int) -> str | None:
        """Return the fingerprint of a chunk as it was handed out; None where the chunks are not at hand."""
        if self._chunks is None:
            return None
        if self._sequential:
            return self._chained(index, self._chunks)
        return self._taken.get(index) or self._identify(index, self._chunks[index])

    def forget(self, indices: Iterable[int]) -> None:
        """Forget how these chunks were handed out: they are complete. A later chunk of a sequential job needs them."""
        if self._taken and not self._sequential:
            for index in indices:
                self._taken.pop(index, None)

    def _chained(self, index: int, chunks: Sequence[Any]) -> str:
        """Return a chained fingerprint. Two threads that compute it at the same time write the same values."""
        taken, first = self._taken, index
        while first and first not in taken:
            first -= 1
        if first in taken:
            first += 1
        alone = (self._identify(at, chunks[at]) for at in range(first, index + 1))
        for at, value in enumerate(chained(alone, taken.get(first - 1, "")), first):
            taken[at] = value
        return taken[index]

    def _identify(self, index: int, chunk: object) -> str:
        return fingerprint(chunk, self._by, rule=self._rule, index=index)
