"""The caller's own chunks of one job: their contents, keys, and fingerprints when a loop handed them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from checkpoint_store.errors import KeyNotFound
from checkpoint_store.model.chunks import as_int, is_key
from checkpoint_store.model.plan import FINGERPRINT_RULE, chained, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checkpoint_store.model.chunks import Key
    from checkpoint_store.model.plan import Fingerprint
    from checkpoint_store.storage.records.records import Completion
    from checkpoint_store.storage.storage import Reading


@dataclass(frozen=True, slots=True)
class Given:
    """The caller's own chunks of a job, as they were compared with the plan of the job."""

    chunks: Sequence[Any]
    fingerprint_by: Fingerprint | None
    """The caller's function that returns what identifies a chunk."""
    count: int
    """The number of chunks when the job was opened: the caller's sequence may grow, and new chunks are in no plan."""
    keys: Sequence[Key] | None = None
    """The caller's keys of the chunks, by index; None if the chunks are only numbered."""


class ChunkContents:
    """The chunks of one job, where their caller gave them. Safe to share between threads.

    ``rule`` is the fingerprint rule of the job; ``sequential``: a chunk's fingerprint counts the chunks before it, too.
    """

    __slots__ = ("_given", "_rule", "_sequential", "taken")  # one object is shared by many jobs: nobody adds to it

    def __init__(self, given: Given | None, *, rule: int, sequential: bool) -> None:
        self._given, self._rule, self._sequential = given, rule, sequential
        self.taken: dict[int, str] = {}
        """Fingerprints of chunks that their caller may change; of a sequential job, of all chunks up to the last."""

    @property
    def are_given(self) -> bool:
        """Whether the caller's own chunks are at hand, and not only their number."""
        return self._given is not None

    @property
    def are_at_hand(self) -> bool:
        """Whether no function of the caller is called for the data and the fingerprint of a chunk."""
        given = self._given
        return given is None or (type(given.chunks) in (list, tuple) and given.fingerprint_by is None)

    @property
    def count(self) -> int | None:
        """How many of the caller's own chunks are at hand; None if only their number is known."""
        return None if self._given is None else self._given.count

    @property
    def keys(self) -> Sequence[Key] | None:
        """The caller's keys of the chunks, by index; None if no keys were given."""
        return None if self._given is None else self._given.keys

    def grow(self, given: Given | None) -> None:
        """Take the chunks of a job that has grown; its first chunks are unchanged, as their fingerprints say."""
        if self._given is not None and given is not None:
            self._given = given

    def data(self, index: int) -> Any:
        """Return the caller's chunk. If what it stands for may change, its fingerprint is computed first.

        Each try at a chunk that is read from elsewhere (a file that it names) has the fingerprint of that moment. Data
        in memory keeps the first: only the work of an earlier try can have changed it.
        """
        given = self._given
        if given is None:
            return None
        chunk = given.chunks[index]
        if not self.are_at_hand or (index not in self.taken and not isinstance(chunk, str | bytes)):
            self._take(index, given, chunk)
        return chunk

    def _take(self, index: int, given: Given, chunk: object) -> None:
        before = self._chained(index - 1, given) if self._sequential and index else ""
        try:
            own = self._identify(index, given, chunk)
        except Exception:  # an earlier try may have moved the file that the chunk names: the work says what is wrong
            if index not in self.taken:
                raise
        else:
            self.taken[index] = next(chained([own], before)) if self._sequential else own

    def fingerprint(self, index: int) -> str | None:
        """Return the fingerprint that a chunk had when a loop handed it out; None if the chunk is not at hand."""
        given = self._given
        if given is None or index >= given.count:
            return None
        if self._sequential:
            return self._chained(index, given)
        return self.taken.get(index) or self._identify(index, given, given.chunks[index])

    def forget(self, completions: Iterable[Completion]) -> None:
        """Forget the fingerprints of these complete chunks. Later chunks of a sequential job need them: keep those."""
        for completion in completions:
            self.taken.pop(completion.chunk_index, None)

    def _chained(self, index: int, given: Given) -> str:
        """Return a chained fingerprint. Two threads that compute it at the same time write the same values."""
        taken, first = self.taken, index
        while first and first not in taken:
            first -= 1
        if first in taken:
            first += 1
        alone = (self._identify(at, given, given.chunks[at]) for at in range(first, index + 1))
        for at, value in enumerate(chained(alone, taken.get(first - 1, "")), first):
            taken[at] = value
        return taken[index]

    def _identify(self, index: int, given: Given, chunk: object) -> str:
        return fingerprint(chunk, given.fingerprint_by, rule=self._rule, index=index)


NOT_AT_HAND: Final = ChunkContents(None, rule=FINGERPRINT_RULE, sequential=False)
"""The contents of every job of which only the number of chunks is known: one object for a long list of jobs."""


class ChunkKeys:
    """The keys of the chunks of one job. Safe to share between threads."""

    def __init__(self, reading: Reading, job_id: str, contents: ChunkContents) -> None:
        self._reading, self._job_id, self._contents = reading, job_id, contents
        self._are_stored: bool | None = None
        """Whether the store has keys for chunks of the job; None: nobody has asked."""

    def of(self, index: int) -> Key | None:
        """Return the caller's key of a chunk; None if the chunk has no key."""
        if self._contents.keys is not None:
            return self._contents.keys[index]
        if self._are_stored is None:
            self._are_stored = self._reading.keys.has_any(self._job_id)
        return self._reading.keys.at(self._job_id, index) if self._are_stored else None

    def index_of(self, key: Key) -> int:
        """Return the chunk with a key, or raise :class:`KeyNotFound`."""
        number = key if isinstance(key, str) else as_int(key)
        index = self._reading.keys.index_of(self._job_id, number) if is_key(number) else None
        if index is None:
            raise KeyNotFound(self._job_id, key, has_keys=self._reading.keys.has_any(self._job_id))
        return index
