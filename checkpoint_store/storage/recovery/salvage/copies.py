"""The content that was read from one surviving copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from checkpoint_store.storage.open_requests import Source

UNKNOWN_TIME: Final = "1970-01-01T00:00:00.000Z"


@dataclass(slots=True)
class AttemptLog:
    """The attempts at chunks, and the runners that made them, as one copy knows them."""

    attempts: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    """The attempts by job and chunk, in the order of their numbers."""
    runners: list[dict[str, Any]] = field(default_factory=list)
    known: bool = False
    """Whether the copy has the tables of attempts and runners. A copy of an older schema has none."""
    complete: bool = True
    """Whether all attempts and runners could be read."""


@dataclass(slots=True)
class Chunk:
    """A completed chunk as a copy has it. ``text`` is None if the copy lacks its result."""

    completed_at: str
    fingerprint: str | None
    digest: str | None
    text: str | None = None
    proven: bool = True
    """Whether the digest was stored beside the result, and not computed now from the text."""
    source: Source | None = None
    """The job and the chunk that paid for the result, where it was carried over."""
    answers: str | None = None
    """The time of the redo that the result answers; None if it answers none."""
    listed: bool = False
    """Whether its row in ``completed_chunks`` was read, which says who paid for the result, and what it answers."""


@dataclass(slots=True)
class Copy:
    """The content of one surviving copy. A digest of the copy verifies each result; a state file has no digests."""

    name: str
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    unread: dict[str, frozenset[str]] = field(default_factory=dict)
    """The columns of the row of a job that cannot be read, by job. The row has a neutral value for each."""
    chunks: dict[str, dict[int, Chunk]] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    """The time of the deletion, by deleted job."""
    complete: bool = True
    """Whether all of the copy could be read."""
    backup: bool = False
    """Whether the copy is a backup: older than the store."""
    state: bool = False
    """Whether it is a state file."""
    torn: bool = False
    """Whether it is a torn state file, of which only a part could be read."""
    attempt_log: AttemptLog = field(default_factory=AttemptLog)
    facts: dict[tuple[str, str], dict[int, dict[str, Any]]] = field(default_factory=dict)
    """Keys, handles, and what is to be done again: by table and job, then by chunk."""

    def chunk(self, job_id: str, index: int, at: str) -> Chunk:
        """Return the entry for a chunk, making it where it is not known yet."""
        return self.chunks.setdefault(job_id, {}).setdefault(index, Chunk(at, None, None))
